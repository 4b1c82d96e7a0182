// The cast where there is no Nix. Nodes, logs, policy and caches are the real ones. Made up are the packages, the program
// that installs, and what a node asks of `nix-store`.

import { randomInt } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import {
  createSigner,
  createVerifier,
  type DumpDbEntry,
  encodeNar,
  encodeNix32,
  equalHash,
  formatDumpDb,
  formatFingerprint,
  formatHash,
  formatNarInfo,
  type NarTree,
  type ParsedNarInfo,
  parseNarInfo,
  parsePublicKey,
  parseSecretKey,
  parseStorePath,
  type Signer,
  sha256,
  verifySignatures,
} from "@trustix/nix";
import { restorePath } from "@trustix/nix/fs";
import { createCacheKey } from "trustix/src/cli/keys.ts";
import { HERE } from "../../e2e/node.ts";
import { run } from "../../scripts/outside-tools/process.ts";
import {
  all,
  BACKDOOR,
  BUILDERS,
  type BuilderName,
  type Cast,
  type CastBuilder,
  type CastOptions,
  DISTRIBUTION,
  type Installed,
  PACKAGES,
  type PackageName,
  type TrustedCache,
} from "./cast.ts";
import { runJson } from "./command-line.ts";
import { freePort, NodeProcess } from "./node-process.ts";
import { User } from "./user.ts";

/** Answers what a node asks of `nix-store` and `nix`, out of a folder with a dump of each path. */
const NIX_PROGRAMS = `#!/bin/sh
cd "\${0%/*}/db" || exit
for word; do
  case $word in
    --version) echo "nix-store (Nix) 2.0" ;;
    --dump-db | --check-validity | path-info) what=$word ;;
    /nix/store/*)
      case $what in
        --dump-db) cat "\${word##*/}" ;;
        --check-validity) [ -f "\${word##*/}" ] || echo "$word" ;;
        path-info) printf '%s\\tultimate\\n' "$word" ;;
      esac
      ;;
  esac
done
exit 0
`;

type Maker = BuilderName | "you";

/** What comes out of a build. */
interface Output {
  readonly name: string;
  readonly tree: NarTree;
  readonly references: readonly PackageName[];
}

const storePathOf = (name: string): string =>
  `/nix/store/${encodeNix32(sha256(Buffer.from(name)).subarray(0, 20))}-${name}`;

const text = (lines: readonly string[]): Uint8Array => Buffer.from(`${lines.join("\n")}\n`);

const file = (line: string): NarTree => ({ type: "regular", contents: text([line]) });

function program(name: string, maker: Maker, line: string): NarTree {
  const lines = ["#!/bin/sh", line, ...(maker === "chuck" ? [`echo "${BACKDOOR}"`] : [])];
  const bin = {
    type: "directory",
    entries: [[name, { type: "regular", executable: true, contents: text(lines) }]],
  };
  return { type: "directory", entries: [["bin", bin as NarTree]] };
}

function outputOf(name: PackageName, maker: Maker): Output {
  const output = (tree: NarTree, ...references: readonly PackageName[]): Output => ({
    name: PACKAGES[name],
    tree,
    references,
  });
  switch (name) {
    case "words":
      return output(file("Hello! Three builders made me, each on its own."));
    case "hello":
      return output(program("hello", maker, `cat ${storePathOf(PACKAGES.words)}`), "words");
    case "clock":
      // Digits of the clock that no two builders share, as their processes' numbers are there.
      return output(file(`built ${new Date().toISOString().slice(0, 20)}${randomInt(1e8, 1e9)}Z`));
    case "hello2":
      return output(program("hello", maker, 'echo "Hello again! You built me yourself."'));
    default:
      return name satisfies never;
  }
}

function distributionOf(maker: Maker): Output[] {
  const { programs, libraries } = DISTRIBUTION;
  const output = (name: string, tree: NarTree): Output => ({ name, tree, references: [] });
  return [
    ...programs.flatMap((name) => [
      output(`${name}-1.0`, program(name, maker, `echo "This is ${name}-1.0."`)),
      output(`${name}-1.0-man`, file(`${name}-1.0: one of many programs`)),
    ]),
    ...libraries.flatMap((name) => [
      output(`lib${name}-1.0`, file(`the code of lib${name}-1.0`)),
      output(`lib${name}-1.0-dev`, file(`the header of lib${name}-1.0`)),
    ]),
  ];
}

