// Which closure a person means: that of the paths that were named, or of the running system.
import { realpath } from "node:fs/promises";
import { resolve } from "node:path";
import { isStorePath, type StorePath } from "@trustix/nix";
import { TrustixError } from "../errors.ts";
import { exists } from "./context.ts";

/** What runs on a NixOS machine. */
export const RUNNING_SYSTEM = "/run/current-system";

/**
 * The store paths that were named, or the running system's when none was. Links are followed.
 * @throws TrustixError `USAGE` for what is no store path, or when there is no running system
 */
export async function closureRoots(paths: readonly string[], storeDir: string): Promise<StorePath[]> {
  const given = paths.length > 0 ? paths : [RUNNING_SYSTEM];
  if (paths.length === 0 && !(await exists(RUNNING_SYSTEM))) {
    throw new TrustixError("USAGE", `which closure? There is no ${RUNNING_SYSTEM} here`, {
      hint: "Name a store path, or a link to one such as ~/.nix-profile.",
    });
  }
  const roots: StorePath[] = [];
  for (const each of given) {
    const target = await realpath(resolve(each)).catch(() => resolve(each));
    const root = `${storeDir}/${target.slice(storeDir.length + 1).split("/", 1)[0]}`;
    if (!target.startsWith(`${storeDir}/`) || !isStorePath(root, storeDir)) {
      throw new TrustixError("USAGE", `${each} is no path in ${storeDir}, and no link to one`);
    }
    roots.push(root);
  }
  return roots;
}
