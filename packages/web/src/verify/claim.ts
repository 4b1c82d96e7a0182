// Verification of one logged claim: signature, inclusion, and that the entry states all that the page shows of it.
import { encodeUtf8, equalBytes, leafHash, verifyInclusion } from "@trustix/tlog";
import type { CheckpointsJson } from "trustix/src/http/insight-schema.ts";
import { askJson } from "../api/client.ts";
import { formatCount } from "../text.ts";
import { CheckFailed, Checklist, cannotVerify, type Verification } from "./check.ts";
import { askProof, checkHistory, checkKey, type NamedLog } from "./log.ts";

/** A claim as the page shows it. */
export interface ShownClaim {
  readonly subscription: string;
  readonly index: number;
  /** Statement, as text; null when the page shows none, because the entry is no claim. */
  readonly statement: string | null;
  /** The path that the page is about. */
  readonly storePath?: string;
  /** Lines of the entry after its statement, as far as they are shown. */
  readonly attributes?: readonly string[];
}

/** A subscription's name in this browser's memory. */
export const subscriptionId = (subscription: string): string => `subscription ${subscription}`;

/** What the node says of a log that it listens to. */
async function namedLog(subscription: string, signal: AbortSignal): Promise<NamedLog> {
  const path = `/api/v1/subscriptions/${encodeURIComponent(subscription)}/checkpoints`;
  const { origin, vkey } = await askJson<CheckpointsJson>(path, { signal });
  return { id: subscriptionId(subscription), origin: String(origin), vkey: String(vkey) };
}

const LF = 0x0a;

/** The first line of an entry, which is its statement. */
function statementOf(entry: Uint8Array): Uint8Array {
  const end = entry.indexOf(LF);
  return end < 0 ? entry : entry.subarray(0, end);
}

/** Verifies a claim of a subscribed log. Rejects only when the signal says so. */
export async function verifyClaim(claim: ShownClaim, signal: AbortSignal): Promise<Verification> {
  const { subscription, index, statement, storePath, attributes = [] } = claim;
  const reason = cannotVerify();
  if (reason !== undefined) return { outcome: "unavailable", checks: [], reason };
  const list = new Checklist();
  let log: NamedLog | undefined;
  try {
    log = await namedLog(subscription, signal);
  } catch (error) {
    signal.throwIfAborted();
    return { outcome: "unavailable", checks: [], reason: `No key: ${(error as Error).message}` };
  }
  const named = log;
  const trust = await checkKey(list, named);
  const ask = (at: number) => askProof(subscription, at, trust!, signal);
  let proven: Awaited<ReturnType<typeof ask>> | undefined;
  await list.check("The checkpoint is signed by that key", async () => {
    proven = await ask(index);
    return `The log ${named.origin} signed a tree of ${formatCount(proven.tree.size)} entries.`;
  });
  await list.check("The entry is in that tree", () => {
    const { entry, tree, hashes } = proven!;
    verifyInclusion(leafHash(entry), index, tree, hashes);
    return `${formatCount(hashes.length)} hashes lead from entry ${formatCount(index)} to the signed root.`;
  });
  await list.check("The entry states what is shown here", () => {
    const { entry } = proven!;
    if (statement === null) return "It is no statement on a path, and none is shown.";
    if (!equalBytes(statementOf(entry), encodeUtf8(statement))) {
      throw new CheckFailed("the entry in the log states something else than what the node shows");
    }
    if (storePath !== undefined && !statement.startsWith(`1;${storePath};`)) {
      throw new CheckFailed("the entry in the log is about another path than this page");
    }
    const lines = new Set(new TextDecoder().decode(entry).split("\n"));
    if (!attributes.every((line) => lines.has(line))) {
      throw new CheckFailed("the entry in the log has other attributes than the node shows");
    }
    return "Byte for byte.";
  });
  if (proven === undefined)
    list.skip("The log has only grown since you last looked", "there is no checkpoint");
  else await checkHistory(list, named, proven.tree, ask);
  signal.throwIfAborted();
  return list.result();
}
