/**
 * The engine used when a caller names none. Measured on Node 24, as multiples of createHash().update().digest(): node
 * hashes 7 to 10 with WebAssembly, 3.3 to 3.8 with `node:crypto`, 1.8 with plain TypeScript; of leaves of 200 bytes
 * WebAssembly does as many as `node:crypto` or more. So Node has no other default than browsers.
 */
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
