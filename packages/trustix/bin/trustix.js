#!/usr/bin/env node
// Starts the command line: the built bundle if there is one, else the sources, which Node 24 runs as they are.
// Plain JavaScript for every Node, so that an old one gets a sentence instead of a syntax error.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const major = Number(process.versions.node.split(".")[0]);
if (major < 24) {
  process.stderr.write(
    `trustix: this is Node ${process.versions.node}, and trustix needs Node 24 or newer.\n` +
      "  next: install Node 24, or run trustix with `npx`, which brings its own Node on x86-64 Linux.\n",
  );
  process.exitCode = 70;
} else {
  const bundle = new URL("../dist/cli/main.js", import.meta.url);
  if (existsSync(bundle)) {
    await import(bundle.href);
  } else {
    // A checkout that was not built: the same program from its sources, in a child, because the condition
    // that resolves workspace packages to sources can only be given when Node starts.
    const { spawn } = await import("node:child_process");
    const main = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));
    const child = spawn(
      process.execPath,
      [
        "--conditions=@trustix/source",
        "--disable-warning=ExperimentalWarning",
        main,
        ...process.argv.slice(2),
      ],
      { stdio: "inherit" },
    );
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
    child.on("exit", (code, signal) => {
      process.exitCode = code ?? (signal === null ? 70 : 128);
    });
  }
}
