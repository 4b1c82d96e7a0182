// The cast that this machine can have, and the folder that everything of it lies in.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../scripts/outside-tools/process.ts";
import type { Cast, CastOptions } from "./cast.ts";
import { findNix } from "./find-nix.ts";
import { openNixCast } from "./nix-cast.ts";
import type { Stage } from "./stage.ts";
import { openSyntheticCast } from "./synthetic-cast.ts";

/** An empty folder, which is removed with the stack. */
export async function openFolder(stack: AsyncDisposableStack): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "trustix-demo-"));
  stack.defer(async () => {
    // Nix makes what is in a store read-only.
    await run("chmod", ["-R", "u+w", directory]);
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  });
  return directory;
}

/** With real Nix where it builds, unless `synthetic`; says what it found. */
export async function openCast(stage: Stage, options: CastOptions, synthetic: boolean): Promise<Cast> {
  const found = synthetic
    ? { reason: "--synthetic says so" }
    : await findNix(options.signal, () => stage.note("Fetching Nix from Debian packages, this once."));
  if ("reason" in found) {
    stage.warn(
      `Nothing is really built here: ${found.reason}. The packages are made up; the nodes and logs are real.`,
    );
    return await openSyntheticCast(options);
  }
  stage.note(`Starting four builders and your node, with ${found.label}.`);
  return await openNixCast(found, options);
}
