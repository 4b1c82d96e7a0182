// The story: four builders, one of them broken into, and a user who trusts any three of them together but none alone.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createVerifier, leafHash, openCheckpoint, parseTlogProof, verifyInclusion } from "@trustix/tlog";
import type { Explanation } from "trustix/src/policy/explain.ts";
import { formatNarName } from "trustix/src/substitute/nar-name.ts";
import {
  BACKDOOR,
  BUILDERS,
  type BuilderName,
  type Cast,
  type CastBuilder,
  type Installed,
  PACKAGES,
  type PackageName,
  type TrustedCache,
} from "./lib/cast.ts";
import { runCommand } from "./lib/command-line.ts";
import { type Stage, short } from "./lib/stage.ts";
import { fetchNarInfo } from "./lib/user.ts";
import { tellWhoToTrust } from "./verdict.ts";

const HONEST: readonly BuilderName[] = ["alice", "bob", "dan"];

const hashPartOf = (storePath: string): string => storePath.slice("/nix/store/".length).slice(0, 32);

/** Whether somebody alone states something else than what was accepted. */
function standsAlone({ accepted, label, votes }: Explanation, operator: string): boolean {
  const others = votes.filter(({ labels }) => accepted && labels.some((each) => each !== label));
  return others.length === 1 && others[0]?.operator === operator;
}

/** Tells it act by act. */
export class Story {
  readonly #stage: Stage;
  readonly #cast: Cast;
  readonly #paths = new Map<PackageName, string>();

  constructor(stage: Stage, cast: Cast) {
    this.#stage = stage;
    this.#cast = cast;
  }

  /** The acts in their order. */
  get acts(): readonly (() => Promise<void>)[] {
    return [
      () => this.#publish(),
      () => this.#install(),
      () => this.#accuse(),
      () => this.#fallBack(),
      () => this.#weigh(),
    ];
  }

