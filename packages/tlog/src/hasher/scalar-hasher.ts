/** The engine of last resort: plain TypeScript, one hash at a time. */
import { type Hasher, LEAF_PREFIX, NODE_PREFIX } from "./hasher.ts";
import { ScalarSha256 } from "./sha256.ts";

/** A {@link Hasher} in plain TypeScript. Runs everywhere, slower than the others. */
export function createScalarHasher(): Hasher {
  const engine = new ScalarSha256();
  return {
    hashNodes(src, dst, count) {
      for (let i = 0; i < count; i++) engine.hash(NODE_PREFIX, src, 64 * i, 64 * i + 64, dst, 32 * i);
    },
    hashLeaves(bundle, offset, count, dst, at) {
      let start = offset;
      for (let i = 0; i < count; i++) {
        const end = start + 2 + ((bundle[start]! << 8) | bundle[start + 1]!);
        engine.hash(LEAF_PREFIX, bundle, start + 2, end, dst, at + 32 * i);
        start = end;
      }
    },
  };
}
