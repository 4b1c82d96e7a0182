// Names the usual reasons why two builds of a file differ: the time of the build, and paths of the store.

/**
 * - `store-path`: hash parts of store paths differ, so what differs was built with something that differs;
 * - `timestamp`: what looks like a date, a time of day, seconds since 1970, or the time in the header of a gzip file.
 *
 * A name for what is seen, to read a report faster. It proves nothing: who wants to hide a change can make it look like a date.
 */
export type DifferenceCause = "store-path" | "timestamp";

/** Begins where nothing else of the kind ends, so that long runs of letters are gone through once. */
const HASH_PART = /(?<![0-9A-Za-z])[0-9a-df-np-sv-z]{32}(?=-[0-9A-Za-z+._?=-])/g;

/** Each of bounded length, so that no input makes matching slow. */
const TIMES = [
  /(?<!\d)\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)?/g,
  // As mail and HTTP have it.
  /(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?(?<!\d)\d{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4}(?: \d\d:\d\d(?::\d\d)?)?/g,
  // As asctime and date write it, and as __DATE__ does.
  /(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) {1,2}\d{1,2}(?!\d)(?: \d{4})?(?: \d\d:\d\d(?::\d\d)?)?(?: [A-Z]{3,4})?(?: \d{4})?/g,
  /(?<!\d)\d\d:\d\d:\d\d/g,
  /(?<!\d)1\d{9}(?!\d)/g,
];

const GZIP_TIME = { from: 4, to: 8 };

function withoutStorePaths(text: string): string {
  return text.replace(HASH_PART, "\0");
}

function withoutTimes(text: string): string {
  let rest = text;
  if (rest.startsWith("\x1f\x8b\x08")) rest = rest.slice(0, GZIP_TIME.from) + rest.slice(GZIP_TIME.to);
  for (const time of TIMES) rest = rest.replace(time, "\0");
  return rest;
}

/**
 * The causes that together explain every difference between two files; empty when they do not, or when the files are equal.
 * Takes time in proportion to the sizes.
 */
export function causesOf(a: Uint8Array, b: Uint8Array): DifferenceCause[] {
  const [left, right] = [bytesAsText(a), bytesAsText(b)];
  if (left === right) return [];
  const [leftPaths, rightPaths] = [withoutStorePaths(left), withoutStorePaths(right)];
  if (leftPaths === rightPaths) return ["store-path"];
  if (withoutTimes(left) === withoutTimes(right)) return ["timestamp"];
  if (withoutTimes(leftPaths) === withoutTimes(rightPaths)) return ["store-path", "timestamp"];
  return [];
}

/** One character a byte: patterns are ASCII, and what surrounds them may be anything. */
function bytesAsText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
