// trustix init [DIR]
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { parseConfig } from "../../config/load.ts";
import { TrustixError } from "../../errors.ts";
import { exists, writeNewFile } from "../context.ts";
import { formatFacts, type Io, styled } from "../io.ts";
import { createCacheKey, createLogKey } from "../keys.ts";

interface InitOptions {
  readonly origin: string;
  readonly stateDir: string;
  readonly listen: string;
  readonly raw?: boolean;
  readonly cache?: boolean;
  readonly json?: boolean;
}

const quote = (text: string): string => JSON.stringify(text);

/** The text of a new configuration. */
export function renderConfig(options: InitOptions): string {
  const rawLog = `
[[log]]
name = "raw"
protocol = "raw"
origin = ${quote(`${options.origin}/raw`)}
key-file = "keys/raw.key"
`;
  return `# Configuration of a Trustix node. docs/reference/configuration.md describes every option.
# Check changes with: trustix config check

[node]
# Everything that must not be lost. Relative paths start at this file's directory.
state-dir = ${quote(options.stateDir)}
# Public listener: logs and binary cache. Put a TLS proxy in front, or open it up: "0.0.0.0:8484".
listen = [${quote(options.listen)}]

# The log of what this machine builds, served at /log/nix/.
[[log]]
name = "nix"
protocol = "nix"
# The log's name for ever, also when its address changes.
origin = ${quote(`${options.origin}/nix`)}
key-file = "keys/nix.key"
# Where others read it. Once set, the daemon refuses to run from an outdated backup.
# public-url = ${quote(`https://${options.origin}/log/nix/`)}
# Time to collect claims before the next checkpoint is signed.
batch = "250ms"
${options.raw ? rawLog : ""}
[publish]
enabled = true
# How often to look for builds that never came through the post-build hook.
reconcile-interval = "1h"

# This machine's store as a binary cache, at the root of the public listener.
[cache]
enabled = ${options.cache === true}
${options.cache ? "" : "# "}key-file = "keys/cache.key"

[metrics]
enabled = true
`;
}

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command
    .argument("[dir]", "directory for the configuration and keys", ".")
    .option("--origin <name>", "what the log's origin begins with: your host name, for ever", hostname())
    .option("--state-dir <dir>", "directory for logs and spool", "state")
    .option("--listen <address>", "public listener", "127.0.0.1:8484")
    .option("--raw", "add a second log, for any key and value")
    .option("--cache", "serve this machine's store as a binary cache, and make its key")
    .action(async (target: string, options: InitOptions) => {
      const directory = resolve(target);
      const file = join(directory, "trustix.toml");
      const text = renderConfig(options);
      // Rejects a bad origin or address before anything is written.
      parseConfig(text, file);
      const logs = await Promise.all(
        (options.raw ? ["nix", "raw"] : ["nix"]).map(async (name) => ({
          name,
          path: join(directory, "keys", `${name}.key`),
          ...(await createLogKey(`${options.origin}/${name}`)),
        })),
      );
      const cache = options.cache ? await createCacheKey(`${options.origin}-1`) : undefined;
      const cachePath = join(directory, "keys", "cache.key");
      const files = [
        ...logs.map(({ path, secret }) => ({ path, text: `${secret}\n`, mode: 0o600 })),
        ...(cache === undefined ? [] : [{ path: cachePath, text: `${cache.secret}\n`, mode: 0o600 }]),
        { path: file, text, mode: 0o644 },
      ];
      for (const { path } of files) {
        if (await exists(path)) {
          throw new TrustixError("FILE_EXISTS", `${path} exists already; nothing was written`, {
            hint: "Choose another directory: `trustix init DIR`.",
          });
        }
      }
      for (const { path, text, mode } of files) await writeNewFile(path, text, mode);
      const vkeys = Object.fromEntries(logs.map(({ name, vkey }) => [name, vkey]));
      if (options.json) {
        io.out(
          JSON.stringify({
            config: file,
            vkeys,
            ...(cache === undefined ? {} : { cachePublicKey: cache.publicKey }),
          }),
        );
        return;
      }
      io.out(
        formatFacts(io, [
          ["configuration", file],
          ...logs.map(({ name, vkey }) => [`vkey of log ${name}`, vkey] as const),
          ...(cache === undefined ? [] : [["key of the cache", cache.publicKey] as const]),
        ]),
      );
      const step = (text: string): string => styled(io, "bold", text);
      const config = file === resolve("trustix.toml") ? "" : ` --config ${file}`;
      io.out("");
      io.out(`${step("Next")}`);
      io.out(`  1. trustix hook install${config}     then add the line it prints to /etc/nix/nix.conf:`);
      io.out(`       post-build-hook = ${join(directory, "post-build-hook")}`);
      io.out(`  2. trustix daemon${config}`);
      io.out("  3. Tell others the vkey above; who has it can verify all that this node publishes.");
      if (cache !== undefined) {
        io.out("  4. Users of the cache add to their nix.conf:");
        io.out(`       extra-substituters = http://${options.listen}`);
        io.out(`       extra-trusted-public-keys = ${cache.publicKey}`);
      }
    });
}
