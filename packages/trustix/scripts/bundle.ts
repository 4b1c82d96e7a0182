// Bundles the command line into dist/bundle/: one chunk for each command, so that a light one loads little.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";

const PACKAGE = join(import.meta.dirname, "..");
const OUT = join(PACKAGE, "dist/bundle");

await rm(OUT, { recursive: true, force: true });
await build({
  entryPoints: [join(PACKAGE, "src/cli/main.ts")],
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