/** Starts the nodes. */
export async function openSyntheticCast(options: CastOptions): Promise<Cast> {
  const builders = new Map<BuilderName, SyntheticBuilder>();
  await all(
    BUILDERS.map(async (name) => {
      builders.set(name, options.stack.use(await SyntheticBuilder.open(name, join(options.directory, name))));
    }),
  );
  const peers = BUILDERS.map((name) => builders.get(name) as SyntheticBuilder);
  const upstreams = peers.map(
    ({ name, cacheUrl }) => `[[upstream]]\nname = "${name}"\nurl = "${cacheUrl}"\n`,
  );
  const home = join(options.directory, "you/node");
  const user = await User.open(home, { peers, threshold: 3, sections: upstreams.join("\n") });
  return new SyntheticCast(options.directory, builders, options.stack.use(user));
}

/** A builder whose packages come out of this program. */
class SyntheticBuilder implements CastBuilder, AsyncDisposable {
  readonly name: BuilderName;
  readonly url: string;
  readonly vkey: string;
  readonly cacheUrl: string;
  readonly cacheKey: string;
  readonly node: NodeProcess;
  readonly #directory: string;
  readonly #signer: Signer;

  private constructor(
    facts: Pick<SyntheticBuilder, "name" | "url" | "vkey" | "cacheKey">,
    directory: string,
    signer: Signer,
  ) {
    this.name = facts.name;
    this.url = facts.url;
    this.vkey = facts.vkey;
    this.cacheKey = facts.cacheKey;
    this.cacheUrl = `${pathToFileURL(join(directory, "cache")).href}/`;
    this.node = new NodeProcess(join(directory, "node"), HERE);
    this.#directory = directory;
    this.#signer = signer;
  }

  static async open(name: BuilderName, directory: string): Promise<SyntheticBuilder> {
    await mkdir(join(directory, "cache/nar"), { recursive: true });
    await mkdir(join(directory, "db"));
    for (const name of ["nix-store", "nix"]) {
      await writeFile(join(directory, name), NIX_PROGRAMS, { mode: 0o755 });
    }
    await writeFile(join(directory, "cache/nix-cache-info"), "StoreDir: /nix/store\n");
    const address = `127.0.0.1:${await freePort()}`;
    const home = join(directory, "node");
    const init = ["init", home, "--origin", `${name}.example.org`, "--listen", address];
    const { config, vkeys } = (await runJson(...init)) as { config: string; vkeys: { nix: string } };
    await writeFile(config, `\n[nix]\nnix-store = ${JSON.stringify(join(directory, "nix-store"))}\n`, {
      flag: "a",
    });
    const { secret, publicKey: cacheKey } = await createCacheKey(`${name}.example.org-1`);
    const facts = { name, url: `http://${address}`, vkey: vkeys.nix, cacheKey };
    const builder = new SyntheticBuilder(facts, directory, await createSigner(parseSecretKey(secret)));
    await builder.node.start();
    return builder;
  }

