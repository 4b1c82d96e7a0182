// Real Nix clients install through the substituter: from a directory, past a cache that lies, and nothing that the policy
// does not accept.

import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  createSigner,
  formatNixStatement,
  formatPublicKey,
  generateKey,
  hashPartOf,
  parseNarInfo,
  parseStorePath,
  publicKeyOf,
} from "@trustix/nix";
import { openRemote } from "trustix/src/fetch/open-remote.ts";
import type { Remote } from "trustix/src/fetch/remote.ts";
import { createPublicServer } from "trustix/src/http/public-server.ts";
import type { SubstituterEvent } from "trustix/src/substitute/events.ts";
import { Substituter } from "trustix/src/substitute/substituter.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listNixVersions, type Nix, openNix } from "../scripts/outside-tools/nix.ts";

const versions = await listNixVersions();

/** A small package that needs a large one. */
const EXPRESSION = `
let
  make = name: script: deps: derivation {
    inherit name deps;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-c" script ];
  };
  large = make "large" "/usr/bin/head -c 3000000 /dev/urandom >$out" [ ];
in make "hello" "echo hello $deps >$out" [ large ]
`;

if (versions.length === 0)
  it.skip("substitute needs real Nix: node scripts/outside-tools/main.ts nix-2.8 nix-2.26 nix-2.34", () => {});

describe.each(versions)("substitute with Nix %s", (version) => {
  let root: string;
  let clients = 0;
  let hello: string;
  let large: string;
  let cache: string;
  /** What the policy accepts, by hash part. */
  const statements = new Map<string, string>();
  const events: SubstituterEvent[] = [];
  const stack = new AsyncDisposableStack();
  let url: string;
  let publicKey: string;

  async function ok(nix: Nix, command: string, ...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await nix.run(command, args);
    expect(status, `${command} ${args.join(" ")}: ${stderr}`).toBe(0);
    return stdout.trim();
  }

  async function open(name: string, settings: Record<string, string> = {}): Promise<Nix> {
    const nix = await openNix(version, { root: join(root, name), settings });
    stack.defer(async () => void (await nix.run("chmod", ["-R", "u+w", "/nix/store"])));
    return nix;
  }

  const openClient = () =>
    open(`client-${clients++}`, { substituters: url, "trusted-public-keys": publicKey });

  /** A cache with the right narinfos and wrong NARs. */
  async function serveLies(): Promise<string> {
    const server = createServer(async (request, response) => {
      const path = request.url ?? "";
      const bytes = await readFile(join(cache, path)).catch(() => undefined);
      if (bytes === undefined) response.writeHead(404).end();
      else if (path.endsWith(".narinfo") || path === "/nix-cache-info") response.end(bytes);
      else {
        bytes[bytes.length >> 1]! ^= 1;
        response.end(bytes);
      }
    });
    return await listen(server);
  }

  async function listen(server: ReturnType<typeof createServer>): Promise<string> {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    stack.defer(() => {
      server.closeAllConnections();
      server.close();
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  }

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "substitute-"));
    cache = join(root, "cache");
    const builder = await open("builder");
    await writeFile(join(root, "default.nix"), EXPRESSION);
    hello = await ok(builder, "nix-build", "--no-out-link", join(root, "default.nix"));
    await ok(builder, "nix", "copy", "--to", `file://${cache}?compression=xz`, hello);
    for (const name of await readdir(cache)) {
      if (!name.endsWith(".narinfo")) continue;
      const info = parseNarInfo(await readFile(join(cache, name)));
      statements.set(hashPartOf(info.storePath), formatNixStatement(info));
      if (info.storePath.endsWith("-large")) large = info.storePath;
    }
    const secret = await generateKey("node-1", new Uint8Array(32).fill(1));
    publicKey = formatPublicKey(publicKeyOf(secret));
    // The honest cache is the slower one, so that the other is asked first.
    const directory = openRemote(`file://${cache}`);
    const slow: Remote = {
      root: directory.root,
      get: (at, request) => sleep(100).then(() => directory.get(at, request)),
      [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
    };
    const upstreams = [
      { name: "liar", remote: openRemote(await serveLies()) },
      { name: "honest", remote: slow },
    ];
    const substituter = stack.use(
      new Substituter(
        { upstreams },
        {
          signer: await createSigner(secret),
          now: () => performance.now(),
          onEvent: (event) => events.push(event),
          decide: (hashPart) => {
            const statement = statements.get(hashPart);
            return statement === undefined
              ? { accepted: false, reason: "no-quorum", explanation: "2 of the 3 needed" }
              : { accepted: true, statement, explanation: "3 of 4 agree" };
          },
        },
      ),
    );
    url = await listen(createPublicServer({ routes: [substituter.route], maxConnections: 100 }));
  });
  afterAll(async () => {
    await stack.disposeAsync();
    await rm(root, { recursive: true });
  });

  it("installs a closure although the first cache lies about each of its NARs", async () => {
    expect(statements.size).toBe(2);
    const client = await openClient();
    // The lie about a large NAR cuts the first download off; Nix tries again, or the user does.
    const first = await client.run("nix-store", ["-r", hello]);
    if (first.status !== 0) await ok(client, "nix-store", "-r", hello);
    expect(await ok(client, "nix-store", "-q", "--requisites", hello)).toBe(`${large}\n${hello}`);
    await ok(client, "nix-store", "--verify-path", hello, large);
    expect(events.filter(({ type }) => type === "wrong-nar").length).toBeGreaterThanOrEqual(1);
  });

  it("installs at once where the lie is known", async () => {
    const client = await openClient();
    await ok(client, "nix-store", "-r", hello);
    await ok(client, "nix-store", "--verify-path", hello, large);
  });

  it("has nothing where the policy refuses, before and after the client knows the narinfo", async () => {
    const client = await openClient();
    await ok(client, "nix-store", "-r", large);
    const statement = statements.get(hashPartOf(parseStorePath(large)))!;
    await ok(client, "nix-store", "--delete", large);
    statements.delete(hashPartOf(parseStorePath(large)));
    try {
      const known = await client.run("nix-store", ["-r", large]);
      expect(known.status).not.toBe(0);
      const unknown = await (await openClient()).run("nix-store", ["-r", hello]);
      expect(unknown.status).not.toBe(0);
      expect(events.filter((event) => event.type === "refused").map(({ what }) => what)).toEqual(
        expect.arrayContaining(["nar", "narinfo"]),
      );
    } finally {
      statements.set(hashPartOf(parseStorePath(large)), statement);
    }
  });
});
