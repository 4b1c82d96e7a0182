// `npm run demo`: the whole of Trustix as a story, on this machine alone. With `--once` it ends after the last act, and the
// exit status says whether all of it came true; otherwise everything stays up to be explored, until Ctrl-C.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensureDashboard } from "../scripts/dashboard.ts";
import { run } from "../scripts/outside-tools/process.ts";
import type { Cast, CastOptions } from "./lib/cast.ts";
import { findNix } from "./lib/find-nix.ts";
import { openNixCast } from "./lib/nix-cast.ts";
import { Stage } from "./lib/stage.ts";
import { openSyntheticCast } from "./lib/synthetic-cast.ts";
import { Story } from "./story.ts";

/** Removes the folder of the demo; Nix makes what is in a store read-only. */
async function remove(directory: string): Promise<void> {
  await run("chmod", ["-R", "u+w", directory]);
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
}

async function openCast(stage: Stage, options: CastOptions, synthetic: boolean): Promise<Cast> {
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

async function perform(stage: Stage, signal: AbortSignal): Promise<number> {
  const { values } = parseArgs({
    options: { once: { type: "boolean", default: false }, synthetic: { type: "boolean", default: false } },
  });
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "trustix-demo-"));
  stack.defer(() => remove(directory));
  stack.defer(() => stage.note("\nStopping the nodes, and removing their folder."));
  try {
    await ensureDashboard();
    const story = new Story(stage, await openCast(stage, { directory, stack, signal }, values.synthetic));
    for (const act of story.acts) {
      signal.throwIfAborted();
      await act();
    }
    if (!values.once) {
      story.inviteToExplore(directory);
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    }
    return stage.allHeld ? 0 : 1;
  } catch (error) {
    if (signal.aborted) return 130;
    stage.warn(`The demo failed: ${(error as Error).message}`);
    return 1;
  }
}

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => stop.abort());
// `npm run demo | head` closes the pipe early.
process.stdout.on("error", () => stop.abort());
process.exitCode = await perform(new Stage(process.stdout), stop.signal);
