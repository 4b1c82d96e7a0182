// A tree held whole in memory: the hashes of all its complete subtrees, for proofs at any size.

import { type HashSource, leafHash, nodeHash, type TreeNode, treeRoot } from "@trustix/tlog";

/** All hashes of a tree over some entries. */
export class MemoryTree implements HashSource {
  readonly #levels: Uint8Array[][];

  constructor(entries: readonly Uint8Array[]) {
    this.#levels = [entries.map((entry) => leafHash(entry))];
    for (let below = this.#levels[0]!; below.length > 1; ) {
      const pairs = Array.from({ length: Math.floor(below.length / 2) }, (_, i) =>
        nodeHash(below[2 * i]!, below[2 * i + 1]!),
      );
      this.#levels.push(pairs);
      below = pairs;
    }
  }

  /** The hash of one complete subtree. */
  hash({ level, index }: TreeNode): Uint8Array {
    return this.#levels[level]![index]!;
  }

  /** Root hash of the tree over the first `size` entries. */
  root(size: number): Uint8Array {
    return treeRoot(this.#levels[0]!.slice(0, size));
  }

  async readHashes(nodes: readonly TreeNode[]): Promise<readonly Uint8Array[]> {
    return nodes.map((node) => this.hash(node));
  }
}
