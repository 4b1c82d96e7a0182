import { createHash, randomBytes } from "node:crypto";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import {
  encodeNar,
  encodeNix32,
  formatNixStatement,
  formatPublicKey,
  type NarTree,
  parseStorePath,
} from "@trustix/nix";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createLogKey } from "../cli/keys.ts";
import { parseConfig } from "../config/load.ts";
import {
  COMPRESS,
  nodeKey,
  type Sample,
  type Server,
  serve,
  serveCache,
} from "../substitute/caches.test.util.ts";
import { Diffs, type Explains } from "./diffs.ts";
import { temporary } from "./nodes.test.util.ts";

const HASH_PART = "0123456789abcdfghijklmnpqrsvwxyz";
const STORE_PATH = parseStorePath(`/nix/store/${HASH_PART}-thing-1.0`);
const never = new AbortController().signal;

const file = (text: string | Uint8Array, executable = false): NarTree => ({
  type: "regular",
  executable,
  contents: Buffer.from(text),
});

/** A path with this content. */
function sampleOf(tree: NarTree): Sample & { readonly narHash: string } {
  const nar = Buffer.concat([...encodeNar(tree)]);
  const bytes = createHash("sha256").update(nar).digest();
  const facts = {
    storePath: STORE_PATH,
    narHash: { algorithm: "sha256", bytes },
    narSize: nar.length,
    references: [],
  } as const;
  const narHash = `sha256:${encodeNix32(bytes)}`;
  return {
    storePath: STORE_PATH,
    hashPart: HASH_PART,
    nar,
    statement: formatNixStatement(facts),
    facts,
    narHash,
  };
}

const good = sampleOf({
  type: "directory",
  entries: [
    ["bin", file("#!/bin/sh\necho built 2026-11-22 18:00:00\n", true)],
    ["doc", file("text\n")],
  ],
});
const bad = sampleOf({
  type: "directory",
  entries: [
    ["bin", file("#!/bin/sh\necho built 2026-11-21 09:30:00\n", true)],
    ["extra", file("text\n")],
  ],
});

/** Says who states what. */
function explaining(...said: readonly (readonly [Sample, ...string[]])[]): Explains {
  const statements = said.map(([{ statement, facts }, ...operators], index) => ({
    label: String.fromCharCode(0x41 + index),
    statement,
    storePath: facts.storePath,
    narHash: statement.split(";")[2]!,
    narSize: facts.narSize,
    operators,
  }));
  return { explainOn: async () => ({ statements }) };
}

interface Setup extends AsyncDisposable {
  readonly diffs: Diffs;
  readonly stateDir: string;
}

