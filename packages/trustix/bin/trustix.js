#!/usr/bin/env node
// Starts the command line: the built bundle if there is one, else the sources, which Node 24 runs as they are.
// Plain JavaScript for every Node, so that an old one gets a sentence instead of a syntax error.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const bundle = new URL("../dist/bundle/main.js", import.meta.url);
if (Number(process.versions.node.split(".")[0]) < 24) {
  process.stderr.write(
    `trustix: this is Node ${process.versions.node}, and trustix needs Node 24 or newer.\n` +
      "  next:  install Node 24, or use `npx trustix`, which brings its own Node on x86-64 Linux.\n",
  );
  process.exitCode = 70;
} else if (existsSync(bundle)) {
  await import(bundle.href);
} else {
  // A checkout that was not built: start Node anew in this very process, because the condition that resolves
  // workspace packages to their sources can only be given at its start.
  const main = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));
  const flags = ["--conditions=@trustix/source", "--disable-warning=ExperimentalWarning"];
  process.removeAllListeners("warning");
  process.execve(process.execPath, [process.execPath, ...flags, main, ...process.argv.slice(2)], process.env);
}
