// What a log makes sure of before it takes or signs anything: that its state is its newest, whole, and nobody else's.
//
// A log that signs from an old copy of its state signs a second history, and there is no way back from that. So the stored
// checkpoint is compared with the published one, here and, if it can be had, at the log's public address.

import { emptyRoot, signCheckpoint, TlogError, TreeBuilder, verifyLog } from "@trustix/tlog";
import { TrustixError } from "../errors.ts";
import type { LogFiles, LogHead } from "./log-files.ts";

/**
 * Gets the checkpoint note that the world sees for this log, from its public address; `undefined` when nothing was ever
 * published there. Rejects when that cannot be known now.
 */
export type FetchPublished = (signal: AbortSignal) => Promise<Uint8Array | undefined>;

/** A head seen elsewhere, to be compared with the stored one. */
interface SeenHead {
  readonly head: LogHead;
  readonly where: string;
}

/** How long the public address may take to answer at start. */
const FETCH_TIMEOUT_MS = 10_000;

async function fetchHead(
  files: LogFiles,
  fetchPublished: FetchPublished,
  onProblem: (error: TrustixError) => void,
): Promise<SeenHead | undefined> {
  const where = "the checkpoint at the log's public address";
  const problem = (code: "PEER_UNREACHABLE" | "PEER_MISBEHAVED", cause: unknown): undefined => {
    const text = `cannot compare log ${files.origin} with what is published of it`;
    onProblem(
      new TrustixError(code, text, {
        hint: "If the state directory was restored from a copy, see that the public address answers and start again.",
        cause,
      }),
    );
  };
  let note: Uint8Array | undefined;
  try {
    note = await fetchPublished(AbortSignal.timeout(FETCH_TIMEOUT_MS));
  } catch (cause) {
    return problem("PEER_UNREACHABLE", cause);
  }
  if (note === undefined) return undefined;
  try {
    return { head: await files.openHead(note, where), where };
  } catch (cause) {
    // A page that is no checkpoint says no more than silence. A checkpoint of another log does.
    if (cause instanceof TrustixError && cause.code === "STATE_CORRUPT")
      return problem("PEER_MISBEHAVED", cause);
    throw cause;
  }
}

function rolledBack(files: LogFiles, storedSize: number, seen: SeenHead): TrustixError {
  return new TrustixError(
    "STATE_ROLLED_BACK",
    `log ${files.origin}: the state in ${files.directory} has ${storedSize} entries, but ${seen.where} has ${seen.head.size}: this is an old copy`,
    {
      hint:
        "Restore the newest copy of the state directory. If it is gone, this log cannot go on: " +
        "start one with another origin and key, and keep the old one's files published.",
    },
  );
}

async function compareWithSeen(files: LogFiles, stored: LogHead, seen: SeenHead): Promise<void> {
  if (seen.head.size > stored.size) throw rolledBack(files, stored.size, seen);
  try {
    await TreeBuilder.resume(seen.head.size, files.source, { expectedRoot: seen.head.root });
  } catch (cause) {
    if (!(cause instanceof TlogError) || cause.code !== "ROOT_MISMATCH") throw files.unreadable(cause);
    const evidence = await files.keepEvidence({ stored: stored.note, seen: seen.head.note });
    throw new TrustixError(
      "LOG_FORKED",
      `log ${files.origin}: ${seen.where} and the stored checkpoint are of two different histories; both are kept in ${evidence}`,
      {
        hint: "Two copies of this log have signed. It cannot go on: start one with another origin and key.",
        cause,
      },
    );
  }
}

/** Signs and stores the checkpoint of an empty log, which makes it exist. */
async function createLog(files: LogFiles): Promise<LogHead> {
  const root = emptyRoot();
  const text = await signCheckpoint({ origin: files.origin, size: 0, root, extensions: [] }, [files.signer]);
  const note = Buffer.from(text);
  await files.storeCheckpoint(note);
  return { size: 0, root, note };
}

/**
 * Refuses to begin a log that is here already under another name: it would sign a second history. Writes nothing, so that
 * the directory can still be renamed.
 *
 * Throws `LOG_MISMATCH`, `STATE_CORRUPT`, and the system's errors.
 */
export async function refuseTwin(files: LogFiles): Promise<void> {
  if (await files.storedHead()) return;
  const twin = await files.findTwin();
  if (twin === undefined) return;
  throw new TrustixError("LOG_MISMATCH", `log ${files.origin} is in ${twin}, not in ${files.directory}`, {
    hint: "Give the log its old name back, or rename its directory, too.",
  });
}

/** A log that is safe to go on with. */
export interface RecoveredLog {
  /** The stored checkpoint. It is published, too. */
  readonly head: LogHead;
  /** The tree of that checkpoint, its right edge read and hashed again. */
  readonly builder: TreeBuilder;
}

/**
 * Reads the state of a log, or creates it, and checks it against what was published. Publishes the stored checkpoint if a
 * crash came between.
 *
 * Throws `STATE_ROLLED_BACK`, `LOG_FORKED`, `LOG_MISMATCH`, `STATE_CORRUPT`, and the system's errors.
 */
export async function recoverLog(
  files: LogFiles,
  options: {
    readonly fetchPublished: FetchPublished | undefined;
    readonly onProblem: (error: TrustixError) => void;
    /** Also read and hash all that lies behind the right edge. */
    readonly verifyAll: boolean;
  },
): Promise<RecoveredLog> {
  const { fetchPublished, onProblem, verifyAll } = options;
  let stored = await files.storedHead();
  const published = await files.publishedHead();
  const seen: SeenHead[] = [];
  if (published) seen.push({ head: published, where: "the published checkpoint" });
  if (fetchPublished)
    seen.push(...[await fetchHead(files, fetchPublished, onProblem)].filter((head) => !!head));
  if (!stored) {
    const newest = seen.find(({ head }) => head.size > 0);
    if (newest) throw rolledBack(files, 0, newest);
    if ((await files.fs.list(files.journalDirectory)).length > 0) {
      throw new TrustixError("STATE_CORRUPT", `${files.directory} has a journal, but no checkpoint`, {
        hint: "Part of the state directory is missing: restore all of it from the newest copy.",
      });
    }
    stored = await createLog(files);
  }
  for (const other of seen) await compareWithSeen(files, stored, other);
  let builder: TreeBuilder;
  try {
    builder = await TreeBuilder.resume(stored.size, files.source, { expectedRoot: stored.root });
    if (verifyAll) await verifyLog({ checkpoint: stored, source: files.source });
  } catch (cause) {
    throw files.unreadable(cause);
  }
  if (!published || published.size < stored.size) await files.publishCheckpoint(stored.note);
  return { head: stored, builder };
}