async function setUp(caches: readonly string[], explains: Explains, options = ""): Promise<Setup> {
  const directory = await temporary();
  const stateDir = join(directory.path, "state");
  const upstreams = caches.map((url, index) => `[[upstream]]\nname = "cache-${index}"\nurl = "${url}"\n`);
  const text = `[node]\nstate-dir = "state"\n${upstreams.join("")}${options}`;
  const diffs = await Diffs.open(parseConfig(text, join(directory.path, "trustix.toml")), explains);
  return {
    diffs,
    stateDir,
    [Symbol.asyncDispose]: async () => {
      await diffs[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

const both = explaining([good, "alice", "bob"], [bad, "chuck"]);
const work = async (stateDir: string) => await readdir(join(stateDir, "diffs/work")).catch(() => []);

describe("Diffs", () => {
  let servers: Record<string, Server>;
  beforeAll(async () => {
    servers = {};
    for (const compression of Object.keys(COMPRESS)) {
      servers[`good ${compression}`] = await serveCache(good, { compression });
      servers[`bad ${compression}`] = await serveCache(bad, { compression });
    }
  });
  afterAll(async () => {
    for (const server of Object.values(servers)) await server[Symbol.asyncDispose]();
  });

  test.each(Object.keys(COMPRESS))(
    "compares what caches have, compressed as %s, and keeps the result",
    async (compression) => {
      const from = [servers[`good ${compression}`]!, servers[`bad ${compression}`]!];
      await using setup = await setUp(
        from.map(({ url }) => url),
        both,
      );
      const diff = await setup.diffs.diff({ hashPart: HASH_PART }, never);
      expect(diff).toMatchObject({
        before: {
          narHash: good.narHash,
          narSize: good.nar.length,
          operators: ["alice", "bob"],
          references: [],
        },
        after: { narHash: bad.narHash, operators: ["chuck"], storePath: STORE_PATH },
        differences: [
          {
            path: "bin",
            kind: "contents",
            causes: ["timestamp"],
            text: { hunks: [{ before: 1, after: 1 }] },
          },
          { path: "doc", kind: "removed" },
          { path: "extra", kind: "added" },
        ],
        unlisted: 0,
      });
      expect(await work(setup.stateDir)).toEqual([]);
      const asked = from.map(({ requests }) => requests.length);
      // The other way round, from what is kept: nobody is asked.
      const request = { hashPart: HASH_PART, before: bad.narHash, keptOnly: true };
      const back = await setup.diffs.diff(request, never);
      expect(back.comparedAt).toBe(diff.comparedAt);
      expect(back).toMatchObject({
        before: { narHash: bad.narHash },
        after: { narHash: good.narHash },
        differences: [
          {
            path: "bin",
            text: {
              hunks: [
                {
                  lines: [
                    " #!/bin/sh",
                    expect.stringMatching(/^-.*09:30/),
                    expect.stringMatching(/^\+.*18:00/),
                  ],
                },
              ],
            },
          },
          { path: "doc", kind: "added" },
          { path: "extra", kind: "removed" },
        ],
      });
      expect(from.map(({ requests }) => requests.length)).toEqual(asked);
    },
  );

  test("finds the caches that builders have beside their logs, and signed caches that it listens to", async () => {
    const good = servers["good xz"]!;
    await using builder = await serve((request, response) => {
      const path = request.url?.replace(/^\/prefix\/cache\//, "");
      if (path === request.url) response.writeHead(404).end();
      else
        void fetch(good.url + path).then(async (answer) =>
          response.writeHead(answer.status).end(await answer.bytes()),
        );
    });
    const { vkey } = await createLogKey("builder.test/nix");
    await using setup = await setUp(
      [],
      both,
      `[[operator]]
name = "bob"
[[subscription]]
name = "bob"
operator = "bob"
url = "${builder.url}prefix/log/nix/"
vkey = "${vkey}"
[[subscription]]
name = "signed"
operator = "bob"
url = "${servers["bad gzip"]!.url}"
public-keys = ["${formatPublicKey(nodeKey)}"]
`,
    );
    expect((await setup.diffs.diff({ hashPart: HASH_PART }, never)).differences).toHaveLength(3);
    expect(builder.requests).toContain(`/prefix/cache/${HASH_PART}.narinfo`);
  });

  test("passes over caches that send something else", async () => {
    const bomb = gzipSync(Buffer.alloc(good.nar.length + (64 << 20)));
    const narInfo = (await (await fetch(`${servers["good gzip"]!.url}${HASH_PART}.narinfo`)).text())
      .replace(/FileHash.*\n/, "")
      .replace(/FileSize.*\n/, "");
    await using wrong = await serveCache(good, {
      nar: (_, response) => response.end(randomBytes(good.nar.length)),
    });
    await using short = await serveCache(good, {
      nar: (_, response) => response.end(good.nar.subarray(0, 200)),
    });
    await using garbage = await serveCache(good, {
      compression: "xz",
      nar: (_, response) => response.end("no xz"),
    });
    await using bombed = await serveCache(good, {
      compression: "gzip",
      narInfo,
      nar: (_, response) => response.end(bomb),
    });
    await using endless = await serveCache(good, {
      compression: "gzip",
      narInfo,
      nar: (_, response) => {
        const more = (): void => {
          while (!response.destroyed && response.write(Buffer.alloc(65_536)));
        };
        response.on("drain", more);
        more();
      },
    });
    const hostile = [wrong, short, garbage, bombed, endless].map(({ url }) => url);
    {
      await using setup = await setUp([...hostile, servers["bad none"]!.url], both);
      await expect(setup.diffs.diff({ hashPart: HASH_PART }, never)).rejects.toMatchObject({
        code: "NAR_UNAVAILABLE",
        message: expect.stringMatching(/cache-0.*/),
      });
      expect(await work(setup.stateDir)).toEqual([]);
    }
    await using setup = await setUp([...hostile, servers["bad none"]!.url, servers["good zstd"]!.url], both);
    expect((await setup.diffs.diff({ hashPart: HASH_PART }, never)).differences).toHaveLength(3);
  });

  test("says what it cannot compare", async () => {
    const caches = [servers["good none"]!.url, servers["bad none"]!.url];
    {
      await using setup = await setUp(caches, explaining([good, "alice"]));
      await expect(setup.diffs.diff({ hashPart: HASH_PART }, never)).rejects.toMatchObject({
        code: "NOT_FOUND",
      });
    }
    {
      await using setup = await setUp(caches, both, '[diff]\nmax-nar-size = "1KiB"\n');
      const other = sampleOf(file(randomBytes(2000)));
      await using large = await setUp(
        caches,
        explaining([good, "a"], [other, "b"]),
        '[diff]\nmax-nar-size = "1KiB"\n',
      );
      await expect(large.diffs.diff({ hashPart: HASH_PART }, never)).rejects.toMatchObject({
        code: "NAR_UNAVAILABLE",
      });
      expect((await setup.diffs.diff({ hashPart: HASH_PART }, never)).differences).toHaveLength(3);
    }
    await using setup = await setUp(caches, both, '[diff]\nmax-kept = "0B"\n');
    const unknown = { hashPart: HASH_PART, after: `sha256:${"0".repeat(52)}` };
    await expect(setup.diffs.diff(unknown, never)).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(setup.diffs.diff({ hashPart: HASH_PART, keptOnly: true }, never)).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
    expect((await setup.diffs.diff({ hashPart: HASH_PART }, never)).differences).toHaveLength(3);
    // Nothing is kept where nothing may be.
    await expect(setup.diffs.diff({ hashPart: HASH_PART, keptOnly: true }, never)).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
  });

  test("downloads once for all who ask, whichever way round, and stops when nobody is left", async () => {
    const held: (() => void)[] = [];
    await using slow = await serveCache(good, {
      nar: (_, response) => {
        held.push(() => response.end(good.nar));
      },
    });
    await using setup = await setUp([slow.url, servers["bad none"]!.url], both);
    const nars = () => slow.requests.filter((path) => path.startsWith("/nar/")).length;
    const first = setup.diffs.diff({ hashPart: HASH_PART }, never);
    const second = setup.diffs.diff({ hashPart: HASH_PART, before: bad.narHash }, never);
    await expect.poll(() => held.length).toBe(1);
    held[0]!();
    expect([(await first).before.narHash, (await second).before.narHash]).toEqual([
      good.narHash,
      bad.narHash,
    ]);
    expect((await second).differences).toMatchObject([
      { kind: "contents" },
      { kind: "added" },
      { kind: "removed" },
    ]);
    expect(nars()).toBe(1);

    await using again = await setUp([slow.url, servers["bad none"]!.url], both);
    const gone = new AbortController();
    const given = again.diffs.diff({ hashPart: HASH_PART }, gone.signal);
    await expect.poll(() => held.length).toBe(2);
    expect((await work(again.stateDir)).length).toBe(1);
    gone.abort(new Error("enough"));
    await expect(given).rejects.toThrow();
    await expect.poll(() => work(again.stateDir)).toEqual([]);
  });

  test("lets so many wait and no more", async () => {
    await using silent = await serve((request, response) => {
      if (request.url === "/nix-cache-info") response.end("StoreDir: /nix/store\n");
    });
    const hashes = Array.from({ length: 20 }, (_, index) => sampleOf(file(`${index}`)));
    await using setup = await setUp(
      [silent.url],
      explaining([good, "alice"], ...hashes.map((each) => [each, "bob"] as const)),
    );
    const asked = hashes.map(({ narHash }) =>
      setup.diffs.diff({ hashPart: HASH_PART, after: narHash }, never),
    );
    const settled = Promise.allSettled(asked);
    const codes = await Promise.race(
      asked.map((each) => each.catch((error: unknown) => (error as { code: string }).code)),
    );
    expect(codes).toBe("PUSHBACK");
    await setup.diffs[Symbol.asyncDispose]();
    const reasons = (await settled).map((each) => (each.status === "rejected" ? each.reason.code : "done"));
    expect(reasons.filter((code) => code === "PUSHBACK")).toHaveLength(3);
    expect(reasons.filter((code) => code === "CLOSED")).toHaveLength(17);
  });

  test("removes what a crash left, and results that were tampered with", async () => {
    const caches = [servers["good none"]!.url, servers["bad none"]!.url];
    const directory = await temporary();
    await using _ = directory;
    const text = `[node]\nstate-dir = "state"\n${caches.map((url, index) => `[[upstream]]\nname = "c${index}"\nurl = "${url}"\n`).join("")}`;
    const config = parseConfig(text, join(directory.path, "trustix.toml"));
    const at = join(directory.path, "state/diffs");
    await mkdir(join(at, "work/old"), { recursive: true });
    await writeFile(join(at, "work/old/x.nar"), "left");
    {
      await using diffs = await Diffs.open(config, both);
      expect(await readdir(at)).toEqual(["kept"]);
      await diffs.diff({ hashPart: HASH_PART }, never);
    }
    const [name] = await readdir(join(at, "kept"));
    await writeFile(
      join(at, "kept", name!),
      '{"format":1,"comparedAt":"2026-01-01T00:00:00Z","differences":[{"kind":"x"}],"unlisted":0}',
    );
    await using diffs = await Diffs.open(config, both);
    await expect(diffs.diff({ hashPart: HASH_PART, keptOnly: true }, never)).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
    expect(await readdir(join(at, "kept"))).toEqual([]);
    expect((await diffs.diff({ hashPart: HASH_PART }, never)).differences).toHaveLength(3);
  });

  test("tells how far it is", async () => {
    const large = sampleOf(file(randomBytes(8 << 20)));
    await using cache = await serveCache(large, {
      nar: (_, response) => {
        response.write(large.nar.subarray(0, 4 << 20));
        setTimeout(() => response.end(large.nar.subarray(4 << 20)), 700);
      },
    });
    await using setup = await setUp(
      [servers["good none"]!.url, cache.url],
      explaining([good, "alice"], [large, "bob"]),
    );
    const events = [];
    for await (const event of setup.diffs.watch({ hashPart: HASH_PART }, never)) events.push(event);
    const totalBytes = good.nar.length + large.nar.length;
    expect(events).toContainEqual(
      expect.objectContaining({ type: "progress", phase: "fetching", totalBytes }),
    );
    const done = events.flatMap((event) => (event.type === "progress" ? [event.doneBytes] : []));
    expect(done.some((bytes) => bytes > good.nar.length && bytes < totalBytes)).toBe(true);
    expect(events.at(-1)).toMatchObject({
      type: "diff",
      diff: { differences: [{ path: "", kind: "type" }] },
    });
  });
});
