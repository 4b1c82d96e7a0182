/** Trees of any size for tests: hash i of each level is made on demand and kept. */

import { leafHash, nodeHash } from "./hash.ts";
import type { HashSource } from "./prove.ts";
import { splitPoint, type TreeHead, type TreeNode } from "./tree-math.ts";

export class SyntheticTree implements HashSource {
  readonly #hashes = new Map<string, Uint8Array>();
  readonly #distinctLeaves: number;

  /** Leaf i is that of the entry "i mod `distinctLeaves`": few for trees so large that whole subtrees must be shared. */
  constructor(distinctLeaves = Number.MAX_SAFE_INTEGER) {
    this.#distinctLeaves = distinctLeaves;
  }

  leaf(index: number): Uint8Array {
    return this.#node(0, index);
  }

  head(size: number): TreeHead {
    return { size, root: this.rangeHash(0, size) };
  }

  /** By the definition: split at the largest power of two below the size. */
  rangeHash(start: number, end: number): Uint8Array {
    const count = end - start;
    const isPower = count === 1 || 2 * splitPoint(count) === count;
    if (isPower && start % count === 0) return this.#node(Math.log2(count), start / count);
    const middle = start + splitPoint(count);
    return nodeHash(this.rangeHash(start, middle), this.rangeHash(middle, end));
  }

  async readHashes(nodes: readonly TreeNode[]): Promise<Uint8Array[]> {
    return nodes.map(({ level, index }) => this.#node(level, index));
  }

  #node(level: number, index: number): Uint8Array {
    const kinds = Math.max(1, this.#distinctLeaves / 2 ** level);
    const key = `${level}/${index % kinds}`;
    let hash = this.#hashes.get(key);
    if (hash === undefined) {
      hash =
        level === 0
          ? leafHash(new TextEncoder().encode(String(index % kinds)))
          : nodeHash(this.#node(level - 1, 2 * index), this.#node(level - 1, 2 * index + 1));
      this.#hashes.set(key, hash);
    }
    return hash;
  }
}
