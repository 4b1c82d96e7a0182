import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { EXIT } from "./failure.ts";
import { runCli } from "./run.ts";

test("Ctrl-C while another node is asked is an interruption, and no fault of the program", async () => {
  const directory = await mkdtemp(join(tmpdir(), "trustix-run-"));
  try {
    const config = join(directory, "trustix.toml");
    await writeFile(config, '[node]\nstate-dir = "state"\n');
    const said: string[] = [];
    const status = await runCli(["subscribe", "http://127.0.0.1:1/", "--config", config], {
      out: (line) => said.push(line),
      err: (line) => said.push(line),
      errRaw: () => {},
      setExitStatus: () => {},
      env: {},
      isTty: false,
      errIsTty: false,
      inIsTty: false,
      ask: async () => undefined,
      signal: AbortSignal.abort(),
      now: () => new Date(),
    });
    expect([status, said]).toEqual([EXIT.failed, ["trustix: interrupted"]]);
  } finally {
    await rm(directory, { recursive: true });
  }
});
