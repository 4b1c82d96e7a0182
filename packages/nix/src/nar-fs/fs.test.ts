import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { concatBytes, encodeUtf8 } from "../encoding.ts";
import { NixError } from "../errors.ts";
import { dumpPath, dumpPathTo, hashPath, restorePath } from "../fs.ts";
import { formatNarListing, listNar } from "../nar/listing.ts";
import { arbitraryTree, nested } from "../nar/trees.test.util.ts";
import { encodeNar, type NarTree } from "../nar/writer.ts";
import { encodeNix32 } from "../nix32.ts";
import { nixTools } from "./nix-tools.test.util.ts";

let scratch = "";
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), "trustix-nar-"));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }), 120_000);

let counter = 0;
const fresh = () => join(scratch, `path-${counter++}`);

async function dump(path: string | Uint8Array): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of dumpPath(path)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function encoded(tree: NarTree): Uint8Array {
  return concatBytes(...encodeNar(tree));
}

async function errorOf(promise: Promise<unknown>): Promise<NixError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof NixError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

/** Makes a tree on disk without any code under test. */
function make(path: Buffer, tree: NarTree): void {
  if (tree.type === "symlink") symlinkSync(Buffer.from(tree.target as Uint8Array), path);
  else if (tree.type === "regular") {
    writeFileSync(path, tree.contents as Uint8Array);
    chmodSync(path, tree.executable === true ? 0o755 : 0o644);
  } else {
    mkdirSync(path);
    for (const [name, node] of tree.entries)
      make(Buffer.concat([path, Buffer.from("/"), Buffer.from(name as Uint8Array)]), node);
  }
}

const text = (value: string): NarTree => ({ type: "regular", contents: encodeUtf8(value) });

describe("the real Nix", () => {
  const tools = nixTools();

  test.skipIf(tools === undefined)(
    "500 trees: same archives, same hashes, restored the same",
    async () => {
      const { nixStore, nixHash } = tools!;
      const home = fresh();
      mkdirSync(home);
      const trees = fc.sample(arbitraryTree(true), { seed: 20_260_822, numRuns: 500 });
      const paths = trees.map((tree, i) => {
        const path = join(home, `tree-${i}`);
        make(Buffer.from(path), tree);
        return path;
      });
      const script = 'for path do "$NIX_STORE" --dump "$path" > "$path.nar" || exit 1; done';
      execFileSync("/bin/sh", ["-c", script, "sh", ...paths], {
        env: { ...process.env, NIX_STORE: nixStore },
      });
      const hashes = execFileSync(nixHash, ["--type", "sha256", "--base32", ...paths], {
        encoding: "utf8",
      }).split("\n");
      for (const [i, path] of paths.entries()) {
        const expected = readFileSync(`${path}.nar`);
        const dumped = await dump(path);
        expect(Buffer.compare(dumped, expected), `dump of tree ${i}`).toBe(0);
        expect(Buffer.compare(encoded(trees[i]!), expected), `encoding of tree ${i}`).toBe(0);
        const { sha256, sizeBytes } = await hashPath(path);
        expect(encodeNix32(sha256)).toBe(hashes[i]);
        expect(sizeBytes).toBe(expected.length);
        expect(await restorePath([expected], `${path}.out`)).toBe(expected.length);
        expect(Buffer.compare(await dump(`${path}.out`), expected), `restored tree ${i}`).toBe(0);
      }
    },
    300_000,
  );

  test.skipIf(tools === undefined)("restores our archives, and lists them as we do", async () => {
    const { nixStore, nix } = tools!;
    const bytes = encoded({
      type: "directory",
      entries: [
        [
          "bin",
          {
            type: "directory",
            entries: [["sh", { type: "regular", executable: true, contents: encodeUtf8("x") }]],
          },
        ],
        ["empty", text("")],
        ["link", { type: "symlink", target: 'bin/"quoted"\n' }],
        ["none", { type: "directory", entries: [] }],
        ["ü", text("umlaut")],
      ],
    });
    const out = fresh();
    execFileSync(nixStore, ["--restore", out], { input: bytes });
    expect(Buffer.compare(await dump(out), bytes)).toBe(0);
    writeFileSync(`${out}.nar`, bytes);
    const flags = ["--extra-experimental-features", "nix-command", "nar", "ls", "--json", "--recursive"];
    const listed = JSON.parse(execFileSync(nix, [...flags, `${out}.nar`, "/"], { encoding: "utf8" }));
    expect(JSON.parse(formatNarListing(await listNar([bytes])))).toEqual({ version: 1, root: listed });
  });
});

