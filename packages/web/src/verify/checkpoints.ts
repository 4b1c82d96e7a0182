// Verification of the checkpoints that the node says a log has signed: signature, contents, and one history with the newest.
import { encodeBase64, openCheckpoint } from "@trustix/tlog";
import type { CheckpointsJson } from "trustix/src/http/insight-schema.ts";
import { formatCount } from "../text.ts";
import { CheckFailed, Checklist, cannotVerify, type Verification } from "./check.ts";
import { verifyOneHistory } from "./growth.ts";
import { askProof, checkKey, type NamedLog } from "./log.ts";
import { rememberedTree } from "./memory.ts";

/** A checkpoint as the page shows it. */
export type ShownCheckpoint = CheckpointsJson["checkpoints"][number];

/** Verifies one checkpoint of a subscribed log. Rejects only when the signal says so. */
export async function verifyCheckpoint(
  subscription: string,
  log: NamedLog,
  shown: ShownCheckpoint,
  signal: AbortSignal,
): Promise<Verification> {
  const reason = cannotVerify();
  if (reason !== undefined) return { outcome: "unavailable", checks: [], reason };
  const list = new Checklist();
  const trust = await checkKey(list, log);
  let tree: { readonly size: number; readonly root: Uint8Array } | undefined;
  await list.check("It is signed by that key, and is what is shown here", async () => {
    const { checkpoint } = await openCheckpoint(shown.note, trust!);
    if (checkpoint.size !== shown.size || encodeBase64(checkpoint.root) !== shown.root) {
      throw new CheckFailed("the signed tree is another than is shown");
    }
    tree = checkpoint;
    return `A tree of ${formatCount(checkpoint.size)} entries.`;
  });
  await list.check("It is a beginning of the log's newest tree", async () => {
    const ask = (index: number) => askProof(subscription, index, trust!, signal);
    const known = rememberedTree(log.origin, log.vkey);
    if (known !== undefined) {
      await verifyOneHistory(tree!, known, ask);
      return `One history with the tree of ${formatCount(known.size)} entries that this browser has verified.`;
    }
    if (tree!.size === 0) return "Every tree begins with the empty one.";
    const proven = await ask(tree!.size - 1);
    await verifyOneHistory(tree!, proven.tree, ask);
    return `One history with the newest tree, of ${formatCount(proven.tree.size)} entries.`;
  });
  signal.throwIfAborted();
  return list.result();
}
