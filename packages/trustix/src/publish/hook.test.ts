import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StorePath } from "@trustix/nix";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { renderHook } from "./hook.ts";
import { parseSpoolMessage } from "./spool-message.ts";

const drvPath = "/nix/store/8xrhkqihdfmmqysvzdrcpq8bjyrz747s-c.drv";
const outPaths = [
  "/nix/store/lpm1sryiqjvaifg68xcf4lqf9mfzh8ra-c",
  "/nix/store/9p0imrsq62six0a3m4a6rv5r1fi7wjhd-c-dev",
] as StorePath[];

/** Shells that serve as /bin/sh somewhere: Debian, NixOS and macOS, Alpine. */
const shells = [["/bin/sh"], ["/bin/dash"], ["/bin/bash", "--posix"], ["/bin/busybox", "sh"]].filter(
  ([file]) => existsSync(file!),
);

let root: string;
let spoolDir: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "hook-"));
  spoolDir = join(root, 'a spool\'s $(dir) "here"');
  mkdirSync(spoolDir);
});
afterEach(() => rmSync(root, { recursive: true }));

function runHook(shell: readonly string[], env: Record<string, string>, dir = spoolDir) {
  const file = join(root, "hook");
  writeFileSync(file, renderHook({ spoolDir: dir }));
  const { status, signal, stdout, stderr } = spawnSync(shell[0]!, [...shell.slice(1), file], {
    env,
    encoding: "utf8",
  });
  return { status, signal, stdout, stderr };
}

const silent = { status: 0, signal: null, stdout: "", stderr: "" };
const warned = { status: 0, signal: null, stdout: "", stderr: expect.stringMatching(/^trustix: .*\n$/) };
const build = { DRV_PATH: drvPath, OUT_PATHS: outPaths.join(" "), NIX_CONFIG: "access-tokens = secret" };

describe.each(shells.map((shell) => [shell.join(" "), shell] as const))("hook under %s", (_, shell) => {
  it("writes one private message for each build, without any program on the PATH", () => {
    for (let i = 0; i < 3; i++) expect(runHook(shell, build)).toEqual(silent);
    const names = readdirSync(spoolDir);
    expect(names).toHaveLength(3);
    for (const name of names) {
      const file = join(spoolDir, name);
      expect(statSync(file).mode & 0o777).toBe(0o640);
      expect(parseSpoolMessage(readFileSync(file), "/nix/store")).toEqual({ drvPath, outPaths });
    }
  });

  it("notes a build whose outputs Nix does not tell", () => {
    expect(runHook(shell, { DRV_PATH: drvPath, OUT_PATHS: "" })).toEqual(silent);
    expect(runHook(shell, { DRV_PATH: drvPath })).toEqual(silent);
    for (const name of readdirSync(spoolDir)) {
      expect(parseSpoolMessage(readFileSync(join(spoolDir, name)), "/nix/store")).toEqual({
        drvPath,
        outPaths: [],
      });
    }
  });

  it("writes what it is given as text, without expanding it", () => {
    const OUT_PATHS = "$(id) * `id` \\n %s";
    expect(runHook(shell, { DRV_PATH: drvPath, OUT_PATHS, IFS: "/" })).toEqual(silent);
    expect(readFileSync(join(spoolDir, readdirSync(spoolDir)[0]!), "utf8")).toBe(
      `trustix-spool 1\n${drvPath}\n${OUT_PATHS.split(" ").join("\n")}\nend\n`,
    );
  });

  it("writes as many outputs as an environment can hold", () => {
    const many = Array.from({ length: 1000 }, (_, i) => outPaths[0]!.replace(/c$/, `output-${i}`));
    expect(runHook(shell, { DRV_PATH: drvPath, OUT_PATHS: many.join(" ") })).toEqual(silent);
    const bytes = readFileSync(join(spoolDir, readdirSync(spoolDir)[0]!));
    expect(parseSpoolMessage(bytes, "/nix/store").outPaths).toEqual(many);
  });

  it("warns in one line and exits with 0 when the spool is missing or is no directory", () => {
    expect(runHook(shell, build, join(root, "missing"))).toEqual(warned);
    writeFileSync(join(root, "file"), "");
    expect(runHook(shell, build, join(root, "file"))).toEqual(warned);
  });

  it("warns in one line and exits with 0 when the disk is full", () => {
    // A pid cannot be foretold, so /dev/full takes the place of the spool file by way of the hook's own text.
    const file = join(root, "hook");
    writeFileSync(file, renderHook({ spoolDir }).replace('>"$file.$n"', ">/dev/full"));
    const { status, stdout, stderr } = spawnSync(shell[0]!, [...shell.slice(1), file], {
      env: build,
      encoding: "utf8",
    });
    expect({ status, signal: null, stdout, stderr }).toEqual(warned);
  });

  it("exits with 0 without an environment, without anyone reading its warning, and at a limit of file sizes", () => {
    expect(runHook(shell, {}).status).toBe(0);
    const file = join(root, "hook");
    writeFileSync(file, renderHook({ spoolDir: join(root, "missing") }));
    chmodSync(file, 0o755);
    for (const redirect of ["2>&-", "2>/dev/full", "<&- >&- 2>&-"]) {
      expect(
        spawnSync("/bin/sh", ["-c", `${shell.join(" ")} '${file}' ${redirect}`], { env: build }).status,
      ).toBe(0);
    }
    writeFileSync(file, renderHook({ spoolDir }));
    const limited = spawnSync("/bin/sh", ["-c", `ulimit -f 0; exec ${shell.join(" ")} '${file}'`], {
      env: build,
    });
    expect([limited.status, limited.signal]).toEqual([0, null]);
  });
});

describe("renderHook", () => {
  it("refuses a path that is relative or would break its line", () => {
    for (const path of ["", "spool", "./spool", "/spool\nrm", "/spool\0", "/spool\u007f"]) {
      expect(() => renderHook({ spoolDir: path })).toThrow(
        expect.objectContaining({ code: "INVALID_ARGUMENT" }),
      );
    }
  });

  it("names nothing of the environment but the two variables it needs", () => {
    const names = new Set(renderHook({ spoolDir: "/s" }).match(/[A-Z]+_[A-Z]+/g));
    expect([...names].sort()).toEqual(["DRV_PATH", "OUT_PATHS"]);
  });
});
