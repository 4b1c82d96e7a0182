// Entries of a log, fetched from it and proven to be in a checkpoint that was accepted.

import { nixProtocol, type Protocol, type ProtocolEntry, rawProtocol } from "@trustix/nix";
import { type EntryChunk, proveInclusion, readEntries, type TileSource, VerifiedTiles } from "@trustix/tlog";
import { TrustixError } from "../errors.ts";
import type { StoredHead } from "./claim-writer.ts";
import type { ProvenEntry } from "./evidence.ts";
import type { LogSubscription } from "./options.ts";
import { rememberTiles } from "./tile-memory.ts";

/** An entry of a log, for people. */
export interface ShownEntry {
  readonly index: number;
  /** Undefined when it is no claim of the log's protocol. */
  readonly parsed: ProtocolEntry | undefined;
}

/** Entries of a log, for people. */
export interface ShownEntries {
  /** Entries of the checkpoint that they were checked against. */
  readonly size: number;
  /** Newest first. */
  readonly entries: readonly ShownEntry[];
}

/** Where entries are read from. */
export interface EntriesSource {
  readonly head: StoredHead;
  readonly source: TileSource;
  readonly signal: AbortSignal | undefined;
}

/** The claim protocol of a log. */
export function protocolOf({ protocol = "nix" }: LogSubscription, storeDir: string): Protocol {
  switch (protocol) {
    case "nix":
      return nixProtocol(storeDir);
    case "raw":
      return rawProtocol;
    default:
      return protocol satisfies never;
  }
}

/** What an entry says; undefined when it is none of the protocol: a log may hold anything. */
export function parseEntry(protocol: Protocol, entry: Uint8Array): ProtocolEntry | undefined {
  try {
    return protocol.parseEntry(entry);
  } catch {
    return undefined;
  }
}

/** Entries with the proof that they are in the tree. Rejects as the log's files do, and with `NOT_FOUND` for an index behind it. */
export async function proveEntries(
  { head, source, signal }: EntriesSource,
  indices: readonly number[],
): Promise<ProvenEntry[]> {
  const remembering = rememberTiles(source);
  const tiles = new VerifiedTiles({ checkpoint: head, source: remembering });
  const reading = signal === undefined ? {} : { signal };
  const proven: ProvenEntry[] = [];
  for (const index of indices) {
    const from = { checkpoint: head, source: remembering, from: index, concurrency: 1, ...reading };
    const [first] = index < head.size ? await firstOf(readEntries(from)) : [];
    if (first === undefined) {
      throw new TrustixError("NOT_FOUND", `the log has no entry ${index} in its newest accepted checkpoint`);
    }
    const proof = await proveInclusion(index, head.size, tiles, reading);
    proven.push({ entry: first, index, proof, checkpoint: head.note });
  }
  return proven;
}

/**
 * Entries of the tree, newest first. Rejects as the log's files do.
 * @param before index behind the first; the size of the tree when it is less, or undefined
 */
export async function newestEntries(
  { head, source, signal }: EntriesSource,
  protocol: Protocol,
  before: number | undefined,
  limit: number,
): Promise<ShownEntries> {
  const end = Math.min(before ?? head.size, head.size);
  const from = Math.max(0, end - limit);
  const entries: ShownEntry[] = [];
  const reading = { checkpoint: head, source, from, concurrency: 1 };
  if (from < end) {
    for await (const chunk of readEntries(signal === undefined ? reading : { ...reading, signal })) {
      for (const [i, entry] of chunk.entries.entries()) {
        const index = chunk.startIndex + i;
        if (index < end) entries.push({ index, parsed: parseEntry(protocol, entry) });
      }
      if (entries.length >= end - from) break;
    }
  }
  return { size: head.size, entries: entries.reverse() };
}

/** The entries of the first chunk; none when there is no chunk. */
async function firstOf(chunks: AsyncIterable<EntryChunk>): Promise<readonly Uint8Array[]> {
  for await (const { entries } of chunks) return entries;
  return [];
}
