// Whole nodes for tests, in this process, on loopback: builders whose logs say what a test wants, and users who listen to
// them. No Nix is needed: a builder's claims are written into its log before it starts.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { formatNixEntry, nixProtocol } from "@trustix/nix";
import { createLogKey } from "../cli/keys.ts";
import { parseConfig } from "../config/load.ts";
import { PublishedLog } from "../log/published-log.ts";
import type { Sample } from "../substitute/caches.test.util.ts";
import { loadLogKey } from "./key-files.ts";
import type { Fields, Logger } from "./logger.ts";
import { type Daemon, openDaemon } from "./open-daemon.ts";
import type { NodeStatus } from "./status.ts";

/** A directory that goes with the test. */
export async function temporary(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "trustix-nodes-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** A node that runs. */
export interface RunningNode extends AsyncDisposable {
  /** Its root URL. */
  readonly url: string;
  readonly directory: string;
  readonly status: () => NodeStatus;
  /** What it logged at `warn` and above. */
  readonly warnings: readonly (Fields & { readonly message: string })[];
}

/** A builder. */
export interface RunningBuilder extends RunningNode {
  readonly name: string;
  readonly vkey: string;
  /** Prefix of its log. */
  readonly logUrl: string;
}

/** Starts the daemon of a configuration; `node.state-dir` and `node.listen` are there already. */
export async function startNode(directory: string, text: string): Promise<RunningNode> {
  const warnings: (Fields & { readonly message: string })[] = [];
  const warn = (fields: Fields, message: string): void => void warnings.push({ ...fields, message });
  const logger: Logger = { debug: () => {}, info: () => {}, warn, error: warn };
  await mkdir(directory, { recursive: true });
  const file = join(directory, "trustix.toml");
  await writeFile(file, text);
  const config = parseConfig(text, file);
  const daemon: Daemon = await openDaemon(config, { logger, env: {}, inherited: new Map() });
  return {
    url: `http://${daemon.status().listen[0]}/`,
    directory,
    status: daemon.status,
    warnings,
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  };
}

/** The beginning of a node's configuration. */
export const NODE = '[node]\nstate-dir = "state"\nlisten = ["127.0.0.1:0"]\n';

/** Starts a builder `name` in `root` whose log has claims on some paths. */
export async function startBuilder(
  root: string,
  name: string,
  built: readonly Pick<Sample, "facts">[],
): Promise<RunningBuilder> {
  const directory = join(root, name);
  const origin = `${name}.test/nix`;
  const logs = join(directory, "state", "logs");
  await mkdir(logs, { recursive: true });
  const keyFile = join(directory, "nix.key");
  const { secret } = await createLogKey(origin);
  await writeFile(keyFile, secret, { mode: 0o600 });
  const { signer, vkey } = await loadLogKey(keyFile, origin);
  {
    await using log = await PublishedLog.open(
      { origin, directory: join(logs, "nix"), batchMs: 1 },
      { protocol: nixProtocol(), signer },
    );
    for (const { facts } of built) {
      const { index } = await log.submit(formatNixEntry(facts, { kind: "built" }));
      await log.whenPublished(index);
    }
  }
  const node = await startNode(
    directory,
    `${NODE}operator = "${name}"
[[log]]
name = "nix"
protocol = "nix"
origin = "${origin}"
key-file = "nix.key"
[publish]
enabled = false
`,
  );
  return { ...node, name, vkey, logUrl: `${node.url}log/nix/` };
}

/** The sections that make a node listen to builders. */
export function listenTo(builders: readonly Pick<RunningBuilder, "name" | "vkey" | "logUrl">[]): string {
  const sections = builders.map(
    ({ name, vkey, logUrl }) => `
[[operator]]
name = "${name}"
[[subscription]]
name = "${name}"
operator = "${name}"
url = "${logUrl}"
vkey = "${vkey}"
`,
  );
  return `${sections.join("")}
[subscribe]
poll-interval = "100ms"
`;
}

/** Asks until an answer passes; fails after twenty seconds. */
export async function eventually<T>(ask: () => T | Promise<T>, passes: (value: T) => boolean): Promise<T> {
  for (const deadlineMs = performance.now() + 20_000; ; await sleep(20)) {
    const value = await ask();
    if (passes(value)) return value;
    if (performance.now() > deadlineMs) throw new Error(`still ${JSON.stringify(value)}`);
  }
}

/** Waits until a node has read all that it listens to. */
export async function whenSynced(node: RunningNode): Promise<void> {
  await eventually(
    () => node.status().subscriptions,
    (all) => all.every((each) => each.kind !== "log" || (each.health === "ok" && each.lag === 0)),
  );
}
