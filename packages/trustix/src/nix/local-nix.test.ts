import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseContentAddress, parseHash, parseStorePath, type StorePath } from "@trustix/nix";
import { hashPath } from "@trustix/nix/fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LocalNix } from "./local-nix.ts";
import type { NixCommand, NixResult } from "./run.ts";

const storePath = (n: number, name = "a") =>
  parseStorePath(`/nix/store/${String(n).padStart(32, "0")}-${name}`);
const [a, b, c] = [storePath(1), storePath(2), storePath(3)];
const hash = "e2c334bb2356038dfe9bb202617696d97da8b7bb008ea38dfdc20cf9e7ba53cd";

/** Answers as nix-store does for a store with these valid paths. */
class FakeStore {
  readonly valid: Set<string>;
  readonly commands: NixCommand[] = [];
  onCommand: (command: NixCommand) => void = () => {};

  constructor(...valid: StorePath[]) {
    this.valid = new Set(valid);
  }

  readonly run = async (command: NixCommand): Promise<NixResult> => {
    this.commands.push(command);
    this.onCommand(command);
    const [operation] = command.args.filter((arg) => /^--(dump-db|check-validity)$/.test(arg));
    const paths = command.args.filter((arg) => arg.startsWith("/"));
    let stdout = "";
    let exitCode = 0;
    if (operation === "--check-validity") stdout = paths.filter((path) => !this.valid.has(path)).join("\n");
    else {
      for (const path of paths) {
        if (!this.valid.has(path)) {
          exitCode = 1;
          break;
        }
        stdout += `${path}\n${hash}\n216\n\n1\n${a}\n`;
      }
    }
    return {
      exitCode,
      stdout: Buffer.from(stdout),
      stderr: exitCode === 0 ? "" : "error: path is not valid\n",
    };
  };
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const nixOf = (store: { run: FakeStore["run"] }) => new LocalNix({ env: {}, run: store.run });
const answering = (stdout: string, exitCode = 0) =>
  nixOf({ run: async () => ({ exitCode, stdout: Buffer.from(stdout), stderr: "error: cannot connect\n" }) });

describe("queryPathInfo", () => {
  it("asks for each path once, in one command, and nothing for no paths", async () => {
    const store = new FakeStore(a, b);
    const infos = await nixOf(store).queryPathInfo([b, a, b]);
    expect(infos.map(({ storePath }) => storePath)).toEqual([b, a]);
    expect(infos[0]).toMatchObject({ narHash: parseHash(hash, "sha256"), narSize: 216, references: [a] });
    expect(store.commands.map(({ args }) => args)).toEqual([["--dump-db", b, a]]);
    expect(await nixOf(store).queryPathInfo([])).toEqual([]);
    expect(store.commands).toHaveLength(1);
  });

  it("leaves out what is not valid, without asking for each path by itself", async () => {
    const store = new FakeStore(a, c);
    expect((await nixOf(store).queryPathInfo([a, b, c])).map(({ storePath }) => storePath)).toEqual([a, c]);
    expect(store.commands).toHaveLength(3);
    expect(await nixOf(new FakeStore()).queryPathInfo([a, b])).toEqual([]);
  });

  it("asks again when a path goes invalid between two commands", async () => {
    const store = new FakeStore(a, b);
    store.onCommand = ({ args }) => {
      if (args[0] === "--dump-db" && store.commands.length === 3) store.valid.delete(b);
    };
    expect((await nixOf(store).queryPathInfo([a, b, c])).map(({ storePath }) => storePath)).toEqual([a]);
  });

  it("splits many paths over several commands", async () => {
    const paths = Array.from({ length: 1201 }, (_, i) => storePath(i));
    const store = new FakeStore(...paths);
    expect((await nixOf(store).queryPathInfo(paths)).map(({ storePath }) => storePath)).toEqual(paths);
    expect(store.commands).toHaveLength(3);
  });

  it("says when Nix cannot be asked", async () => {
    await expect(answering("", 1).queryPathInfo([a])).rejects.toMatchObject({ code: "NIX_UNAVAILABLE" });
    const run: FakeStore["run"] = async ({ args }) => ({
      exitCode: args[0] === "--dump-db" ? 1 : 0,
      stdout: new Uint8Array(),
      stderr: "",
    });
    await expect(nixOf({ run }).queryPathInfo([a])).rejects.toMatchObject({ code: "NIX_UNAVAILABLE" });
  });

  it.each([
    "garbage",
    "",
    `${b}\n${hash}\n216\n\n0\n`,
    `${a}\n${hash}\n216\n\n0\n${b}\n${hash}\n216\n\n0\n`,
    `${a}\n${hash}\n-1\n\n0\n`,
  ])("refuses an answer such as %j", async (text) => {
    await expect(answering(text).queryPathInfo([a])).rejects.toMatchObject({ code: "NIX_OUTPUT_INVALID" });
  });

  it("never hands a command anything but store paths", async () => {
    const store = new FakeStore();
    for (const path of ["--help", "/etc/passwd", "/nix/store/..", `${a}/x`, "", `${a}\0`] as StorePath[]) {
      await expect(nixOf(store).queryPathInfo([a, path])).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
      await expect(nixOf(store).validOutputsOf(path)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
      await expect(collect(nixOf(store).list([path]))).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
      });
    }
    expect(store.commands).toEqual([]);
  });
});

