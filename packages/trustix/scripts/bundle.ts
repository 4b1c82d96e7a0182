// Bundles the command line into dist/bundle/: one chunk for each command, so that a light one loads little, and beside them
// the threads, which are found by their file names. The dashboard comes along when it is built.
import { existsSync } from "node:fs";
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";

const PACKAGE = join(import.meta.dirname, "..");
const OUT = join(PACKAGE, "dist/bundle");
const DASHBOARD = join(PACKAGE, "../web/dist");
const UI = join(PACKAGE, "dist/ui");

await rm(OUT, { recursive: true, force: true });
await build({
  entryPoints: {
    main: join(PACKAGE, "src/cli/main.ts"),
    "diff-thread": join(PACKAGE, "src/diff/diff-thread.ts"),
    "analysis-thread": join(PACKAGE, "src/daemon/analysis-thread.ts"),
    "insight-thread": join(PACKAGE, "src/daemon/insight-thread.ts"),
    "claim-writer-thread": join(PACKAGE, "src/subscribe/claim-writer-thread.ts"),
    "xz-worker": join(PACKAGE, "src/substitute/xz-worker.ts"),
  },
  outdir: OUT,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node24",
  conditions: ["@trustix/source"],
  minifySyntax: true,
  legalComments: "linked",
  // Dependencies in CommonJS ask for Node's own modules at run time.
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
});

await rm(UI, { recursive: true, force: true });
if (existsSync(DASHBOARD)) await cp(DASHBOARD, UI, { recursive: true });