describe("dump", () => {
  test("files around the borders of buffers, wherever they fall in them", async () => {
    const path = fresh();
    mkdirSync(path);
    const entries: [string, NarTree][] = [];
    for (const [i, size] of [
      0, 1, 261_800, 262_143, 262_144, 262_145, 300_000, 524_288, 7, 786_431,
    ].entries()) {
      const contents = new Uint8Array(size).fill(i + 1);
      for (const shift of [0, 8, 64]) {
        const name = `${i}-${"x".repeat(shift + 1)}`;
        writeFileSync(join(path, name), contents);
        entries.push([name, { type: "regular", contents }]);
      }
    }
    const expected = encoded({ type: "directory", entries });
    expect(Buffer.compare(await dump(path), expected)).toBe(0);
    const copies: Uint8Array[] = [];
    const size = await dumpPathTo(path, async (chunk) => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      copies.push(new Uint8Array(chunk));
    });
    expect(size).toBe(expected.length);
    expect(Buffer.compare(concatBytes(...copies), expected)).toBe(0);
  });

  test("the bit of the owner alone makes a file executable", async () => {
    for (const [mode, executable] of [
      [0o655, false],
      [0o744, true],
      [0o500, true],
      [0o611, false],
    ] as const) {
      const path = fresh();
      writeFileSync(path, "x", { mode });
      chmodSync(path, mode);
      expect(
        Buffer.compare(await dump(path), encoded({ ...(text("x") as object), executable } as NarTree)),
      ).toBe(0);
    }
  });

  test("a symlink is not followed, not even at the root", async () => {
    const path = fresh();
    symlinkSync("/nowhere", path);
    expect(Buffer.compare(await dump(path), encoded({ type: "symlink", target: "/nowhere" }))).toBe(0);
  });

  test("refuses sockets, fifos and devices", async () => {
    const path = fresh();
    mkdirSync(path);
    const fifo = join(path, "fifo");
    execFileSync("mkfifo", [fifo]);
    expect((await errorOf(dump(path))).code).toBe("NAR_FILE_TYPE");
    expect((await errorOf(dump(fifo))).code).toBe("NAR_FILE_TYPE");
    rmSync(fifo);
    expect((await errorOf(dump("/dev/null"))).code).toBe("NAR_FILE_TYPE");
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(path, "socket"), resolve));
    expect((await errorOf(dump(path))).code).toBe("NAR_FILE_TYPE");
    await new Promise((resolve) => server.close(resolve));
  });

  test("notices files that grow or shrink while they are read", async () => {
    for (const change of [
      (path: string) => appendFileSync(path, "x"),
      (path: string) => truncateSync(path, 300_000),
    ]) {
      const path = fresh();
      writeFileSync(path, new Uint8Array(1_000_000));
      const chunks = dumpPath(path);
      await chunks.next();
      change(path);
      const rest = async () => {
        for await (const chunk of chunks) void chunk;
      };
      expect((await errorOf(rest())).code).toBe("NAR_FILE_CHANGED");
    }
  });

  test("tells what the operating system refused", async () => {
    const error = await errorOf(dump(join(scratch, "missing")));
    expect(error.code).toBe("NAR_IO");
    expect(error.cause).toMatchObject({ code: "ENOENT" });
    expect((await errorOf(dump(""))).code).toBe("NAR_IO");
    expect((await errorOf(dump("a\0b"))).code).toBe("NAR_IO");
  });

  test("leaves no file open when it is stopped half-way", async () => {
    const path = fresh();
    writeFileSync(path, new Uint8Array(2_000_000));
    const before = readdirSync("/proc/self/fd").length;
    for await (const chunk of dumpPath(path)) if (chunk.length > 0) break;
    expect(readdirSync("/proc/self/fd").length).toBe(before);
  });
});

