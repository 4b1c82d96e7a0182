// A user's node, set up as its guide says: it listens to builders, decides by a policy, and serves what the policy accepts.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Explanation } from "trustix/src/policy/explain.ts";
import { eventually, HERE } from "../../e2e/node.ts";
import { runJson } from "./command-line.ts";
import { freePort, NodeProcess } from "./node-process.ts";

/** A builder as its subscriber knows it. */
export interface Peer {
  /** Name of the subscription. */
  readonly name: string;
  readonly vkey: string;
  /** Root of its node, without a slash at the end. */
  readonly url: string;
}

/** Whom a user listens to, and what it takes to convince. */
export interface UserOptions {
  readonly peers: readonly Peer[];
  /** Whose word it is what a peer says. Default: an operator of the peer's name. */
  readonly operatorOf?: (peer: string) => string;
  readonly threshold: number;
  /** Default `enforce`. */
  readonly mode?: "enforce" | "report";
  /** Further sections of the configuration, such as rules. */
  readonly sections?: string;
}

/** What a cache answers for a path. */
export interface NarInfoAnswer {
  readonly status: number;
  /** Why there is none. */
  readonly reason: string | undefined;
  readonly text: string;
}

/** A running node of a user. Disposing stops it. */
export class User implements AsyncDisposable {
  readonly node: NodeProcess;
  /** Root of the substituter, without a slash at the end. */
  readonly url: string;
  /** For `trusted-public-keys`. */
  readonly publicKey: string;

  private constructor(node: NodeProcess, url: string, publicKey: string) {
    this.node = node;
    this.url = url;
    this.publicKey = publicKey;
  }

  /** Makes the configuration in a new directory `home`, subscribes to the peers and starts the node. */
  static async open(home: string, options: UserOptions): Promise<User> {
    const address = `127.0.0.1:${await freePort()}`;
    const init = ["init", home, "--user", "--origin", "user.example.org", "--listen", address];
    const { substitutePublicKey } = (await runJson(...init)) as { substitutePublicKey: string };
    for (const { name, url, vkey } of options.peers) {
      const operator = options.operatorOf?.(name) ?? name;
      const names = ["--name", name, "--operator", operator, "--vkey", vkey];
      await runJson("subscribe", url, ...names, "--config", join(home, "trustix.toml"));
    }
    // Now that the operators are there: a threshold of more than there are is an error.
    await configure(join(home, "trustix.toml"), options);
    const node = new NodeProcess(home, HERE);
    await node.start();
    return new User(node, `http://${address}`, substitutePublicKey);
  }

  /** Waits until as many entries of each peer's log are read and verified. */
  async follow(entries: ReadonlyMap<string, number>): Promise<void> {
    await eventually(
      () => this.#entries(),
      (read) => [...entries].every(([peer, count]) => (read.get(peer) ?? 0) >= count),
    );
  }

  async #entries(): Promise<ReadonlyMap<string, number>> {
    const { subscriptions } = await this.node.status();
    return new Map(
      subscriptions.map((each) => [each.subscription, each.kind === "log" ? each.size - each.lag : 0]),
    );
  }

  /** What the node thinks of a store path. */
  async explain(storePath: string): Promise<Explanation> {
    const what = storePath.slice(storePath.lastIndexOf("/") + 1);
    return (await this.node.ask(`/api/v1/decisions/${what}`)) as Explanation;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.node.stop();
  }
}

async function configure(file: string, options: UserOptions): Promise<void> {
  const { threshold, mode = "enforce", sections = "" } = options;
  const text = await readFile(file, "utf8");
  const changed = text
    .replace(/^threshold = .*$/m, `threshold = ${threshold}`)
    .replace(/^mode = .*$/m, `mode = "${mode}"`);
  // So that nobody waits for what was just built.
  const hasty = '\n[subscribe]\npoll-interval = "500ms"\n';
  await writeFile(file, `${changed}${hasty}\n${sections.trim()}\n`);
}

/** Asks a cache for a path's narinfo, as Nix does. */
export async function fetchNarInfo(cache: string, storePath: string): Promise<NarInfoAnswer> {
  const hashPart = storePath.slice(storePath.lastIndexOf("/") + 1).slice(0, 32);
  const response = await fetch(`${cache.replace(/\/$/, "")}/${hashPart}.narinfo`);
  const reason = response.headers.get("trustix-reason") ?? undefined;
  return { status: response.status, reason, text: await response.text() };
}