describe("validOutputsOf", () => {
  const drv = storePath(9, "a.drv");
  /** A store whose derivation has outputs a and b, of which a is valid. */
  const run =
    (outputsExit: number, validityExit = 0): FakeStore["run"] =>
    async ({ args }) => {
      const isOutputs = args.includes("--outputs");
      const stdout = isOutputs ? `${a}\n${b}\n` : args.includes(b) ? `${b}\n` : "";
      return { exitCode: isOutputs ? outputsExit : validityExit, stdout: Buffer.from(stdout), stderr: "" };
    };

  it("keeps the outputs that are there", async () => {
    expect(await nixOf({ run: run(0) }).validOutputsOf(drv)).toEqual([a]);
  });

  it("tells a derivation without known outputs from a Nix that does not answer", async () => {
    expect(await nixOf({ run: run(1) }).validOutputsOf(drv)).toEqual([]);
    await expect(nixOf({ run: run(1, 1) }).validOutputsOf(drv)).rejects.toMatchObject({
      code: "NIX_UNAVAILABLE",
    });
  });
});

describe("version", () => {
  it.each([
    ["nix-store (Nix) 2.8.0\n", { name: "Nix", version: "2.8.0" }],
    ["nix-store (Nix) 2.35pre20260801_abcdef\n", { name: "Nix", version: "2.35pre20260801_abcdef" }],
    ["nix-store (Lix, like Nix) 2.93.0\n", { name: "Lix, like Nix", version: "2.93.0" }],
  ])("reads %j", async (text, version) => {
    expect(await answering(text).version()).toEqual(version);
  });

  it("refuses anything else", async () => {
    await expect(answering("busybox v1.36\n").version()).rejects.toMatchObject({
      code: "NIX_OUTPUT_INVALID",
    });
  });
});

describe("with commands of its own", () => {
  let root: string;
  let storeDir: string;
  let nixStore: string;

  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), "nix-"));
    storeDir = join(root, "store");
    mkdirSync(storeDir);
    nixStore = join(root, "nix-store");
  });
  afterAll(() => rmSync(root, { recursive: true }));

  function script(name: string, text: string): LocalNix {
    for (const file of ["nix-store", "nix"]) {
      writeFileSync(join(root, file), `#!/bin/sh\n${file === name ? text : "exit 9"}\n`);
      chmodSync(join(root, file), 0o755);
    }
    return new LocalNix({ env: { PATH: process.env.PATH, NIX_STORE_DIR: storeDir }, nixStore });
  }
  const own = (n: number, name = "a") =>
    parseStorePath(`${storeDir}/${String(n).padStart(32, "0")}-${name}`, storeDir);

  it("lists paths, which of them were built here, and content addresses", async () => {
    const address = `fixed:r:sha256:0${"a".repeat(51)}`;
    const nix = script(
      "nix",
      `printf '%s\\n' "$@" >"${root}/args"
       printf '%s\\n' '${own(1)}   \tultimate' '${own(2)}' '${own(3)}\tca:${address} k:abc==' '${own(4)}\tultimate ca:new:x k:sig=='`,
    );
    expect(await collect(nix.list(undefined))).toEqual([
      { path: own(1), isUltimate: true },
      { path: own(2), isUltimate: false },
      { path: own(3), isUltimate: false, contentAddress: parseContentAddress(address) },
      { path: own(4), isUltimate: true },
    ]);
    expect(await collect(nix.list([]))).toEqual([]);
  });

  it("refuses a listing of anything but store paths", async () => {
    const nix = script("nix", "echo /etc/passwd");
    await expect(collect(nix.list(undefined))).rejects.toMatchObject({ code: "NIX_OUTPUT_INVALID" });
  });

  it("reads when paths entered the store", async () => {
    const nix = script(
      "nix",
      `echo '[{"path":"${own(1)}","narHash":"sha256:${hash}","narSize":1,"references":[],"registrationTime":7},{"path":"${own(2)}","valid":false}]'`,
    );
    expect(await nix.registrationTimes([own(1), own(2)])).toEqual(new Map([[own(1), 7]]));
  });

  it("names a JSON format where Nix insists on one", async () => {
    const nix = script(
      "nix",
      `case " $* " in *" --json-format 1 "*) echo '{"${own(1)}":{"narHash":"sha256:${hash}","narSize":1,"references":[],"registrationTime":7}}' ;; *) exit 1 ;; esac`,
    );
    expect(await nix.registrationTimes([own(1)])).toEqual(new Map([[own(1), 7]]));
  });

  it("reads the system of a derivation from its file, and from nothing else", async () => {
    const nix = script("nix", "");
    const text = 'Derive([],[],[],"riscv64-linux","/bin/sh",[],[])';
    const file = join(root, "outside.drv");
    writeFileSync(file, text);
    writeFileSync(own(1, "a.drv"), text);
    writeFileSync(own(2, "a"), text);
    symlinkSync(file, own(3, "a.drv"));
    mkdirSync(own(4, "a.drv"));
    expect(await nix.systemOf(own(1, "a.drv"))).toBe("riscv64-linux");
    for (const path of [own(2, "a"), own(3, "a.drv"), own(4, "a.drv"), own(5, "a.drv")]) {
      expect(await nix.systemOf(path)).toBeUndefined();
    }
  });

  it("finds contents that are not what was registered", async () => {
    const nix = script("nix", "");
    const path = own(6);
    writeFileSync(path, "contents");
    const { sha256, sizeBytes } = await hashPath(path);
    const info = {
      storePath: path,
      narHash: { algorithm: "sha256", bytes: sha256 } as const,
      narSize: sizeBytes,
      references: [],
    };
    expect(await nix.findDamage(info)).toBeUndefined();
    writeFileSync(path, "Contents");
    expect(await nix.findDamage(info)).toContain(`of ${sizeBytes} bytes`);
  });
});
