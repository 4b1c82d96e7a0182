// One log as this browser checks it: its key, its signed trees, and that it has one history.
import {
  type CheckpointTrust,
  createVerifier,
  openCheckpoint,
  parseTlogProof,
  parseVerifierKey,
  type TreeHead,
  type VerifiedCheckpoint,
} from "@trustix/tlog";
import { ApiError, askBytes } from "../api/client.ts";
import { formatCount, visible } from "../text.ts";
import { CheckFailed, type Checklist } from "./check.ts";
import { type AskEntry, type ProvenEntry, verifyOneHistory } from "./growth.ts";
import { type RememberedKey, rememberedKey, rememberedTree, rememberKey, rememberTree } from "./memory.ts";

/** What the node says of a log. */
export interface NamedLog {
  /** The name that the node has for it, made unique: subscriptions and own logs are told apart. */
  readonly id: string;
  readonly origin: string;
  readonly vkey: string;
}

/** Longest proof that is read. */
const MAX_PROOF_BYTES = 2 << 20;

/** The key to check with: the remembered one, else the one that the node names. */
export function keyOf(log: NamedLog): RememberedKey {
  return (
    rememberedKey(log.id) ?? { origin: log.origin, vkey: log.vkey, by: "first-use", sinceMs: Date.now() }
  );
}

/** Checks that the node names the key that is remembered, and gives what to check signatures with. */
export async function checkKey(list: Checklist, log: NamedLog): Promise<CheckpointTrust | undefined> {
  let trust: CheckpointTrust | undefined;
  await list.check("The key is the one that you know", () => {
    const known = rememberedKey(log.id);
    const { origin, vkey } = keyOf(log);
    trust = { origin, logs: [createVerifier(parseVerifierKey(vkey))] };
    if (known === undefined)
      return {
        skipped:
          "This browser sees this log for the first time, and takes the key that the node names. Compare it with what its owner gives out, and pin it.",
      };
    if (log.origin !== origin || log.vkey !== vkey) {
      const whose = known.by === "reader" ? "that you pinned" : "that it named before";
      throw new CheckFailed(
        `the node now names another key or origin than the one ${whose}: ${visible(log.vkey, 200)}`,
      );
    }
    return known.by === "reader"
      ? "It is the key that you pinned."
      : "The node names the same key as when it was first seen here.";
  });
  return trust;
}

/** An entry of a subscribed log with its proof; nothing but the signature on its checkpoint is checked yet. */
export async function askProof(
  subscription: string,
  index: number,
  trust: CheckpointTrust,
  signal: AbortSignal,
): Promise<ProvenEntry & { readonly opened: VerifiedCheckpoint }> {
  const path = `/api/v1/subscriptions/${encodeURIComponent(subscription)}/proof?index=${index}`;
  const bytes = await patiently(() => askBytes(path, { signal, maxBytes: MAX_PROOF_BYTES }), signal);
  if (bytes === undefined) throw new ApiError("NOT_FOUND", `the node has no proof of entry ${index}`);
  const proof = parseTlogProof(bytes);
  if (proof.index !== index) {
    throw new CheckFailed(`the node answers with a proof of entry ${proof.index} instead of entry ${index}`);
  }
  if (proof.extra === undefined) throw new CheckFailed("the proof comes without the entry that it is about");
  const opened = await openCheckpoint(proof.checkpoint, trust);
  return { entry: proof.extra, index, hashes: proof.hashes, tree: opened.checkpoint, opened };
}

/** Proofs that are asked for at a time; the node fetches each from its log. */
const MAX_ASKED = 3;
const RETRY_MS = [500, 1500, 4000];
let asked = 0;
const waiting: (() => void)[] = [];

/** Waits for its turn, and asks again when the node is busy. */
async function patiently<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  if (asked >= MAX_ASKED) await new Promise<void>((resolve) => waiting.push(resolve));
  else asked += 1;
  try {
    for (let attempt = 0; ; attempt++) {
      signal.throwIfAborted();
      try {
        return await ask();
      } catch (error) {
        const waitMs = RETRY_MS[attempt];
        const isBusy =
          error instanceof ApiError && (error.code === "PUSHBACK" || error.code === "RATE_LIMITED");
        if (!isBusy || waitMs === undefined) throw error;
        await new Promise((resolve) => setTimeout(resolve, waitMs));
      }
    }
  } finally {
    const next = waiting.shift();
    if (next === undefined) asked -= 1;
    else next();
  }
}

/** Checks of one log that compare with what is remembered are made one after the other. */
const queues = new Map<string, Promise<unknown>>();

/**
 * Checks that a signed tree and the newest one that was verified here are of one history, and remembers the newer.
 * @param ask proves entries under the log's newest checkpoint
 */
export async function checkHistory(
  list: Checklist,
  log: NamedLog,
  tree: TreeHead,
  ask: AskEntry,
): Promise<void> {
  const before = queues.get(log.id);
  const turn = (async () => {
    await before?.catch(() => {});
    await list.check("The log has only grown since you last looked", async () => {
      const { origin, vkey } = keyOf(log);
      const known = rememberedTree(origin, vkey);
      if (known === undefined) {
        const isKept = remember(log, tree);
        return {
          skipped: `Nothing to compare with: the first tree of this log that this browser verifies. ${isKept ? "It is remembered from now on." : "This browser keeps nothing, so the next visit cannot be compared either."}`,
        };
      }
      const newest = await verifyOneHistory(known, tree, ask);
      remember(log, newest);
      return known.size === newest.size
        ? `The newest tree is the one of ${formatCount(known.size)} entries that was verified here before.`
        : `The first ${formatCount(known.size)} of ${formatCount(newest.size)} entries are those that were verified here before.`;
    });
  })();
  queues.set(log.id, turn);
  await turn;
}

function remember(log: NamedLog, tree: TreeHead): boolean {
  const key = keyOf(log);
  if (rememberedKey(log.id) === undefined) rememberKey(log.id, key);
  return rememberTree(key.origin, key.vkey, tree);
}