  /** After the last act: what there is to look at, in the folder that holds everything. */
  inviteToExplore(directory: string): void {
    const stage = this.#stage;
    const { user, suggestions } = this.#cast;
    stage.act(6, "it is all still running");
    const nodes = BUILDERS.map((name) => [name, `${this.#builder(name).url}/log/nix/`]);
    stage.table(["WHERE", "ADDRESS"], [["dashboard", `${user.url}/ui/`], ...nodes, ["you", user.url]]);
    const commands: readonly (readonly [string, string])[] = [
      ["talk to your node", `export TRUSTIX_CONFIG=${directory}/you/node/trustix.toml NODE=${user.url}`],
      ["what it listens to", "npx trustix status"],
      ["who said what", `npx trustix explain ${PACKAGES.clock}`],
      ["count Chuck no more", 'npx trustix quarantine add chuck --reason "see trustix suspects"'],
      ["why there is no hello-2.0", `curl -i ${user.url}/${hashPartOf(this.#path("hello2"))}.narinfo`],
      ...suggestions,
    ];
    stage.block(
      commands.map(([what, command]) => `${stage.paint("dim", `# ${what}`)}\n${command}`).join("\n"),
    );
    stage.say("Ctrl-C stops everything and removes it.");
  }

  async #publish(): Promise<void> {
    const stage = this.#stage;
    stage.act(1, "four builders publish what they built");
    stage.say(
      `Alice, Bob, Chuck and Dan build the same packages, each on a machine of their own, and publish the
      results in a log. What nobody knows: Chuck's machine was broken into. Its /bin/sh adds a line to every program.`,
    );
    await this.#build(BUILDERS, ["words", "hello", "clock"]);
    const [words, hello, clock] = [
      await this.#outputs("words"),
      await this.#outputs("hello"),
      await this.#outputs("clock"),
    ];
    stage.table(
      ["PACKAGE", ...BUILDERS.map((name) => name.toUpperCase())],
      [
        [PACKAGES.words, ...this.#cells(words)],
        [PACKAGES.hello, ...this.#cells(hello)],
        [PACKAGES.clock, ...this.#cells(clock)],
      ],
    );
    stage.say(
      `These are the outputs' hashes, as your node has read them in the four logs: every entry is under a
      checkpoint that its builder has signed, and a log can only grow.`,
    );
    stage.check(new Set(words.values()).size === 1, "words-1.0 is the same everywhere");
    stage.check(
      HONEST.every((name) => hello.get(name) === hello.get("alice")) &&
        hello.get("chuck") !== hello.get("alice"),
      "hello-1.0 is another one at Chuck's, and at Chuck's alone",
    );
    stage.check(
      new Set(clock.values()).size === 4,
      "clock-1.0 is different everywhere: it writes down when it was built, which is nobody's fault",
    );
  }

  async #install(): Promise<void> {
    const stage = this.#stage;
    stage.act(2, "you install hello");
    stage.say(
      `You trust none of them alone. Your node accepts what 3 of the 4 agree on, and it is the only binary cache
      that your Nix knows. Your Nix is an unmodified one, and your store is empty.`,
    );
    const installed = await this.#cast.install("you", this.#userCache, "hello");
    this.#show(installed);
    stage.check(
      installed.output.includes("Three builders") && !installed.output.includes(BACKDOOR),
      "this is the hello that Alice, Bob and Dan agree on",
    );
    stage.check(!installed.isBuilt, "it was downloaded with what it depends on; nothing was built");
  }

  async #accuse(): Promise<void> {
    const stage = this.#stage;
    stage.act(3, "Chuck's hello is refused, and Chuck is named");
    const path = this.#path("hello");
    const { cacheUrl: url, cacheKey: publicKey } = this.#builder("chuck");
    stage.say("Somebody else trusts Chuck's cache and its key, as most people trust one cache today:");
    const victim = await this.#cast.install("victim", { url, publicKey }, "hello");
    stage.command(`${short(path)}/bin/hello`, victim.output);
    stage.check(victim.output.includes(BACKDOOR), "who trusts Chuck alone has the backdoor");
    const proofs = join(this.#cast.user.node.home, "proofs");
    stage.say("\nYour node tells you who said what, and hands you the proofs:");
    await this.#explain(PACKAGES.hello, proofs);
    stage.check(
      standsAlone(await this.#cast.user.explain(path), "chuck"),
      "Chuck stands alone against the three who agree",
    );
    stage.check(
      await this.#provesClaim("chuck", path, proofs),
      "the proof holds offline: it is in the log that Chuck's key has signed, and he cannot take it back",
    );
    stage.say("\nAnd if somebody asks your node for Chuck's hello by its hash:");
    await this.#askForNar(path, (await this.#outputs("hello")).get("chuck") ?? "");
  }

  async #fallBack(): Promise<void> {
    const stage = this.#stage;
    stage.act(4, "only two honest builders are up");
    await this.#builder("dan").node.stop();
    stage.say(
      "Dan's node is down when hello-2.0 comes out. Alice, Bob and Chuck build it: two agree, where you want three.",
    );
    await this.#build(["alice", "bob", "chuck"], ["hello2"]);
    const { url } = this.#cast.user;
    const path = this.#path("hello2");
    const { status, reason = "" } = await fetchNarInfo(url, path);
    stage.command(
      `curl -i ${short(`${url}/${hashPartOf(path)}-`)}.narinfo`.replace("-.narinfo", ".narinfo"),
      `HTTP ${status}\nTrustix-Reason: ${reason}`,
    );
    stage.check(
      status === 404 && reason.startsWith("no-quorum;"),
      "without a quorum there is no answer, and a reason",
    );
    stage.say("\nFor Nix that means: not in this cache. So it does what it always does then, and builds.");
    const installed = await this.#cast.install("you", this.#userCache, "hello2");
    this.#show(installed);
    const outputs = await this.#outputs("hello2");
    stage.check(installed.isBuilt && !installed.output.includes(BACKDOOR), "Nix has built hello-2.0 itself");
    stage.check(
      [outputs.get("alice"), outputs.get("bob")].every((hash) => hash === installed.narHash),
      "your own build is the very output that Alice and Bob have published",
    );
    await this.#builder("dan").node.start();
  }

  async #weigh(): Promise<void> {
    this.#stage.act(5, "who is to be trusted?");
    await tellWhoToTrust(this.#stage, this.#cast);
  }

  /** Has packages built, and waits until the user's node has read of it. */
  async #build(builders: readonly BuilderName[], packages: readonly PackageName[]): Promise<void> {
    const paths = await this.#cast.build(builders, packages);
    for (const [i, name] of packages.entries()) this.#paths.set(name, paths[i] as string);
    const published = builders.map(async (name) => [name, await this.#builder(name).claims()] as const);
    await this.#cast.user.follow(new Map(await Promise.all(published)));
  }

  /** NAR hashes by builder, as the user's node knows them. */
  async #outputs(name: PackageName): Promise<ReadonlyMap<string, string>> {
    const { statements } = await this.#cast.user.explain(this.#path(name));
    const hashes = statements.flatMap(({ operators, narHash }) =>
      operators.map((operator) => [operator, narHash?.slice("sha256:".length) ?? ""] as const),
    );
    return new Map(hashes);
  }

  /** Cells of the table: a hash that somebody else has too is green, one that nobody else has is red and marked. */
  #cells(outputs: ReadonlyMap<string, string>): string[] {
    const hashes = BUILDERS.map((name) => outputs.get(name) ?? "");
    return hashes.map((hash) => {
      const isShared = hashes.filter((other) => other === hash).length > 1;
      return this.#stage.paint(isShared ? "green" : "red", `${hash.slice(0, 8)}${isShared ? "" : " ≠"}`);
    });
  }

  #show({ log, storePath, output }: Installed): void {
    const what = PACKAGES[this.#paths.entries().find(([, path]) => path === storePath)?.[0] ?? "hello"];
    this.#stage.command(`${this.#cast.installer} …-${what}.drv`, short(log));
    this.#stage.command(`${short(storePath)}/bin/hello`, output);
  }

  get #userCache(): TrustedCache {
    const { url, publicKey } = this.#cast.user;
    return { url, publicKey };
  }

