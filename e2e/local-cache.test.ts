// The builder's own store as a binary cache, for real Nix clients: a closure of 300 paths goes into fresh stores of each
// release, and a path that is damaged on disk goes nowhere.

import { createHash } from "node:crypto";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatHash, parseNarInfo } from "@trustix/nix";
import { DaemonClient } from "trustix/src/cli/client.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listNixVersions, type Nix, type NixVersion, openNix } from "../scripts/outside-tools/nix.ts";
import { type RunningDaemon, startDaemon, trustixJson } from "./node.ts";

const versions = await listNixVersions();
/** The release whose store is served. */
const builderVersion = versions.at(-1);

/**
 * Ten layers of 29 packages, each of which refers to three of the layer below, so that the closure is deep and no tree;
 * then nine packages that refer to a whole layer and to themselves; and the top. A layer is one derivation with an output
 * for each package.
 */
const CLOSURE = `
let
  count = builtins.genList (n: n);
  make = name: outputs: script: env: derivation ({
    inherit name outputs;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-c" script ];
  } // env);
  names = map (n: "p" + toString n) (count 29);
  modulo = a: b: a - b * (a / b);
  below = packages: i: map (n: builtins.elemAt packages (modulo n 29)) [ i (i * 7 + 1) (i + 11) ];
  layer = packages: let
    made = make "layer" names "for o in $outputs; do eval p=\\\\$$o refs=\\\\$refs_$o; echo $o $refs >$p; done"
      (builtins.listToAttrs (map (i: {
        name = "refs_p" + toString i;
        value = if packages == [ ] then "none" else below packages i;
      }) (count 29)));
  in map (name: made.\${name}) names;
  layers = builtins.foldl' (done: n: [ (layer (if n == 0 then [ ] else builtins.head done)) ] ++ done) [ ] (count 10);
  selves = map (packages: make "self" [ "out" ] "echo $out $refs >$out" { refs = packages; }) (builtins.tail layers);
in make "top" [ "out" ] "echo $refs >$out" { refs = selves ++ builtins.head layers; }
`;
const PATHS = 300;

/** A path of 40 MiB that hardly compresses, which is more than is hashed before it is sent. */
const LARGE = `derivation {
  name = "large"; system = builtins.currentSystem; builder = "/bin/sh";
  PATH = "/usr/bin:/bin"; args = [ "-c" "head -c 41943040 /dev/urandom >$out" ];
}`;

if (builderVersion === undefined)
  it.skip("local cache needs real Nix: node scripts/outside-tools/main.ts nix-2.8 nix-2.26 nix-2.34", () => {});

