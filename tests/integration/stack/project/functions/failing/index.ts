Deno.serve(() => {
  throw new Error("this function always fails");
});
