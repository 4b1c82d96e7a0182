// A log of this node itself, read as anyone would: checkpoint and tiles, straight from where they are published.
import {
  createScalarHasher,
  openCheckpoint,
  readEntries,
  type TileSource,
  VerifiedTiles,
  verifyGrowth,
} from "@trustix/tlog";
import { ApiError, askBytes } from "../api/client.ts";
import { formatCount } from "../text.ts";
import { CheckFailed, Checklist, cannotVerify, type Verification } from "./check.ts";
import { checkKey, keyOf, type NamedLog } from "./log.ts";
import { rememberedKey, rememberedTree, rememberKey, rememberTree } from "./memory.ts";

/** An entry of a log, proven. */
export interface ReadEntry {
  readonly index: number;
  readonly bytes: Uint8Array;
}

/** What was read of a log. */
export interface ReadLog {
  readonly verification: Verification;
  readonly size: number;
  readonly note: string;
  /** Newest first. Only what is proven. */
  readonly entries: readonly ReadEntry[];
}

const MAX_CHECKPOINT_BYTES = 1 << 20;

/** Where a log of this node is published. */
const publishedAt = (name: string): string => `/log/${encodeURIComponent(name)}/`;

/**
 * Reads the newest entries below an index, and verifies everything on the way.
 * @param before first index that is not wanted; undefined for the end of the tree
 */
export async function readOwnLog(
  name: string,
  log: NamedLog,
  {
    before,
    limit,
    signal,
  }: { readonly before?: number | undefined; readonly limit: number; readonly signal: AbortSignal },
): Promise<ReadLog> {
  const nothing = { size: 0, note: "", entries: [] };
  const reason = cannotVerify();
  if (reason !== undefined)
    return { ...nothing, verification: { outcome: "unavailable", checks: [], reason } };
  const prefix = publishedAt(name);
  const source: TileSource = {
    fetch: (path, { maxBytes }) => askBytes(prefix + path, { maxBytes, signal }),
  };
  // The policy of the page refuses WebAssembly, and a handful of tiles needs none.
  const hasher = createScalarHasher();
  const list = new Checklist();
  const trust = await checkKey(list, log);
  let read:
    | { size: number; note: string; tiles: VerifiedTiles; tree: { size: number; root: Uint8Array } }
    | undefined;
  await list.check("The checkpoint is signed by that key", async () => {
    const bytes = await askBytes(`${prefix}checkpoint`, { maxBytes: MAX_CHECKPOINT_BYTES, signal });
    if (bytes === undefined) throw new ApiError("NOT_FOUND", "the log has published no checkpoint yet");
    const { checkpoint: tree } = await openCheckpoint(bytes, trust!);
    const tiles = new VerifiedTiles({ checkpoint: tree, source, hasher });
    read = { size: tree.size, note: new TextDecoder().decode(bytes), tiles, tree };
    return `The log signed a tree of ${formatCount(tree.size)} entries.`;
  });
  await list.check("The log has only grown since you last looked", async () => {
    const { origin, vkey } = keyOf(log);
    const { tree, tiles } = read!;
    const known = rememberedTree(origin, vkey);
    if (known !== undefined) await verifyGrowth(known, tree, tiles, { signal });
    if (rememberedKey(log.id) === undefined) rememberKey(log.id, keyOf(log));
    rememberTree(origin, vkey, tree);
    return known === undefined
      ? {
          skipped:
            "Nothing to compare with: the first tree of this log that this browser verifies. It is remembered from now on.",
        }
      : `The first ${formatCount(known.size)} of ${formatCount(tree.size)} entries are those that were verified here before.`;
  });
  const entries: ReadEntry[] = [];
  await list.check("The entries shown are in that tree", async () => {
    const { tree } = read!;
    const end = Math.min(before ?? tree.size, tree.size);
    const from = Math.max(0, end - limit);
    if (end < from) throw new CheckFailed("there are no such entries");
    for await (const chunk of readEntries({
      checkpoint: tree,
      source,
      from,
      hasher,
      concurrency: 1,
      signal,
    })) {
      for (const [at, bytes] of chunk.entries.entries()) {
        if (chunk.startIndex + at < end) entries.push({ index: chunk.startIndex + at, bytes });
      }
      if (chunk.startIndex + chunk.entries.length >= end) break;
    }
    return entries.length === 0
      ? "The log is empty."
      : `Entries ${formatCount(from)} to ${formatCount(end - 1)} hash to the signed root.`;
  });
  signal.throwIfAborted();
  const verification = list.result();
  return {
    verification,
    size: read?.size ?? 0,
    note: read?.note ?? "",
    entries: verification.outcome === "verified" ? entries.reverse() : [],
  };
}