describe.skipIf(builderVersion === undefined)("a store served as a binary cache", () => {
  let root: string;
  let home: string;
  let builder: Nix;
  let daemon: RunningDaemon;
  let key: string;
  let top: string;
  const opened: Nix[] = [];

  async function open(version: NixVersion, settings: Readonly<Record<string, string>> = {}): Promise<Nix> {
    const nix = await openNix(version, { root: join(root, `nix-${opened.length}`), settings });
    opened.push(nix);
    return nix;
  }

  const ok = async (nix: Nix, command: string, ...args: string[]): Promise<string> =>
    (await nix.run(command, args, { check: true })).stdout.trim();

  async function build(name: string, expression: string): Promise<string> {
    const file = join(root, `${name}.nix`);
    await writeFile(file, expression);
    return await ok(builder, "nix-build", "--no-out-link", file);
  }

  /** All that Nix registers of a closure and that travels: path, hash, size, references. */
  async function dump(nix: Nix, path: string): Promise<string> {
    const script = 'nix-store --dump-db $(nix-store -q --requisites "$0")';
    const blocks = (await ok(nix, "sh", "-ec", script, path)).split(
      /\n(?=\/nix\/store\/\S+\n[0-9a-f]{64}\n)/,
    );
    // The deriver is not part of a statement, and whether a client records it is its own affair.
    const facts = blocks.map((block) => block.split("\n").filter((line) => !line.endsWith(".drv")));
    return facts
      .map((lines) => lines.filter((line) => line !== "").join("\n"))
      .sort()
      .join("\n\n");
  }

  const hashPart = (path: string): string => path.slice("/nix/store/".length).split("-", 1)[0]!;

  async function narInfoOf(path: string) {
    const response = await fetch(`${daemon.url}/${hashPart(path)}.narinfo`);
    expect(response.status).toBe(200);
    return parseNarInfo(await response.text());
  }

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "local-cache-"));
    await chmod(root, 0o755);
    home = join(root, "builder");
    builder = await open(builderVersion!);
    const init = ["init", home, "--origin", "builder.test", "--listen", "127.0.0.1:0", "--cache"];
    const { cachePublicKey } = (await trustixJson(builder, root, ...init)) as { cachePublicKey: string };
    key = cachePublicKey;
    top = await build("closure", CLOSURE);
    daemon = await startDaemon(builder, home);
  });

  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
    for (const nix of opened) await nix.run("chmod", ["-R", "u+w", "/nix/store"]);
    await rm(root, { recursive: true });
  });

  describe.each(versions)("to Nix %s", (version) => {
    const settings = () => ({ substituters: daemon.url, "trusted-public-keys": key });

    it("gives a closure of 300 paths with nix-store -r", async () => {
      const client = await open(version, settings());
      expect(await ok(client, "nix-store", "-r", top)).toBe(top);
      const found = await dump(client, top);
      expect(found.split("\n\n")).toHaveLength(PATHS);
      expect(found).toBe(await dump(builder, top));
      await ok(client, "nix-store", "--verify", "--check-contents");
    });

    it("gives a closure of 300 paths with nix copy", async () => {
      const client = await open(version, { "trusted-public-keys": key });
      await ok(client, "nix", "copy", "--from", daemon.url, top);
      expect(await dump(client, top)).toBe(await dump(builder, top));
    });

    it("gives nothing to who trusts another key", async () => {
      const other = "other.test-1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
      const client = await open(version, { substituters: daemon.url, "trusted-public-keys": other });
      expect((await client.run("nix-store", ["-r", top])).status).not.toBe(0);
    });
  });

  it("answers HEAD, ranges and validators as RFC 9110 has them", async () => {
    const { url, narHash, narSize } = await narInfoOf(top);
    const nar = `${daemon.url}/${url}`;
    const whole = await fetch(nar, { headers: { "accept-encoding": "identity" } });
    const bytes = Buffer.from(await whole.arrayBuffer());
    expect(bytes).toHaveLength(narSize);
    expect(createHash("sha256").update(bytes).digest("hex")).toBe(Buffer.from(narHash.bytes).toString("hex"));

    const head = await fetch(nar, { method: "HEAD", headers: { "accept-encoding": "identity" } });
    expect([head.status, await head.text()]).toEqual([200, ""]);
    expect(head.headers.get("content-length")).toBe(String(narSize));
    expect(head.headers.get("accept-ranges")).toBe("bytes");
    const narInfo = await fetch(`${daemon.url}/${hashPart(top)}.narinfo`, { method: "HEAD" });
    expect([narInfo.status, narInfo.headers.get("content-type")]).toEqual([200, "text/x-nix-narinfo"]);
    const none = await fetch(`${daemon.url}/${"0".repeat(32)}.narinfo`, { method: "HEAD" });
    expect([none.status, await none.text()]).toEqual([404, ""]);

    for (const [asked, start, end] of [
      ["bytes=0-0", 0, 1],
      ["bytes=100-1999", 100, 2000],
      [`bytes=${narSize - 8}-`, narSize - 8, narSize],
      ["bytes=-16", narSize - 16, narSize],
      [`bytes=200-${narSize + 1000}`, 200, narSize],
    ] as const) {
      const part = await fetch(nar, { headers: { range: asked } });
      expect([asked, part.status]).toEqual([asked, 206]);
      expect(part.headers.get("content-range")).toBe(`bytes ${start}-${end - 1}/${narSize}`);
      expect(Buffer.from(await part.arrayBuffer())).toEqual(bytes.subarray(start, end));
    }
    const outside = await fetch(nar, { headers: { range: `bytes=${narSize}-` } });
    expect([outside.status, outside.headers.get("content-range")]).toEqual([416, `bytes */${narSize}`]);
    const etag = whole.headers.get("etag")!;
    expect((await fetch(nar, { headers: { "if-none-match": etag } })).status).toBe(304);
    // A range of something else than what the client has: all of it.
    const stale = { range: "bytes=5-9", "if-range": '"other"', "accept-encoding": "identity" };
    expect((await fetch(nar, { headers: stale })).status).toBe(200);
  });

  it.each(versions)("never gives Nix %s a path that is damaged on disk", async (version) => {
    const sizes = { small: `"echo ${version} >$out"`, large: `"head -c 41943040 /dev/urandom >$out"` };
    for (const [size, script] of Object.entries(sizes)) {
      const path = await build(
        `${size}-${version}`,
        LARGE.replace(/"head[^"]*"/, script).replace('"large"', `"${size}-${version}"`),
      );
      const file = join(builder.physical, path.slice("/nix/".length));
      const good = await readFile(file);
      await chmod(file, 0o644);
      const bad = Buffer.from(good);
      bad[bad.length - 2]! ^= 1;
      await writeFile(file, bad);

      // What is registered of it is still true, so it is found out when it is read.
      const { url, narSize } = await narInfoOf(path);
      const reports = () => daemon.log().split("store path is damaged").length;
      const before = reports();
      const client = await open(version, { substituters: daemon.url, "trusted-public-keys": key });
      expect((await client.run("nix-store", ["-r", path])).status).not.toBe(0);
      expect((await client.run("nix-store", ["--check-validity", path])).status).not.toBe(0);
      expect(reports()).toBeGreaterThan(before);
      expect(daemon.log()).toContain(path);

      // From now on it is refused at once.
      const refused = await fetch(`${daemon.url}/${hashPart(path)}.narinfo`);
      expect(refused.status).toBe(404);
      expect((await fetch(`${daemon.url}/${url}`)).status).toBe(404);
      expect(
        (await fetch(`${daemon.url}/${url}`, { headers: { range: `bytes=0-${narSize / 2}` } })).status,
      ).toBe(404);

      // Nix repairs it; a new inode is a new chance.
      await rm(file);
      await writeFile(file, good, { mode: 0o444 });
      await chmod(file, 0o444);
      expect(
        await ok(
          await open(version, { substituters: daemon.url, "trusted-public-keys": key }),
          "nix-store",
          "-r",
          path,
        ),
      ).toBe(path);
    }
  });

  it("cuts a damaged archive off before its end, and says so in the metrics", async () => {
    const path = await build("cut", LARGE.replace('"large"', '"cut"'));
    const { url, narSize, narHash } = await narInfoOf(path);
    const file = join(builder.physical, path.slice("/nix/".length));
    await chmod(file, 0o644);
    const bytes = await readFile(file);
    bytes[20 << 20]! ^= 1;
    await writeFile(file, bytes);
    const response = await fetch(`${daemon.url}/${url}`, { headers: { "accept-encoding": "identity" } });
    expect(response.status).toBe(200);
    const hash = createHash("sha256");
    let received = 0;
    const reading = (async () => {
      for await (const chunk of response.body!) {
        hash.update(chunk);
        received += chunk.length;
      }
    })();
    await expect(reading).rejects.toThrow();
    expect(received).toBeLessThan(narSize);
    expect(formatHash({ algorithm: "sha256", bytes: hash.digest() })).not.toBe(formatHash(narHash));
    expect(daemon.log()).toContain("store path is damaged and will not be served");
    const client = new DaemonClient(join(home, "state/admin.sock"));
    const { signal } = new AbortController();
    const metrics = await client.send({ method: "GET", path: "/metrics", signal });
    expect(metrics).toMatch(/^trustix_cache_damaged_total [1-9]/m);
  });
});
