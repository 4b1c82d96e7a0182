// A log of 70,000 entries, written to a directory as a builder would write it: batch by batch.

import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  createPrivateKey,
  createSigner,
  formatVerifierKey,
  KEY_TYPE_ED25519,
  signCheckpoint,
  TreeBuilder,
  type TreeHead,
} from "@trustix/tlog";

/** The log, and what it looked like on its way. */
export interface SampleLog {
  readonly directory: string;
  readonly vkey: string;
  readonly entries: readonly Uint8Array[];
  /** The tree after each batch; the last is the one that the checkpoint signs. */
  readonly heads: readonly TreeHead[];
}

/** Sizes around every edge of tiles and levels. */
const BATCH_ENDS = [1, 2, 255, 256, 257, 1000, 65_535, 65_536, 65_537, 69_888, 69_999, 70_000];

/** Indices at the same edges, to prove inclusion of. */
export const SAMPLE_INDICES = [
  0, 1, 254, 255, 256, 257, 999, 65_535, 65_536, 65_537, 69_887, 69_888, 69_998, 69_999,
];

const ORIGIN = "builder.example/log";

/** Writes the log below `directory`. */
export async function writeSampleLog(directory: string): Promise<SampleLog> {
  const signer = await createSigner(
    await createPrivateKey(ORIGIN, KEY_TYPE_ED25519, new Uint8Array(32).fill(1)),
  );
  const entries = Array.from({ length: BATCH_ENDS.at(-1)! }, (_, index) => sampleEntry(index));
  const builder = TreeBuilder.empty();
  const heads: TreeHead[] = [];
  for (const end of BATCH_ENDS) {
    const { size, root, files } = builder.append(entries.slice(builder.size, end));
    for (const { path, bytes } of files) {
      await mkdir(join(directory, dirname(path)), { recursive: true });
      await writeFile(join(directory, path), bytes);
    }
    heads.push({ size, root });
  }
  const checkpoint = await signCheckpoint({ origin: ORIGIN, ...heads.at(-1)!, extensions: [] }, [signer]);
  await writeFile(join(directory, "checkpoint"), checkpoint);
  return { directory, vkey: formatVerifierKey(signer.key), entries, heads };
}

/** Lengths from nothing to a few hundred bytes. */
function sampleEntry(index: number): Uint8Array {
  return new TextEncoder().encode(`${index}: `.padEnd((index * 7) % 300, "trustix "));
}
