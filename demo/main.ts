// `npm run demo`: the whole of Trustix as a story, on this machine alone. With `--once` it ends after the last act, and the
// exit status says whether all of it came true; otherwise everything stays up to be explored, until Ctrl-C.

import { parseArgs } from "node:util";
import { ensureDashboard } from "../scripts/dashboard.ts";
import { openCast, openFolder } from "./lib/open-cast.ts";
import { Stage } from "./lib/stage.ts";
import { Story } from "./story.ts";

async function perform(stage: Stage, signal: AbortSignal): Promise<number> {
  const { values } = parseArgs({
    options: { once: { type: "boolean", default: false }, synthetic: { type: "boolean", default: false } },
  });
  await using stack = new AsyncDisposableStack();
  const directory = await openFolder(stack);
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