  #builder(name: BuilderName): CastBuilder {
    return this.#cast.builders.get(name) as CastBuilder;
  }

  #path(name: PackageName): string {
    return this.#paths.get(name) as string;
  }

  /** Shows who said what of a package, and has the proofs written into a new directory. */
  async #explain(name: string, proofs: string): Promise<void> {
    const config = join(this.#cast.user.node.home, "trustix.toml");
    const args = ["explain", name, "--proof", proofs, "--config", config];
    const { out, err } = await runCommand(args, this.#stage.isTty);
    const [verdict, votes] = out.split("\n\n");
    const files = err.split("\n").map((line) => line.replace(/wrote .*\//, "wrote proofs/"));
    this.#stage.command(
      `trustix explain ${name} --proof proofs`,
      [short(verdict ?? ""), "", votes, "", ...files].join("\n"),
    );
  }

  /** Whether a proof shows, with a builder's key alone, that its log has a statement on the path. */
  async #provesClaim(name: BuilderName, storePath: string, proofs: string): Promise<boolean> {
    const { url, vkey } = this.#builder(name);
    const shown = await runCommand(["log", "show", `${url}/log/nix/`, "--vkey", vkey, "--json"]);
    const [{ origin }, ...entries] = shown.out.split("\n").map((line) => JSON.parse(line));
    const { index, entry } = entries.find((each) => each.entry.includes(`;${storePath};`));
    const proof = parseTlogProof(await readFile(join(proofs, `${name}-${index}.tlog-proof`)));
    const { checkpoint } = await openCheckpoint(proof.checkpoint, { origin, logs: [createVerifier(vkey)] });
    verifyInclusion(leafHash(Buffer.from(entry)), proof.index, checkpoint, proof.hashes);
    return entry.includes((await this.#outputs("hello")).get(name) ?? "?");
  }

  /** Asks the user's node for a NAR that it has not decided on, by a URL such as its own narinfos have. */
  async #askForNar(storePath: string, narHash: string): Promise<void> {
    const name = { hashPart: hashPartOf(storePath), narHash, file: "any", compression: "none" };
    const url = `${this.#cast.user.url}/${formatNarName(name)}`;
    const { status, headers } = await fetch(url, { method: "HEAD" });
    const reason = headers.get("trustix-reason");
    this.#stage.command(`curl -I ${short(url)}`, `HTTP ${status}\nTrustix-Reason: ${reason}`);
    this.#stage.check(
      status === 404,
      "your node does not hand out Chuck's hello, not even when asked by its hash",
    );
  }
}
