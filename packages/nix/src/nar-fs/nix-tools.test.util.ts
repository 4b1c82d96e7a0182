/**
 * Where the real Nix is: the directory `TRUSTIX_TEST_NIX_BIN`, or `PATH`. Without it, tests against Nix fail when
 * `CI=true` and are skipped, loudly, everywhere else.
 */

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

function find(tool: string): string | undefined {
  const { TRUSTIX_TEST_NIX_BIN, PATH = "" } = process.env;
  for (const directory of TRUSTIX_TEST_NIX_BIN === undefined
    ? PATH.split(delimiter)
    : [TRUSTIX_TEST_NIX_BIN]) {
    const path = join(directory, tool);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here.
    }
  }
  return undefined;
}

/** Paths of the tools, or undefined when tests with them are to be skipped. Throws where they must not be missing. */
export function nixTools():
  | { readonly nixStore: string; readonly nixHash: string; readonly nix: string }
  | undefined {
  const nixStore = find("nix-store");
  const nixHash = find("nix-hash");
  const nix = find("nix");
  if (nixStore !== undefined && nixHash !== undefined && nix !== undefined) return { nixStore, nixHash, nix };
  const message =
    "no nix-store: install Nix (Debian: nix-bin) or set TRUSTIX_TEST_NIX_BIN to its bin directory";
  if (process.env.CI === "true") throw new Error(message);
  console.warn(`SKIPPED: NARs are not compared with the real Nix: ${message}`);
  return undefined;
}
