throw new Error("this function does not start");
