// What this browser remembers of each log: the key that the reader trusts it by, and the newest tree that was verified. So a
// node cannot show another key or another history later without being noticed here.
import { signal } from "@preact/signals";
import { decodeBase64Exact, encodeBase64, parseVerifierKey, type TreeHead } from "@trustix/tlog";
import { forget, keep, recall } from "../storage.ts";

/** Whom to believe about one log. */
export interface RememberedKey {
  readonly origin: string;
  readonly vkey: string;
  /** `reader`: pinned by hand. `first-use`: what the node named when the first proof was verified. */
  readonly by: "reader" | "first-use";
  readonly sinceMs: number;
}

/** A tree that was verified here. */
export interface RememberedTree extends TreeHead {
  readonly atMs: number;
}

/** Grows when a key is remembered or let go, for what shows it. */
export const keyChanges = signal(0);
/** Grows when the reader decides on a key: what was verified with another is verified anew. */
export const keyDecisions = signal(0);

const keyName = (log: string): string => `trustix.key:${log}`;
const treeName = (origin: string, vkey: string): string => `trustix.tree:${origin} ${vkey}`;

/** The remembered key of a log, by the name that the node has for it. */
export function rememberedKey(log: string): RememberedKey | undefined {
  const value = fieldsOf(recall(keyName(log)));
  const { origin, vkey, by, sinceMs } = value;
  if (typeof origin !== "string" || typeof vkey !== "string" || typeof sinceMs !== "number") return undefined;
  return by === "reader" || by === "first-use" ? { origin, vkey, by, sinceMs } : undefined;
}

/** Remembers a key; false when the browser keeps nothing. @throws TlogError for text that is no verifier key */
export function rememberKey(log: string, key: RememberedKey): boolean {
  parseVerifierKey(key.vkey);
  const isKept = keep(keyName(log), key);
  keyChanges.value += 1;
  if (key.by === "reader") keyDecisions.value += 1;
  return isKept;
}

/** Lets a key go: the next that the node names is taken. */
export function forgetKey(log: string): void {
  forget(keyName(log));
  keyChanges.value += 1;
  keyDecisions.value += 1;
}

/** The newest tree of a log that was verified here. */
export function rememberedTree(origin: string, vkey: string): RememberedTree | undefined {
  const { size, root, atMs } = fieldsOf(recall(treeName(origin, vkey)));
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) return undefined;
  if (typeof root !== "string" || typeof atMs !== "number") return undefined;
  try {
    return { size, root: decodeBase64Exact(root, 32), atMs };
  } catch {
    return undefined;
  }
}

/** Remembers a verified tree unless a larger one is. False when the browser keeps nothing. */
export function rememberTree(origin: string, vkey: string, tree: TreeHead): boolean {
  const known = rememberedTree(origin, vkey);
  if (known !== undefined && known.size >= tree.size) return true;
  return keep(treeName(origin, vkey), { size: tree.size, root: encodeBase64(tree.root), atMs: Date.now() });
}

/** Forgets the tree: for a log that began anew under its old key. */
export function forgetTree(origin: string, vkey: string): void {
  forget(treeName(origin, vkey));
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
