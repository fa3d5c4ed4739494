/**
 * Filter values that lite would read as JavaScript: the empty array `{}` becomes an object and fails, a long
 * number is rounded. Quoted, they reach Postgres as they were written.
 */
const EMPTY_ARRAY = /^((?:not\.)?(?:eq|neq|cs|cd|ov)\.)\{\}$/;
const EMPTY_ARRAY_WITHIN = /(\.(?:eq|neq|cs|cd|ov)\.)\{\}(?=[,)])/g;
const NUMBER = /^((?:not\.)?(?:eq|neq|gt|gte|lt|lte)\.)(-?\d+(?:\.\d+)?)$/;

function quoted(value: string): string {
  if (EMPTY_ARRAY.test(value)) return value.replace(EMPTY_ARRAY, '$1"{}"');
  const number = NUMBER.exec(value);
  if (number && String(Number(number[2])) !== number[2]) return `${number[1]}"${number[2]}"`;
  return value.replace(EMPTY_ARRAY_WITHIN, '$1"{}"');
}

/** The same address, or one with such values quoted. */
export function quoteFilters(url: URL): string {
  const changed = [...url.searchParams].map(([name, value]) => [name, quoted(value)] as [string, string]);
  if ([...url.searchParams].every(([, value], index) => changed[index]![1] === value)) return url.href;
  const copy = new URL(url);
  copy.search = changed.map((pair) => pair.map(encodeURIComponent).join("=")).join("&");
  return copy.href;
}
