// Sources in Node return Buffers, whose slice() is a view: nothing may be hashed in place in what a source returned.
import { expect, test } from "vitest";
import { leafHash } from "../merkle/hash.ts";
import { proveInclusion } from "../merkle/prove.ts";
import { verifyInclusion } from "../merkle/verify.ts";
import { verifyLog } from "../reader/verify-log.ts";
import { MemoryLog, sampleEntries } from "./memory-log.test.util.ts";
import type { TileSource } from "./tile-source.ts";
import { TreeBuilder } from "./tree-builder.ts";
import { VerifiedTiles } from "./verified-tiles.ts";

test.each([96, 256, 700])(
  "a source that returns the same Buffers again and again, at size %d",
  async (size) => {
    const log = new MemoryLog();
    const entries = sampleEntries(0, size);
    const { root, files } = TreeBuilder.empty().append(entries);
    log.write(files);
    const buffers = new Map(files.map(({ path, bytes }) => [path, Buffer.from(bytes)]));
    const source: TileSource = { fetch: async (path) => buffers.get(path) };

    const tiles = new VerifiedTiles({ checkpoint: { size, root }, source });
    for (const index of [0, 63, 64, size - 1]) {
      verifyInclusion(
        leafHash(entries[index]!),
        index,
        { size, root },
        await proveInclusion(index, size, tiles),
      );
    }
    await TreeBuilder.resume(size, source, { expectedRoot: Buffer.from(root) });
    await verifyLog({ checkpoint: { size, root }, source });
    for (const { path, bytes } of files) expect(Buffer.compare(buffers.get(path)!, bytes), path).toBe(0);
  },
);
