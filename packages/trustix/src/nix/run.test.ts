import { describe, expect, it } from "vitest";
import type { TrustixErrorCode } from "../errors.ts";
import { MAX_STDERR_BYTES, type NixCommand, runNix, streamNixLines } from "./run.ts";

const sh = (script: string, over: Partial<NixCommand> = {}): NixCommand => ({
  file: "/bin/sh",
  args: ["-c", script],
  env: { PATH: process.env.PATH },
  timeoutMs: 20_000,
  maxOutputBytes: 1_000_000,
  ...over,
});

const code = (expected: TrustixErrorCode) =>
  expect.objectContaining({ name: "TrustixError", code: expected });

async function linesOf(command: NixCommand, maxLineBytes = 1000): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of streamNixLines(command, maxLineBytes)) lines.push(line);
  return lines;
}

describe("runNix", () => {
  it("gives output, exit code and what was said on standard error", async () => {
    const result = await runNix(sh("echo out; echo err >&2; exit 3"));
    expect({ ...result, stdout: Buffer.from(result.stdout).toString() }).toEqual({
      exitCode: 3,
      stdout: "out\n",
      stderr: "err\n",
    });
  });

  it("passes arguments and environment as they are, with nothing on standard input", async () => {
    const result = await runNix({
      ...sh(""),
      args: ["-c", 'cat; printf "%s|" "$@" "$LC_ALL" "$SECRET"', "sh", "a b", "$(id)", "`x`;"],
      env: { PATH: process.env.PATH, SECRET: "s" },
    });
    expect(Buffer.from(result.stdout).toString()).toBe("a b|$(id)|`x`;|C|s|");
  });

  it("keeps only the end of a long standard error", async () => {
    const { stderr } = await runNix(sh("i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done >&2"));
    expect(stderr.length).toBe(MAX_STDERR_BYTES);
    expect(stderr.endsWith("line 2999\n")).toBe(true);
  });

  it("kills what is silent for too long", async () => {
    await expect(runNix(sh("exec sleep 60", { timeoutMs: 50 }))).rejects.toEqual(code("NIX_UNAVAILABLE"));
    await expect(runNix(sh("exec >&-; exec sleep 60", { timeoutMs: 50 }))).rejects.toEqual(
      code("NIX_UNAVAILABLE"),
    );
  });

  it("kills what writes too much", async () => {
    await expect(runNix(sh("exec yes", { maxOutputBytes: 10_000 }))).rejects.toEqual(
      code("NIX_OUTPUT_INVALID"),
    );
  });

  it("says when a command cannot be run or was killed", async () => {
    await expect(runNix(sh("", { file: "/nonexistent/nix" }))).rejects.toEqual(code("NIX_UNAVAILABLE"));
    await expect(runNix(sh("kill -9 $$"))).rejects.toEqual(code("NIX_UNAVAILABLE"));
    await expect(runNix(sh("", { args: ["nul\0"] }))).rejects.toEqual(code("NIX_UNAVAILABLE"));
  });

  it("ends with the signal's reason when aborted, before or meanwhile", async () => {
    const reason = new Error("stop");
    await expect(runNix(sh("", { signal: AbortSignal.abort(reason) }))).rejects.toBe(reason);
    const abort = new AbortController();
    const running = runNix(sh("exec sleep 60", { signal: abort.signal }));
    setTimeout(() => abort.abort(reason), 20);
    await expect(running).rejects.toBe(reason);
  });
});

describe("a command whose own child keeps the output open", () => {
  const wrapper = "sleep 30 & echo a; wait";

  it("is not waited for once it was killed", { timeout: 20_000 }, async () => {
    await expect(runNix(sh(wrapper, { timeoutMs: 50 }))).rejects.toEqual(code("NIX_UNAVAILABLE"));
    const reason = new Error("stop");
    const abort = new AbortController();
    const lines = linesOf(sh(wrapper, { signal: abort.signal }));
    setTimeout(() => abort.abort(reason), 50);
    await expect(lines).rejects.toBe(reason);
  });
});

describe("streamNixLines", () => {
  it("yields lines, also one without end", async () => {
    expect(await linesOf(sh("printf 'a\\n\\nb\\nlast'"))).toEqual(["a", "", "b", "last"]);
    expect(await linesOf(sh(":"))).toEqual([]);
  });

  it("joins lines over chunk borders", async () => {
    const lines = await linesOf(sh("i=0; while [ $i -lt 20000 ]; do echo line-$i; i=$((i+1)); done"));
    expect(lines).toEqual(Array.from({ length: 20_000 }, (_, i) => `line-${i}`));
  });

  it("throws when the command fails at its end", async () => {
    await expect(linesOf(sh("echo a; echo why >&2; exit 1"))).rejects.toEqual(code("NIX_UNAVAILABLE"));
  });

  it("refuses an endless line", async () => {
    await expect(linesOf(sh("while :; do printf xxxxxxxxxxxxxxxx; done"))).rejects.toEqual(
      code("NIX_OUTPUT_INVALID"),
    );
  });

  it("ends the command when the loop is left, and does not count the consumer's own time", async () => {
    const lines = streamNixLines(sh("echo a; echo b; exec sleep 60", { timeoutMs: 300 }), 1000);
    for await (const line of lines) {
      expect(line).toBe("a");
      await new Promise((resolve) => setTimeout(resolve, 600));
      break;
    }
  });

  it("leaves no timer behind when the command ends before its output is read", async () => {
    for await (const _ of streamNixLines(sh("echo a; sleep 0.1; echo b"), 1000)) {
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    expect(process.getActiveResourcesInfo()).not.toContain("Timeout");
  });
});
