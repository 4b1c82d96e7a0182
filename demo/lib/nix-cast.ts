// The cast with real Nix: everybody has a private store, and builds and installs as on a machine of their own.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Nix } from "../../scripts/outside-tools/nix.ts";
import { Builder } from "./builder.ts";
import {
  all,
  BUILDERS,
  type BuilderName,
  type Cast,
  type CastOptions,
  DISTRIBUTION_PATHS,
  type Installed,
  type PackageName,
  type TrustedCache,
} from "./cast.ts";
import { compromise } from "./compromise.ts";
import type { FoundNix } from "./find-nix.ts";
import { User } from "./user.ts";

const PACKAGES_FILE = join(import.meta.dirname, "../packages.nix");
const DISTRIBUTION_FILE = join(import.meta.dirname, "../distribution.nix");

/** What only the demo's Nix sets: everything else of the environment is as it is. */
const ENVIRONMENT = ["PATH", "HOME", "NIX_CONF_DIR", "NIX_USER_CONF_FILES", "NIX_BIN_DIR"];

/** Opens the builders' machines and nodes, and the user's node with a 3-of-4 policy. */
export async function openNixCast(found: FoundNix, options: CastOptions): Promise<Cast> {
  const { directory, stack, signal } = options;
  const builders = new Map<BuilderName, Builder>();
  await all(
    BUILDERS.map(async (name) => {
      const home = join(directory, name);
      const nix = await found.open({ root: home });
      const machine = name === "chuck" ? await compromise(nix, join(home, "intruder")) : nix;
      await writeRunScript(join(home, "run"), machine);
      signal.throwIfAborted();
      builders.set(name, stack.use(await Builder.open(name, join(home, "node"), machine)));
    }),
  );
  const peers = BUILDERS.map((name) => builders.get(name) as Builder);
  signal.throwIfAborted();
  const user = stack.use(await User.open(join(directory, "you/node"), { peers, threshold: 3 }));
  return new NixCast(found, options, builders, user);
}

/** A script that runs a command where /nix is somebody's. */
async function writeRunScript(file: string, nix: Nix): Promise<void> {
  const quote = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;
  const lines = [
    "#!/bin/sh",
    "# Runs a command with the /nix of this folder: run COMMAND ARGUMENT…",
    "unset NIX_PATH NIX_REMOTE NIX_CONFIG",
    ...ENVIRONMENT.map((name) => `export ${name}=${quote(nix.env[name] ?? "")}`),
    `exec ${nix.prefix.map(quote).join(" ")} "$@"`,
  ];
  await writeFile(file, `${lines.join("\n")}\n`, { mode: 0o755 });
}

class NixCast implements Cast {
  readonly installer = "nix-store -r";
  readonly builders: ReadonlyMap<BuilderName, Builder>;
  readonly user: User;
  readonly #found: FoundNix;
  readonly #options: CastOptions;
  readonly #clients = new Map<string, Promise<Nix>>();

  constructor(
    found: FoundNix,
    options: CastOptions,
    builders: ReadonlyMap<BuilderName, Builder>,
    user: User,
  ) {
    this.builders = builders;
    this.user = user;
    this.#found = found;
    this.#options = options;
  }

  get suggestions(): Cast["suggestions"] {
    const { directory } = this.#options;
    return [
      [
        "let Dan build it, too, and ask again",
        `${directory}/dan/run nix-build --no-out-link demo/packages.nix -A hello2`,
      ],
    ];
  }

  async build(
    builders: readonly BuilderName[],
    packages: readonly PackageName[],
  ): Promise<readonly string[]> {
    const { signal } = this.#options;
    const machines = builders.map((name) => this.builders.get(name) as Builder);
    const [paths = []] = await all(
      machines.map((machine) => machine.build(PACKAGES_FILE, packages, { signal })),
    );
    return paths;
  }

  async buildDistribution(): Promise<void> {
    const options = { signal: this.#options.signal, claims: DISTRIBUTION_PATHS };
    await all([...this.builders.values()].map((machine) => machine.build(DISTRIBUTION_FILE, [], options)));
  }

  async install(who: "you" | "victim", cache: TrustedCache, what: PackageName): Promise<Installed> {
    const opening = this.#clients.get(who) ?? this.#openClient(who, cache);
    this.#clients.set(who, opening);
    const nix = await opening;
    const options = { check: true, signal: this.#options.signal };
    const { stdout: drv } = await nix.run("nix-instantiate", [PACKAGES_FILE, "-A", what], options);
    const { stdout, stderr } = await nix.run("nix-store", ["-r", drv.trim()], options);
    const storePath = stdout.trim();
    const { stdout: output } = await nix.run(`${storePath}/bin/hello`, [], options);
    const { stdout: hash } = await nix.run("nix-store", ["-q", "--hash", storePath], options);
    return {
      log: stderr.match(/^(copying|building) .*$/gm)?.join("\n") ?? "",
      storePath,
      narHash: hash.trim().replace("sha256:", ""),
      isBuilt: /^building /m.test(stderr),
      output,
    };
  }

  /** A Nix with an empty store that knows one cache. */
  async #openClient(who: string, { url, publicKey }: TrustedCache): Promise<Nix> {
    const root = join(this.#options.directory, who);
    await mkdir(root, { recursive: true });
    const settings = {
      substituters: url,
      "trusted-public-keys": publicKey,
      fallback: "true",
      // Nix would remember for an hour that a cache has nothing; here that changes by the second.
      "narinfo-cache-negative-ttl": "0",
    };
    const nix = await this.#found.open({ root, settings });
    await writeRunScript(join(root, "run"), nix);
    return nix;
  }
}
