/** The engine used when a caller names none. */
import type { Hasher } from "./hasher.ts";
import { createScalarHasher } from "./scalar-hasher.ts";

let shared: Hasher | undefined;

/** The fastest engine that runs wherever JavaScript does. Made on first use, then shared: engines are synchronous. */
export function defaultHasher(): Hasher {
  shared ??= createScalarHasher();
  return shared;
}
