import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { lockFile } from "../store/file-lock.ts";
import { TokenFile } from "./tokens.ts";

const NOW = new Date("2026-11-22T15:00:00Z");
let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "trustix-tokens-"));
  path = join(directory, "tokens.json");
});
afterEach(() => rm(directory, { recursive: true }));

const random = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);

test("a token opens until it is revoked, also for a process that read the file before", async () => {
  const daemon = new TokenFile(path);
  const command = new TokenFile(path);
  expect(await daemon.list()).toEqual([]);
  const first = await command.create("ci", random(1), NOW);
  const second = await command.create("laptop", random(2), NOW);
  expect(first.token).toMatch(/^trustix_[A-Za-z0-9_-]{43}$/);
  expect(await daemon.authenticate(`Bearer ${first.token}`)).toEqual(first.record);
  expect(await daemon.authenticate(`Bearer ${second.token}`)).toMatchObject({ name: "laptop" });
  await command.revoke(first.record.id);
  await expect(daemon.authenticate(`Bearer ${first.token}`)).rejects.toMatchObject({ code: "UNAUTHORIZED" });
  expect((await daemon.list()).map(({ name }) => name)).toEqual(["laptop"]);
});

test("no change is lost when many are made at once, also by other processes", async () => {
  const program = `
    import { TokenFile } from ${JSON.stringify(join(import.meta.dirname, "tokens.ts"))};
    const [path, from] = process.argv.slice(1);
    for (let n = 0; n < 5; n++) {
      await new TokenFile(path).create("process", new Uint8Array(32).fill(Number(from) + n), new Date());
    }`;
  const run = promisify(execFile);
  const args = ["--conditions=@trustix/source", "--input-type=module-typescript", "-e", program, path];
  await new TokenFile(path).create("gone", random(100), NOW);
  const { id } = (await new TokenFile(path).list())[0]!;
  await Promise.all([
    ...[10, 20, 30].map((from) => run(process.execPath, [...args, String(from)])),
    ...Array.from({ length: 5 }, (_, n) => new TokenFile(path).create("here", random(n), NOW)),
    new TokenFile(path).revoke(id),
  ]);
  const names = (await new TokenFile(path).list()).map(({ name }) => name);
  expect(Map.groupBy(names, (name) => name).get("process")).toHaveLength(15);
  expect(names).toHaveLength(20);
});

test("who holds the lock for long is said, and nothing waits for ever", async () => {
  {
    using _ = await lockFile(path);
    await expect(lockFile(path, 50)).rejects.toMatchObject({ code: "PUSHBACK" });
  }
  using _ = await lockFile(path, 0);
  await expect(lockFile("/proc/self/tokens.json")).rejects.toMatchObject({ code: "STORAGE_FAILED" });
});

test("the file holds no token", async () => {
  const { token } = await new TokenFile(path).create("ci", random(7), NOW);
  const text = await readFile(path, "utf8");
  expect(text).not.toContain(token);
  expect(text).not.toContain(token.slice("trustix_".length));
  expect(text).not.toContain(Buffer.from(random(7)).toString("hex"));
});

test("anything else is refused", async () => {
  const tokens = new TokenFile(path);
  const { token, record } = await tokens.create("ci", random(3), NOW);
  const wrong = [
    undefined,
    "",
    token,
    `bearer ${token}`,
    `Bearer  ${token}`,
    `Bearer ${token}x`,
    `Bearer ${token.slice(0, -1)}A`,
  ];
  for (const header of [...wrong, `Bearer ${record.sha256}`, `Basic ${token}`, `Bearer ${"x".repeat(1e6)}`]) {
    await expect(tokens.authenticate(header)).rejects.toMatchObject({ code: "UNAUTHORIZED" });
  }
  await expect(tokens.revoke("00000000")).rejects.toMatchObject({ code: "NOT_FOUND" });
  await expect(tokens.create("", random(4), NOW)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});

test.each(["", "{}", '{"version":2,"tokens":[]}', '{"version":1,"tokens":[{"id":"x"}]}', "[]"])(
  "a file with %j lets nobody in",
  async (text) => {
    await writeFile(path, text);
    await expect(new TokenFile(path).authenticate(`Bearer trustix_${"a".repeat(43)}`)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
    });
  },
);

test("a file that cannot be looked at is not taken for no file", async () => {
  await writeFile(path, "");
  const beneath = new TokenFile(join(path, "tokens.json"));
  await expect(beneath.list()).rejects.toMatchObject({ code: "CONFIG_INVALID" });
});
