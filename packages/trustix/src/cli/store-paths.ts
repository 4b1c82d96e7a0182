// Which store path a person means: by its full path, its hash part, a link such as `./result`, or its name.
import { readdir, realpath } from "node:fs/promises";
import { resolve } from "node:path";
import { isHashPart, isStorePath } from "@trustix/nix";
import { TrustixError } from "../errors.ts";
import type { DaemonClient } from "./client.ts";

/** Most paths that one name may mean. */
const MAX_MATCHES = 50;
/** Where the name begins in a path's base name: behind the hash part and its dash. */
const NAME_START = 33;

/** The base name of a store path or of something inside it, or of where a link leads; undefined when it is neither. */
async function baseNameOf(text: string, storeDir: string): Promise<string | undefined> {
  const inStore = (path: string): string | undefined => {
    if (!path.startsWith(`${storeDir}/`)) return undefined;
    const [base = ""] = path.slice(storeDir.length + 1).split("/", 1);
    return isStorePath(`${storeDir}/${base}`, storeDir) ? base : undefined;
  };
  if (!text.includes("/")) return undefined;
  return inStore(resolve(text)) ?? inStore(await realpath(text).catch(() => ""));
}

/** Asks the daemon which store paths of a name logs have claims on. */
export function findClaimed(
  client: DaemonClient,
  signal: AbortSignal,
): (name: string) => Promise<readonly string[]> {
  return async (name) => {
    const path = `/api/v1/store-paths?name=${encodeURIComponent(name)}`;
    const answer = await client.json({ method: "GET", path, signal });
    return (answer as { readonly paths: readonly string[] }).paths;
  };
}

/**
 * What to ask the daemon about: `<hash part>` or `<hash part>-<name>`; several when several paths have the name, here or
 * in a log.
 * @param claimedAs store paths of a name that logs have claims on; as {@link findClaimed}
 * @throws TrustixError `NOT_FOUND` when nothing is meant
 */
export async function resolveSubjects(
  text: string,
  storeDir: string,
  claimedAs: (name: string) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  if (isHashPart(text)) return [text];
  const base = await baseNameOf(text, storeDir);
  if (base !== undefined) return [base];
  if (isStorePath(`${storeDir}/${text}`, storeDir)) return [text];
  const missing = (why: string, hint: string): TrustixError => new TrustixError("NOT_FOUND", why, { hint });
  if (text.includes("/")) {
    throw missing(
      `${text} is no path in ${storeDir}, and no link to one`,
      "Give a store path, a hash part or a name.",
    );
  }
  const entries = await readdir(storeDir).catch(() => []);
  const claimed = (await claimedAs(text)).map((path) => path.slice(storeDir.length + 1));
  const known = [...new Set([...entries, ...claimed])].filter(
    (entry) => isStorePath(`${storeDir}/${entry}`, storeDir) && entry.startsWith(text, NAME_START),
  );
  const exact = known.filter((entry) => entry.length === NAME_START + text.length);
  // `hello` means `hello-2.12.1`, and not `hello-world-1.0`; nor how they are built.
  const versions = known.filter(
    (entry) => /^-\d/.test(entry.slice(NAME_START + text.length)) && !entry.endsWith(".drv"),
  );
  const found = exact.length > 0 ? exact : versions;
  if (found.length === 0) {
    throw missing(
      `no path here or in a log is named ${text}`,
      "Give the path or its hash part; `nix-store -q --outputs DRV` tells what a derivation would be.",
    );
  }
  return found.sort().slice(0, MAX_MATCHES);
}
