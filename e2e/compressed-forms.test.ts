// NARs compressed in every way that we know, with real Nix: what all releases take for the NAR comes through a node, what one
// of them refuses does not. Nix is asked directly, too, so that a release that thinks otherwise is noticed.

import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatPublicKey } from "@trustix/nix";
import {
  accepting,
  narInfoOf,
  nodeKey,
  runSubstituter,
  type Sample,
  sample,
} from "trustix/src/substitute/caches.test.util.ts";
import { COMPRESSED_FORMS, type CompressedForm } from "trustix/src/substitute/compressed-forms.test.util.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listNixVersions, type Nix, openNix } from "../scripts/outside-tools/nix.ts";

const versions = await listNixVersions();
/** The large ones pass through a node while they are verified. */
const SIZES = [6_000, 3_000_000];

interface Path extends Sample {
  readonly form: CompressedForm;
  readonly file: Buffer;
  readonly title: string;
}

if (versions.length === 0)
  it.skip("compressed forms need real Nix: node scripts/outside-tools/main.ts nix-2.8 nix-2.26 nix-2.34", () => {});

describe.each(versions)("NARs in every compressed form with Nix %s", (version) => {
  const stack = new AsyncDisposableStack();
  const paths: Path[] = [];
  let root: string;
  let cacheUrl: string;

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "compressed-forms-"));
    for (const [index, form] of COMPRESSED_FORMS.entries()) {
      for (const size of SIZES) {
        const of = await sample(`form-${index}-${size}`, size);
        const file = Buffer.concat(form.write(of.nar));
        paths.push({ ...of, form, file, title: `${form.compression} with ${form.name}, ${size} bytes` });
      }
    }
    cacheUrl = await serveAll();
  });
  afterAll(async () => {
    await stack.disposeAsync();
    await rm(root, { recursive: true });
  });

  /** A cache that has all of them. */
  async function serveAll(): Promise<string> {
    const byHash = new Map(paths.map((path) => [path.hashPart, path]));
    const server = createServer((request, response) => {
      const [, nar, hashPart] = /^\/(nar\/)?([0-9a-z]{32})/.exec(request.url ?? "") ?? [];
      const path = byHash.get(hashPart ?? "");
      if (request.url === "/nix-cache-info") response.end("StoreDir: /nix/store\n");
      else if (path === undefined) response.writeHead(404).end();
      else if (nar !== undefined) response.end(path.file);
      else response.end(narInfoOf(path, path.form.compression, path.file, { url: `nar/${path.hashPart}` }));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    stack.defer(() => {
      server.closeAllConnections();
      server.close();
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  }

  async function openClient(name: string, settings: Record<string, string>): Promise<Nix> {
    const nix = await openNix(version, {
      root: join(root, name),
      settings: { "download-attempts": "1", ...settings },
    });
    stack.defer(async () => void (await nix.run("chmod", ["-R", "u+w", "/nix/store"])));
    return nix;
  }

  /** Titles of the paths that a client gets when it wants them all. */
  async function install(nix: Nix, wanted: readonly Path[]): Promise<readonly string[]> {
    const storePaths = wanted.map(({ storePath }) => storePath);
    await nix.run("nix-store", ["-r", "--keep-going", ...storePaths]);
    const { stdout } = await nix.run("nix-store", ["--check-validity", "--print-invalid", ...storePaths]);
    const invalid = new Set(stdout.trim().split("\n"));
    return wanted.filter(({ storePath }) => !invalid.has(storePath)).map(({ title }) => title);
  }

  const titles = (of: readonly Path[]): readonly string[] => of.map(({ title }) => title);

  it("Nix takes what the table says that it takes", async () => {
    const client = await openClient("direct", { substituters: cacheUrl, "require-sigs": "false" });
    // What breaks a release is not asked for: that is known from trying by hand, and now and then it does not. And what is refused may end
    // the whole command, so it comes last.
    const of = (kind: CompressedForm["nix"]) => paths.filter(({ form }) => form.nix === kind);
    expect(await install(client, of("takes"))).toEqual(titles(of("takes")));
    expect(await install(client, of("refuses"))).toEqual([]);
  });

  it("through a node come those that it can vouch for, and no other", async () => {
    await using node = await runSubstituter([cacheUrl], accepting(...paths), {
      // A node with the program takes it for the large ones.
      xzProgram: "xz",
      pace: { idleMs: 60_000, minBytesPerSecond: 0, windowMs: 60_000 },
      budgetMs: 60_000,
    });
    const settings = { substituters: node.url, "trusted-public-keys": formatPublicKey(nodeKey) };
    const client = await openClient("node", settings);
    const verified = paths.filter(({ form }) => form.isVerified);
    expect(await install(client, verified)).toEqual(titles(verified));
    const others = paths.filter(({ form }) => !form.isVerified);
    expect(await install(client, others)).toEqual([]);
    const wrong = node.events.filter(({ type }) => type === "wrong-nar");
    expect(wrong.length).toBeGreaterThanOrEqual(others.length / 2);
  });
});
