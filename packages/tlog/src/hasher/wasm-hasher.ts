/** The portable fast engine: four SHA-256 lanes in WebAssembly SIMD (see `assembly/tree-hasher.ts`). */
import { decodeBase64 } from "../encoding.ts";
import type { Hasher } from "./hasher.ts";
import { WASM_MODULE } from "./wasm-module.generated.ts";

/** Exports of the module. `hashNodes` works in place in INPUT, `hashLeaves` from INPUT to OUTPUT. */
interface TreeHasherExports {
  readonly memory: WebAssembly.Memory;
  readonly INPUT: WebAssembly.Global<"i32">;
  readonly INPUT_BYTES: WebAssembly.Global<"i32">;
  readonly OUTPUT: WebAssembly.Global<"i32">;
  readonly MAX_LEAVES: WebAssembly.Global<"i32">;
  hashNodes(count: number): void;
  hashLeaves(count: number): void;
}

/**
 * A {@link Hasher} in WebAssembly SIMD, with 192 KiB of memory of its own; `undefined` where that cannot run, such as on
 * a platform without SIMD or under a content security policy without `wasm-unsafe-eval`.
 */
export function createWasmHasher(): Hasher | undefined {
  let exports: TreeHasherExports;
  try {
    const module = new WebAssembly.Module(decodeBase64(WASM_MODULE, 1 << 16));
    exports = new WebAssembly.Instance(module).exports as unknown as TreeHasherExports;
  } catch {
    return undefined;
  }
  const window = exports.INPUT_BYTES.value;
  const maxLeaves = exports.MAX_LEAVES.value;
  const input = new Uint8Array(exports.memory.buffer, exports.INPUT.value, window);
  const output = new Uint8Array(exports.memory.buffer, exports.OUTPUT.value, maxLeaves * 32);

  return {
    hashNodes(src, dst, count) {
      const most = window / 64;
      for (let done = 0; done < count; done += most) {
        const nodes = Math.min(most, count - done);
        input.set(src.subarray(64 * done, 64 * (done + nodes)));
        exports.hashNodes(nodes);
        dst.set(input.subarray(0, 32 * nodes), 32 * done);
      }
    },

    hashLeaves(bundle, offset, count, dst, at) {
      let start = offset;
      for (let done = 0; done < count; ) {
        // As many whole entries as fit; one always does.
        let end = start;
        let leaves = 0;
        for (const most = Math.min(count - done, maxLeaves); leaves < most; leaves++) {
          const next = end + 2 + ((bundle[end]! << 8) | bundle[end + 1]!);
          if (next - start > window) break;
          end = next;
        }
        input.set(bundle.subarray(start, end));
        exports.hashLeaves(leaves);
        dst.set(output.subarray(0, 32 * leaves), at + 32 * done);
        done += leaves;
        start = end;
      }
    },
  };
}
