/** The engine used when a caller names none. */
import type { Hasher } from "./hasher.ts";
import { createScalarHasher } from "./scalar-hasher.ts";
import { createWasmHasher } from "./wasm-hasher.ts";

let shared: Hasher | undefined;

/**
 * The engine for any platform: WebAssembly SIMD, or plain TypeScript where that cannot run. Made on first use, then
 * shared: engines are synchronous and remember nothing.
 */
export function defaultHasher(): Hasher {
  shared ??= createWasmHasher() ?? createScalarHasher();
  return shared;
}
