import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { TrustixError } from "../errors.ts";
import { StateLock } from "./state-lock.ts";

const root = mkdtempSync(join(tmpdir(), "trustix-lock-"));
afterAll(() => rmSync(root, { recursive: true }));

function refusal(directory: string): TrustixError {
  try {
    StateLock.acquire(directory)[Symbol.dispose]();
  } catch (error) {
    if (error instanceof TrustixError) return error;
    throw error;
  }
  throw new Error("the lock was given twice");
}

async function holder(directory: string): Promise<ChildProcess> {
  const module = fileURLToPath(new URL("./state-lock.ts", import.meta.url));
  const source = `import { StateLock } from ${JSON.stringify(module)};
    globalThis.lock = StateLock.acquire(${JSON.stringify(directory)});
    process.stdout.write("held");
    setInterval(() => {}, 1000);`;
  const child = spawn(
    process.execPath,
    ["--conditions=@trustix/source", "--input-type=module", "--eval", source],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  await once(child.stdout!, "data");
  return child;
}

describe("StateLock", () => {
  it("refuses a second one in the same process and gives it after release", () => {
    const directory = mkdtempSync(join(root, "same-"));
    const first = StateLock.acquire(directory);
    expect(refusal(directory).code).toBe("STATE_LOCKED");
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    StateLock.acquire(directory)[Symbol.dispose]();
  });

  it("names the process that holds it, and is free once that was killed", async () => {
    const directory = mkdtempSync(join(root, "other-"));
    const child = await holder(directory);
    const error = refusal(directory);
    expect(error.code).toBe("STATE_LOCKED");
    expect(error.message).toContain(`process ${child.pid} on ${hostname()}`);
    child.kill("SIGKILL");
    await once(child, "exit");
    StateLock.acquire(directory)[Symbol.dispose]();
  });

  it("says so when the directory cannot be used", () => {
    expect(refusal(join(root, "missing")).code).toBe("STORAGE_FAILED");
  });
});
