// A Chromium for the browser tests. It is too entangled with a system to run from a folder, so the machine's own
// is used, and on a Debian machine that is ours to change (root, in CI or with --install) it is installed.

import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { run } from "../outside-tools/process.ts";
import { failed, IN_CI, type Outcome, passed } from "./stage.ts";

const COMMANDS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const HOW = "install chromium or name one in CHROMIUM (as root on Debian: npm test -- --install)";

/** Finds a Chromium and puts its path into CHROMIUM, for the browser project of vitest.config.ts. */
export async function chromiumStage(): Promise<Outcome> {
  const found = (await findChromium()) ?? ((await mayInstall()) ? await installChromium() : undefined);
  if (found !== undefined) {
    process.env.CHROMIUM = found;
    return passed();
  }
  return IN_CI ? failed(`no Chromium: ${HOW}`) : passed({}, [`no Chromium: ${HOW}`]);
}

/** The Chromium that CHROMIUM names, or one on the PATH. */
export async function findChromium(): Promise<string | undefined> {
  const named = process.env.CHROMIUM;
  const onPath = (process.env.PATH ?? "")
    .split(delimiter)
    .flatMap((directory) => COMMANDS.map((name) => join(directory, name)));
  for (const path of named ? [named] : onPath) {
    if (
      await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  return undefined;
}

async function mayInstall(): Promise<boolean> {
  if (process.getuid?.() !== 0 || !(IN_CI || process.argv.includes("--install"))) return false;
  return (await run("apt-get", ["--version"]).catch(() => undefined))?.status === 0;
}

async function installChromium(): Promise<string | undefined> {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  await run("apt-get", ["update", "--quiet"], { env });
  await run("apt-get", ["install", "--yes", "--quiet", "--no-install-recommends", "chromium"], { env });
  return await findChromium();
}
