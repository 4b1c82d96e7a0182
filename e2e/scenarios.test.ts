// What a user relies on, with real Nix: four builders publish what they built, and what a policy does not accept of it is not
// installed. Each machine has a Nix store and a node of its own, and its builds turn out as the test wants.

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PathDiffJson } from "trustix/src/http/diff-schema.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Builder } from "../demo/lib/builder.ts";
import { all, BUILDERS, type BuilderName } from "../demo/lib/cast.ts";
import { runJson } from "../demo/lib/command-line.ts";
import { fetchNarInfo, User, type UserOptions } from "../demo/lib/user.ts";
import { listNixVersions, type Nix, openNix } from "../scripts/outside-tools/nix.ts";
import { run } from "../scripts/outside-tools/process.ts";

const versions = await listNixVersions();

/** What each builder gets out of a package; two results are of two builds. Who is not named does not build it. */
const RESULTS: Readonly<Record<string, Partial<Record<BuilderName, readonly string[]>>>> = {
  "absent-1.0": { alice: ["good"], bob: ["good"], dan: ["good"] },
  "differs-1.0": { alice: ["good"], bob: ["good"], chuck: ["bad"], dan: ["good"] },
  "strict-1.0": { alice: ["good"], bob: ["good"], chuck: ["bad"], dan: ["good"] },
  "two-1.0": { alice: ["good"], bob: ["good"] },
  "split-1.0": { alice: ["one"], bob: ["two"], chuck: ["three"], dan: ["four"] },
  "contradicted-1.0": { alice: ["good"], bob: ["good", "bad"], chuck: ["good"] },
  "outvoted-1.0": { alice: ["good"], bob: ["good", "bad"], chuck: ["good"], dan: ["good"] },
  "related-1.0": { alice: ["good"], chuck: ["good"], dan: ["good"] },
  "own-1.0": { alice: ["good"] },
};
const NAMES = Object.keys(RESULTS);

/** A package whose output is the text in a file of the machine that builds it. */
const EXPRESSION = `
builtins.listToAttrs (map (name: {
  inherit name;
  value = derivation {
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-euc" "read -r result </nix/var/results/$name; echo $name is $result >$out" ];
  };
}) [ ${NAMES.map((name) => JSON.stringify(name)).join(" ")} ])
`;

const RULES = `
[[policy.rule]]
name = "our-own"
match = ["own-*"]
threshold = 1
members = ["alice"]

[[policy.rule]]
name = "no-dissent"
match = ["strict-*"]
threshold = 3
on-conflict = "reject"
`;

if (versions.length === 0)
  it.skip("scenarios needs real Nix: node scripts/outside-tools/main.ts nix-2.8 nix-2.26 nix-2.34", () => {});

