/** The engine of Node's own SHA-256. */
import { hash } from "node:crypto";
import { type Hasher, LEAF_PREFIX, NODE_PREFIX } from "./hasher.ts";

/**
 * A {@link Hasher} on `node:crypto`. A digest is taken as a latin1 ("binary") string and written into the output, because the cost
 * of a one-shot hash is the Buffer it returns more than the hash.
 */
export function createNodeHasher(): Hasher {
  const pair = Buffer.alloc(65, NODE_PREFIX);
  let scratch = Buffer.alloc(1 << 12);

  return {
    hashNodes(src, dst, count) {
      const out = Buffer.from(dst.buffer, dst.byteOffset, dst.byteLength);
      for (let i = 0; i < count; i++) {
        pair.set(src.subarray(64 * i, 64 * i + 64), 1);
        out.write(hash("sha256", pair, "binary"), 32 * i, 32, "latin1");
      }
    },

    hashLeaves(bundle, offset, count, dst, at) {
      const out = Buffer.from(dst.buffer, dst.byteOffset, dst.byteLength);
      let start = offset;
      for (let i = 0; i < count; i++) {
        const end = start + 2 + ((bundle[start]! << 8) | bundle[start + 1]!);
        const size = end - start - 1;
        if (size > scratch.length) scratch = Buffer.alloc(1 << 16);
        // From the second byte of the length on, which makes room for the prefix.
        scratch.set(bundle.subarray(start + 1, end));
        scratch[0] = LEAF_PREFIX;
        out.write(hash("sha256", scratch.subarray(0, size), "binary"), at + 32 * i, 32, "latin1");
        start = end;
      }
    },
  };
}