describe("restore", () => {
  test("any tree, cut anywhere, comes back the same, at paths that are not UTF-8 too", async () => {
    const home = Buffer.concat([Buffer.from(`${fresh()}-`), Buffer.of(0xff, 0xfe)]);
    mkdirSync(home);
    let i = 0;
    await fc.assert(
      fc.asyncProperty(arbitraryTree(), fc.integer({ min: 1, max: 5000 }), async (tree, step) => {
        const bytes = encoded(tree);
        const target = Buffer.concat([home, Buffer.from(`/${i++}`)]);
        const buffer = Buffer.alloc(step);
        const chunks = function* () {
          for (let at = 0; at < bytes.length; at += step) {
            const part = bytes.subarray(at, at + step);
            buffer.set(part);
            yield buffer.subarray(0, part.length);
          }
        };
        expect(await restorePath(chunks(), target)).toBe(bytes.length);
        expect(Buffer.compare(await dump(target), bytes)).toBe(0);
      }),
      { numRuns: 100 },
    );
  });

  test("deep trees", async () => {
    const bytes = encoded(nested(1500, text("deep")));
    const target = fresh();
    await restorePath([bytes], target);
    expect(Buffer.compare(await dump(target), bytes)).toBe(0);
  });

  test("sets modes as the umask wants", async () => {
    const target = fresh();
    await restorePath(
      [
        encoded({
          type: "directory",
          entries: [
            ["f", text("")],
            ["x", { type: "regular", executable: true, contents: new Uint8Array(0) }],
          ],
        }),
      ],
      target,
    );
    const mode = (path: string) => lstatSync(path).mode & 0o777;
    const umask = Number.parseInt(execFileSync("/bin/sh", ["-c", "umask"], { encoding: "utf8" }), 8);
    expect(mode(join(target, "f"))).toBe(0o666 & ~umask);
    expect(mode(join(target, "x"))).toBe(0o777 & ~umask);
    expect(mode(target)).toBe(0o777 & ~umask);
  });

  test("touches nothing that exists: file, directory, dangling link", async () => {
    const trees: NarTree[] = [
      text("new"),
      { type: "directory", entries: [] },
      { type: "symlink", target: "x" },
    ];
    for (const tree of trees) {
      const file = fresh();
      writeFileSync(file, "old");
      const directory = fresh();
      mkdirSync(directory);
      const link = fresh();
      symlinkSync(join(scratch, "outside"), link);
      for (const target of [file, directory, link]) {
        expect((await errorOf(restorePath([encoded(tree)], target))).code).toBe("NAR_TARGET_EXISTS");
      }
      expect(readFileSync(file, "utf8")).toBe("old");
      expect(readdirSync(directory)).toEqual([]);
      expect(lstatSync(link).isSymbolicLink()).toBe(true);
      expect(existsSync(join(scratch, "outside"))).toBe(false);
    }
  });

  // What a case-insensitive file system does with `A` and `a`: the second name exists already.
  test("never goes through a link that has the name of an entry", async () => {
    const inner: NarTree[] = [
      text("x"),
      { type: "directory", entries: [["f", text("x")]] },
      { type: "symlink", target: "y" },
    ];
    for (const node of inner) {
      const outside = fresh();
      mkdirSync(outside);
      writeFileSync(join(outside, "keep"), "");
      const target = fresh();
      const bytes = encoded({
        type: "directory",
        entries: [
          ["a", text("first")],
          ["b", node],
        ],
      });
      const chunks = function* () {
        yield bytes.subarray(0, 300);
        symlinkSync(outside, join(target, "b"));
        yield bytes.subarray(300);
      };
      expect((await errorOf(restorePath(chunks(), target))).code).toBe("NAR_NAME_COLLISION");
      expect(readdirSync(outside)).toEqual(["keep"]);
      expect(existsSync(target)).toBe(false);
    }
  });

  test("leaves nothing behind on an error, whatever was made", async () => {
    const tree: NarTree = {
      type: "directory",
      entries: [
        ["a", { type: "symlink", target: scratch }],
        ["deep", nested(600, text("x"))],
        [Uint8Array.of(0xff, 0x0a, 0x80), { type: "directory", entries: [[Uint8Array.of(0xfe), text("x")]] }],
      ],
    };
    const bytes = encoded(tree);
    const open = readdirSync("/proc/self/fd").length;
    for (const wrong of [
      bytes.subarray(0, -8),
      concatBytes(bytes, Uint8Array.of(0)),
      bytes.subarray(0, bytes.length - 150),
    ]) {
      const target = fresh();
      expect((await errorOf(restorePath([wrong], target))).code).toMatch(/^NAR_TR/);
      expect(existsSync(target)).toBe(false);
    }
    const half = encoded({ type: "regular", contents: new Uint8Array(1000) }).subarray(0, 500);
    const target = fresh();
    expect((await errorOf(restorePath([half], target))).code).toBe("NAR_TRUNCATED");
    expect(existsSync(target)).toBe(false);
    expect(readdirSync("/proc/self/fd").length).toBe(open);
    expect(existsSync(scratch)).toBe(true);
  });

  test("an error of the source comes through as it is", async () => {
    const target = fresh();
    const failure = new Error("connection lost");
    const chunks = async function* () {
      yield encoded({ type: "directory", entries: [["a", text("x")]] }).subarray(0, 150);
      throw failure;
    };
    await expect(restorePath(chunks(), target)).rejects.toBe(failure);
    expect(existsSync(target)).toBe(false);
  });

  test("a missing parent is an error, and names the operating system cannot hold", async () => {
    const error = await errorOf(restorePath([encoded(text("x"))], join(scratch, "missing", "x")));
    expect(error.code).toBe("NAR_IO");
    expect(error.cause).toMatchObject({ code: "ENOENT" });
    const target = fresh();
    const bytes = encoded({
      type: "directory",
      entries: [
        ["l", text("x")],
        ["n".repeat(255), nested(2040, text("x"))],
      ],
    });
    expect((await errorOf(restorePath([bytes], target))).cause).toMatchObject({ code: "ENAMETOOLONG" });
    expect(existsSync(target)).toBe(false);
  });

  test("limits are passed on to the parser", async () => {
    const target = fresh();
    expect((await errorOf(restorePath([encoded(text("long"))], target, { maxNarBytes: 100 }))).code).toBe(
      "NAR_LIMIT",
    );
    expect(existsSync(target)).toBe(false);
  });
});

describe("memory", () => {
  test("1 GiB is parsed and restored within 64 MiB", () => {
    const script = join(import.meta.dirname, "../../../../bench/nar-memory.ts");
    const output = execFileSync(process.execPath, ["--conditions=@trustix/source", script, "--json"], {
      encoding: "utf8",
    });
    const { narBytes, parseExtraBytes, restoreExtraBytes } = JSON.parse(output);
    expect(narBytes).toBeGreaterThanOrEqual(2 ** 30);
    expect(parseExtraBytes).toBeLessThan(64 * 2 ** 20);
    expect(restoreExtraBytes).toBeLessThan(64 * 2 ** 20);
  }, 120_000);
});
