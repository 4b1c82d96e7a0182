// trustix init [DIR]
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { parseConfig } from "../../config/load.ts";
import { TrustixError } from "../../errors.ts";
import { exists, writeNewFile } from "../context.ts";
import { formatFacts, type Io, styled } from "../io.ts";
import { createCacheKey, createLogKey } from "../keys.ts";
import {
  cacheNixConf,
  localUrl,
  type NewConfigOptions,
  renderConfig,
  substituterNixConf,
} from "../new-config.ts";

interface InitOptions {
  readonly origin: string;
  readonly stateDir: string;
  readonly listen: string;
  readonly raw?: boolean;
  readonly cache?: boolean;
  readonly user?: boolean;
  readonly substitute?: boolean;
  readonly json?: boolean;
}

/** A key of the new node. */
interface NewKey {
  /** Name of its file, without `.key`. */
  readonly name: string;
  readonly secret: string;
  /** What others are told. */
  readonly public: string;
}

function newConfigOptions(options: InitOptions): NewConfigOptions {
  const isUser = options.user === true;
  if (isUser && (options.raw || options.cache)) {
    throw new TrustixError(
      "USAGE",
      "--user makes a node that publishes nothing: leave --raw and --cache out",
      {
        hint: "For a node that does both, use --substitute in place of --user.",
      },
    );
  }
  return {
    origin: options.origin,
    stateDir: options.stateDir,
    listen: options.listen,
    builder: !isUser,
    raw: options.raw === true,
    cache: options.cache === true,
    substitute: isUser || options.substitute === true,
  };
}

async function createKeys({ origin, builder, raw, cache, substitute }: NewConfigOptions): Promise<NewKey[]> {
  const keys: NewKey[] = [];
  for (const name of [...(builder ? ["nix"] : []), ...(raw ? ["raw"] : [])]) {
    const { secret, vkey } = await createLogKey(`${origin}/${name}`);
    keys.push({ name, secret, public: vkey });
  }
  for (const [name, keyName, isWanted] of [
    ["cache", `${origin}-1`, cache],
    ["substitute", `${origin}-trustix-1`, substitute],
  ] as const) {
    if (!isWanted) continue;
    const { secret, publicKey } = await createCacheKey(keyName);
    keys.push({ name, secret, public: publicKey });
  }
  return keys;
}

/** What to do with the new node, as numbered steps; lines below a step belong to it. */
function nextSteps(
  node: NewConfigOptions,
  directory: string,
  config: string,
  publicOf: (name: string) => string | undefined,
): readonly (readonly string[])[] {
  const steps: string[][] = [];
  if (node.builder) {
    steps.push([
      `trustix hook install${config}     then add the line it prints to /etc/nix/nix.conf:`,
      `  post-build-hook = ${join(directory, "post-build-hook")}`,
    ]);
  }
  if (node.substitute) steps.push([`trustix subscribe URL${config}     for each builder you listen to`]);
  steps.push([`trustix daemon${config}`]);
  if (node.builder) {
    steps.push(["Tell others the vkey above; who has it can verify all that this node publishes."]);
  }
  const cache = publicOf("cache");
  if (cache !== undefined) {
    const url = `${localUrl(node.listen)}${node.substitute ? "/cache" : ""}`;
    const lines = cacheNixConf(url, cache).map((line) => `  ${line}`);
    steps.push(["Users of the cache add to their nix.conf:", ...lines]);
  }
  const substitute = publicOf("substitute");
  if (substitute !== undefined) {
    steps.push([
      "Who installs only what your policy accepts has these lines in /etc/nix/nix.conf, in place of those of the same names:",
      ...substituterNixConf(node.listen, substitute).map((line) => `  ${line}`),
    ]);
  }
  return steps;
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
    .option("--substitute", "also serve what enough builders agree on, and make the key for that")
    .option(
      "--user",
      "a node that publishes nothing: it listens to builders and serves what enough of them agree on",
    )
    .action(async (target: string, options: InitOptions) => {
      const node = newConfigOptions(options);
      const directory = resolve(target);
      const file = join(directory, "trustix.toml");
      const text = renderConfig(node);
      // Rejects a bad origin or address before anything is written.
      parseConfig(text, file);
      const keys = await createKeys(node);
      const files = [
        ...keys.map(({ name, secret }) => ({
          path: join(directory, "keys", `${name}.key`),
          text: `${secret}\n`,
          mode: 0o600,
        })),
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
      const publicOf = (name: string): string | undefined => keys.find((key) => key.name === name)?.public;
      const logs = keys.filter(({ name }) => name === "nix" || name === "raw");
      const [cache, substitute] = [publicOf("cache"), publicOf("substitute")];
      if (options.json) {
        io.out(
          JSON.stringify({
            config: file,
            vkeys: Object.fromEntries(logs.map((key) => [key.name, key.public])),
            ...(cache === undefined ? {} : { cachePublicKey: cache }),
            ...(substitute === undefined
              ? {}
              : {
                  substitutePublicKey: substitute,
                  nixConf: substituterNixConf(node.listen, substitute),
                }),
          }),
        );
        return;
      }
      io.out(
        formatFacts(io, [
          ["configuration", file],
          ...logs.map((key) => [`vkey of log ${key.name}`, key.public] as const),
          ...(cache === undefined ? [] : [["key of the cache", cache] as const]),
          ...(substitute === undefined ? [] : [["key of the substituter", substitute] as const]),
        ]),
      );
      const config = file === resolve("trustix.toml") ? "" : ` --config ${file}`;
      io.out("");
      io.out(styled(io, "bold", "Next"));
      for (const [index, [first, ...more]] of nextSteps(node, directory, config, publicOf).entries()) {
        io.out(`  ${index + 1}. ${first}`);
        for (const line of more) io.out(`     ${line}`);
      }
    });
}