describe.each(versions)("a user with Nix %s", (version) => {
  const stack = new AsyncDisposableStack();
  const paths = new Map<string, string>();
  let root: string;
  let builders: ReadonlyMap<BuilderName, Builder>;
  let user: Client;
  let userOfRelated: Client;
  let reporter: Client;

  /** A user's node, and a Nix with an empty store that installs through it. */
  interface Client {
    readonly user: User;
    readonly nix: Nix;
  }

  async function openBuilder(name: BuilderName): Promise<[BuilderName, Builder]> {
    const nix = await openNix(version, { root: join(root, name) });
    await mkdir(join(nix.physical, "var/results"));
    return [name, stack.use(await Builder.open(name, join(root, `${name}-node`), nix))];
  }

  async function openClient(
    name: string,
    options: Omit<UserOptions, "peers" | "threshold">,
  ): Promise<Client> {
    const peers = [...builders.values()];
    const user = stack.use(await User.open(join(root, `${name}-node`), { peers, threshold: 3, ...options }));
    const settings = { substituters: user.url, "trusted-public-keys": user.publicKey };
    return { user, nix: await openNix(version, { root: join(root, name), settings }) };
  }

  /** Builds what a builder builds in a round. */
  async function build([name, builder]: readonly [BuilderName, Builder], round: 0 | 1): Promise<void> {
    const results = NAMES.flatMap((each) => {
      const result = RESULTS[each]?.[name]?.[round];
      return result === undefined ? [] : [[each, result] as const];
    });
    if (results.length === 0) return;
    for (const [each, result] of results) {
      await writeFile(join(builder.nix.physical, "var/results", each), `${result}\n`);
      if (round === 1) await builder.nix.run("nix-store", ["--delete", pathOf(each)], { check: true });
    }
    const names = results.map(([each]) => each);
    const built = await builder.build(
      join(root, "default.nix"),
      names.map((each) => JSON.stringify(each)),
    );
    for (const [i, each] of names.entries()) paths.set(each, built[i] as string);
  }

  const pathOf = (name: string): string => paths.get(name) as string;

  /** What `nix-store -r` installs, or why the node has nothing to install. */
  async function install({ user, nix }: Client, name: string): Promise<string> {
    const path = pathOf(name);
    const { status, reason = "" } = await fetchNarInfo(user.url, path);
    const realised = await nix.run("nix-store", ["-r", path]);
    expect(realised.status === 0, realised.stderr).toBe(status === 200);
    if (status !== 200) return `${status}: ${reason.split(";", 1)[0]}`;
    await nix.run("nix-store", ["--verify-path", path], { check: true });
    return (await readFile(join(nix.physical, path.slice("/nix/".length)), "utf8")).trim();
  }

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "scenarios-"));
    await writeFile(join(root, "default.nix"), EXPRESSION);
    builders = new Map(await all(BUILDERS.map(openBuilder)));
    for (const round of [0, 1] as const) await all([...builders].map((each) => build(each, round)));
    [user, userOfRelated, reporter] = (await all([
      openClient("user", { sections: RULES }),
      openClient("user-of-related", { operatorOf: (peer) => (peer === "dan" ? "chuck" : peer) }),
      openClient("reporter", { mode: "report" }),
    ])) as [Client, Client, Client];
    const claims = new Map(
      await all([...builders].map(async ([name, builder]) => [name, await builder.claims()] as const)),
    );
    await all([user, userOfRelated, reporter].map((each) => each.user.follow(claims)));
  });

  afterAll(async () => {
    await stack.disposeAsync();
    // Nix leaves what is in a store read-only.
    await run("chmod", ["-R", "u+w", root]);
    await rm(root, { recursive: true });
  });

  it("installs what three of four agree on where the fourth has not built it", async () => {
    expect(await install(user, "absent-1.0")).toBe("absent-1.0 is good");
    const { votes } = await user.user.explain(pathOf("absent-1.0"));
    expect(votes.map(({ vote }) => vote)).toEqual(["statement", "statement", "absent", "statement"]);
  });

  it("installs what three of four agree on where the fourth differs, and names it", async () => {
    expect(await install(user, "differs-1.0")).toBe("differs-1.0 is good");
    const { statements, votes } = await user.user.explain(pathOf("differs-1.0"));
    expect(statements.map(({ operators }) => operators)).toEqual([["alice", "bob", "dan"], ["chuck"]]);
    const [chuck] = votes.filter(({ operator }) => operator === "chuck");
    expect(chuck?.sources).toMatchObject([{ subscription: "chuck", evidence: "logged" }]);
  });

  it("shows what differs, with both binaries from the caches of those who built them", async () => {
    const { diff } = (await runJson(
      ...["diff", pathOf("differs-1.0"), "--no-diffoscope", "--config", join(root, "user-node/trustix.toml")],
    )) as { diff: PathDiffJson };
    expect([diff.before.operators, diff.after.operators]).toEqual([["alice", "bob", "dan"], ["chuck"]]);
    const lines = ["-differs-1.0 is good", "+differs-1.0 is bad"];
    expect(diff.differences).toMatchObject([{ path: "", kind: "contents", text: { hunks: [{ lines }] } }]);
  });

  it("installs nothing that only two of four have built", async () => {
    expect(await install(user, "two-1.0")).toBe("404: no-quorum");
  });

  it("installs nothing where everyone differs", async () => {
    expect(await install(user, "split-1.0")).toBe("404: no-quorum");
    expect((await user.user.explain(pathOf("split-1.0"))).statements).toHaveLength(4);
  });

  it("counts a builder that contradicts itself for nobody", async () => {
    expect(await install(user, "contradicted-1.0")).toBe("404: no-quorum");
    expect(await install(user, "outvoted-1.0")).toBe("outvoted-1.0 is good");
    const { votes } = await user.user.explain(pathOf("outvoted-1.0"));
    const [bob] = votes.filter(({ operator }) => operator === "bob");
    expect(bob).toMatchObject({ vote: "conflicting", labels: ["A", "B"] });
    expect(bob?.sources.map(({ evidence }) => evidence)).toEqual(["logged", "logged"]);

    // The proof of it convinces others, offline.
    const proofs = join(root, "proofs");
    const config = join(user.user.node.home, "trustix.toml");
    await runJson("explain", "outvoted-1.0", "--proof", proofs, "--config", config);
    const [evidence] = (await readdir(proofs)).filter((name) => name.startsWith("contradiction-bob-"));
    const verified = await runJson("evidence", "verify", join(proofs, evidence ?? ""));
    expect(verified).toMatchObject({ kind: "contradiction", origin: "bob.example.org/nix" });
  });

  it("counts an operator with two logs once", async () => {
    expect(await install(user, "related-1.0")).toBe("related-1.0 is good");
    expect(await install(userOfRelated, "related-1.0")).toBe("404: no-quorum");
    expect(await install(userOfRelated, "absent-1.0")).toBe("absent-1.0 is good");
  });

  it("accepts and records in mode report", async () => {
    expect(await install(reporter, "two-1.0")).toBe("two-1.0 is good");
    const { accepted, enforced } = await reporter.user.explain(pathOf("two-1.0"));
    expect([accepted, enforced.accepted, enforced.reason]).toEqual([true, false, "no-quorum"]);
  });

  it("follows the rule of a package", async () => {
    expect(await install(user, "own-1.0")).toBe("own-1.0 is good");
    expect(await install(reporter, "own-1.0")).toBe("own-1.0 is good");
    expect(await install(userOfRelated, "own-1.0")).toBe("404: no-quorum");
    expect(await install(user, "strict-1.0")).toBe("404: dissent");
    expect((await user.user.explain(pathOf("strict-1.0"))).rule.name).toBe("no-dissent");
  });
});
