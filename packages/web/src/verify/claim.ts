// Verification of one logged claim: signature, inclusion, and that the entry states all that the page shows of it.
import { leafHash, verifyInclusion } from "@trustix/tlog";
import type { CheckpointsJson } from "trustix/src/http/insight-schema.ts";
import { askJson } from "../api/client.ts";
import { formatCount } from "../text.ts";
import { Checklist, cannotVerify, type Verification } from "./check.ts";
import { askProof, checkHistory, checkKey, type NamedLog } from "./log.ts";
import { checkShown, type Shown } from "./shown.ts";

/** A claim as the page shows it. */
export interface ShownClaim extends Shown {
  readonly subscription: string;
  readonly index: number;
}

/** A subscription's name in this browser's memory. */
export const subscriptionId = (subscription: string): string => `subscription ${subscription}`;

/** What the node says of a log that it listens to. */
async function namedLog(subscription: string, signal: AbortSignal): Promise<NamedLog> {
  const path = `/api/v1/subscriptions/${encodeURIComponent(subscription)}/checkpoints`;
  const { origin, vkey } = await askJson<CheckpointsJson>(path, { signal });
  return { id: subscriptionId(subscription), origin: String(origin), vkey: String(vkey) };
}

/** Verifies a claim of a subscribed log. Rejects only when the signal says so. */
export async function verifyClaim(claim: ShownClaim, signal: AbortSignal): Promise<Verification> {
  const { subscription, index } = claim;
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
  await list.check("The entry states what is shown here", () => checkShown(proven!.entry, claim));
  if (proven === undefined)
    list.skip("The log has only grown since you last looked", "there is no checkpoint");
  else await checkHistory(list, named, proven.tree, ask);
  signal.throwIfAborted();
  return list.result();
}
