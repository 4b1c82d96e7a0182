// The built dashboard, for whoever shows it from the sources: the demo and the browser tests.

import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./outside-tools/process.ts";

const ROOT = join(import.meta.dirname, "..");
const WEB = join(ROOT, "packages/web");
/** What it is made of. */
const SOURCES = [
  "src",
  "index.html",
  "package.json",
  "vite.config.ts",
  "../tlog/src",
  "../../package-lock.json",
];

/** When a file, or the newest below a directory, was last changed; 0 when there is none. */
async function changedAtMs(path: string): Promise<number> {
  const facts = await stat(path).catch(() => undefined);
  if (facts === undefined) return 0;
  if (!facts.isDirectory()) return facts.mtimeMs;
  const below = await Promise.all((await readdir(path)).map((name) => changedAtMs(join(path, name))));
  return Math.max(facts.mtimeMs, ...below);
}

/** Builds the dashboard unless what was built is newer than all that it is made of. Rejects with what the build said. */
export async function ensureDashboard(): Promise<void> {
  const builtAtMs = await changedAtMs(join(WEB, "dist/index.html"));
  const sources = await Promise.all(SOURCES.map((path) => changedAtMs(join(WEB, path))));
  if (builtAtMs > Math.max(...sources)) return;
  const vite = join(ROOT, "node_modules/vite/bin/vite.js");
  // A test runner asks for a development build, which is not what is shipped.
  const env = { ...process.env, NODE_ENV: "production" };
  await run(process.execPath, [vite, "build", "--logLevel", "warn"], { cwd: WEB, check: true, env });
}