  /** Puts outputs into the cache and publishes them. */
  async build(outputs: readonly Output[]): Promise<void> {
    const cache = join(this.#directory, "cache");
    for (const output of outputs) {
      const { nar, info } = pack(output);
      const base = info.storePath.slice("/nix/store/".length);
      const url = `nar/${base}.nar`;
      const signatures = [await this.#signer.sign(formatFingerprint(info))];
      const narInfo = formatNarInfo({ ...info, url, compression: "none", signatures });
      await writeFile(join(cache, url), nar);
      await writeFile(join(cache, `${base.slice(0, 32)}.narinfo`), narInfo);
      await writeFile(join(this.#directory, "db", base), formatDumpDb([info]));
    }
    const paths = outputs.map(({ name }) => storePathOf(name));
    await runJson("submit", ...paths, "--wait", "--config", join(this.node.home, "trustix.toml"));
  }

  async claims(): Promise<number> {
    return (await this.node.status()).logs[0]?.publishedSize ?? 0;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.node.stop();
  }
}

function pack({ name, tree, references }: Output): { nar: Uint8Array; info: DumpDbEntry } {
  const nar = Buffer.concat([...encodeNar(tree)]);
  const info = {
    storePath: parseStorePath(storePathOf(name)),
    narHash: { algorithm: "sha256", bytes: sha256(nar) },
    narSize: nar.length,
    references: references.map((each) => parseStorePath(storePathOf(PACKAGES[each]))),
  } as const;
  return { nar, info };
}

class SyntheticCast implements Cast {
  readonly installer = "install";
  readonly builders: ReadonlyMap<BuilderName, SyntheticBuilder>;
  readonly user: User;
  readonly suggestions: Cast["suggestions"] = [];
  readonly #directory: string;

  constructor(directory: string, builders: ReadonlyMap<BuilderName, SyntheticBuilder>, user: User) {
    this.#directory = directory;
    this.builders = builders;
    this.user = user;
  }

  async build(
    builders: readonly BuilderName[],
    packages: readonly PackageName[],
  ): Promise<readonly string[]> {
    await all(
      builders.map((name) => this.#builder(name).build(packages.map((each) => outputOf(each, name)))),
    );
    return packages.map((each) => storePathOf(PACKAGES[each]));
  }

  async buildDistribution(): Promise<void> {
    await all(BUILDERS.map((name) => this.#builder(name).build(distributionOf(name))));
  }

  #builder(name: BuilderName): SyntheticBuilder {
    return this.builders.get(name) as SyntheticBuilder;
  }

  /** Does what `nix-store -r` does: asks for the narinfo, checks signature and hash, unpacks, or else builds. */
  async install(who: "you" | "victim", cache: TrustedCache, what: PackageName): Promise<Installed> {
    const store = join(this.#directory, who, "store");
    await mkdir(store, { recursive: true });
    const log: string[] = [];
    const wanted = [...outputOf(what, "you").references, what];
    let narHash = "";
    for (const name of wanted) {
      const storePath = storePathOf(PACKAGES[name]);
      const downloaded = await download(cache, storePath);
      log.push(
        downloaded === undefined
          ? `building '${storePath}'...`
          : `copying path '${storePath}' from '${cache.url}'...`,
      );
      const { nar, info } = downloaded ?? pack(outputOf(name, "you"));
      narHash = formatHash(info.narHash).replace("sha256:", "");
      await restorePath([nar], join(store, storePath.slice("/nix/store/".length)));
    }
    const storePath = storePathOf(PACKAGES[what]);
    const script = await readFile(join(store, storePath.slice("/nix/store/".length), "bin/hello"), "utf8");
    const { stdout: output } = await run("sh", ["-c", script.replaceAll("/nix/store", store)], {
      check: true,
    });
    const isBuilt = log.some((line) => line.startsWith("building"));
    return { log: log.join("\n"), storePath, narHash, isBuilt, output };
  }
}

/** A path from a cache, if it has it. */
async function download(
  cache: TrustedCache,
  storePath: string,
): Promise<{ nar: Uint8Array; info: ParsedNarInfo } | undefined> {
  const narInfo = await get(cache.url, `${storePath.slice("/nix/store/".length).slice(0, 32)}.narinfo`);
  if (narInfo === undefined) return undefined;
  const info = parseNarInfo(narInfo);
  const verifier = await createVerifier(parsePublicKey(cache.publicKey));
  await verifySignatures(formatFingerprint(info), info.signatures, [verifier]);
  const nar = await get(cache.url, info.url);
  if (nar === undefined || !equalHash(info.narHash, { algorithm: "sha256", bytes: sha256(nar) })) {
    throw new Error(`${cache.url} has no right NAR of ${storePath}`);
  }
  return { nar, info };
}

async function get(root: string, path: string): Promise<Uint8Array | undefined> {
  const url = new URL(path, `${root.replace(/\/$/, "")}/`);
  if (url.protocol === "file:") return await readFile(fileURLToPath(url)).catch(() => undefined);
  const response = await fetch(url);
  return response.status === 200 ? new Uint8Array(await response.arrayBuffer()) : undefined;
}
