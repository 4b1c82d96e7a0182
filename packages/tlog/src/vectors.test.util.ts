/** For tests: the data in `vectors/tlog`, which other implementations can use too. */
import { readFileSync } from "node:fs";

/** The contents of a vector file. The caller states the shape that it expects. */
export function readVectors<T>(file: string): T {
  return JSON.parse(readFileSync(new URL(`../../../vectors/tlog/${file}`, import.meta.url), "utf8"));
}

/** The code of the error that a function throws or rejects with; the error itself if it has none. */
export async function errorCode(run: () => unknown): Promise<unknown> {
  try {
    await run();
    return "no error";
  } catch (error) {
    return error instanceof Error && "code" in error ? error.code : error;
  }
}
