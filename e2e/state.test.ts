// A state directory has one daemon, and one history: a second daemon is refused, and so is an old copy that comes back.

import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HERE, startDaemon, trustix, trustixJson } from "./node.ts";

let root: string;
let home: string;
let vkey: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "trustix-state-"));
  home = join(root, "builder");
  const init = ["init", home, "--origin", "builder.test", "--listen", "127.0.0.1:0", "--raw"];
  ({
    vkeys: { raw: vkey },
  } = (await trustixJson(HERE, root, ...init)) as { vkeys: { raw: string } });
});
afterEach(() => rm(root, { recursive: true }));

const at = (directory: string): string => join(directory, "state/logs/raw/public");
const checkpointOf = (prefix: string): Promise<string> => readFile(join(prefix, "checkpoint"), "latin1");

async function claim(...keys: readonly string[]): Promise<void> {
  for (const key of keys) {
    await trustixJson(HERE, home, "submit", "--key", key, "--value", "v", "--wait");
  }
}

/** The world's view of the log: a plain file server on a copy of what was published. */
async function serve(directory: string): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((request, response) => {
    const path = join(directory, new URL(request.url ?? "/", "http://host").pathname);
    readFile(path).then(
      (bytes) => response.end(bytes),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function setPublicUrl(url: string): Promise<void> {
  const file = join(home, "trustix.toml");
  const text = await readFile(file, "utf8");
  const marker = 'name = "raw"\n';
  expect(text).toContain(marker);
  await writeFile(file, text.replace(marker, `${marker}public-url = "${url}"\n`));
}

async function restore(copy: string): Promise<void> {
  await rm(join(home, "state"), { recursive: true });
  await cp(copy, join(home, "state"), { recursive: true });
}

/** Contents of all files, to see that nothing was touched. */
async function contents(directory: string): Promise<ReadonlyMap<string, string>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const texts = await Promise.all(files.map(async (file) => [file, await readFile(file, "latin1")] as const));
  return new Map(texts);
}

describe("two daemons on one state directory", () => {
  it("the second is refused with the first's process, which goes on", async () => {
    await using first = await startDaemon(HERE, home);
    const second = await trustix(HERE, home, "daemon");
    expect(second.status).toBe(1);
    expect(second.stderr).toContain(`process ${first.child.pid} on `);
    expect(second.stderr).toContain(join(home, "state"));
    expect(second.stderr).not.toContain("    at ");
    expect(await trustix(HERE, home, "daemon", "--json")).toMatchObject({
      status: 1,
      stdout: expect.stringContaining("STATE_LOCKED"),
    });
    await claim("after");
    expect(await first.end("SIGTERM")).toEqual([0, null]);
  });

  it("a killed one leaves nothing behind that keeps the next from starting", async () => {
    const first = await startDaemon(HERE, home);
    expect(await first.end("SIGKILL")).toEqual([null, "SIGKILL"]);
    await using next = await startDaemon(HERE, home);
    expect(next.status.pid).not.toBe(first.child.pid);
  });
});

describe("a state directory restored from an old copy", () => {
  const copy = () => join(root, "copy");

  async function publishCopyAndPublishMore(): Promise<void> {
    {
      await using _ = await startDaemon(HERE, home);
      await claim("one", "two");
    }
    await cp(join(home, "state"), copy(), { recursive: true });
    {
      await using _ = await startDaemon(HERE, home);
      await claim("three", "four");
    }
    await cp(at(home), join(root, "world"), { recursive: true });
  }

  it("is refused with an explanation while the world has more, and left as it is", async () => {
    await publishCopyAndPublishMore();
    await using world = await serve(join(root, "world"));
    await restore(copy());
    await setPublicUrl(world.url);
    const before = await contents(join(home, "state/logs/raw"));
    const refused = await trustix(HERE, home, "daemon");
    expect(refused.status).toBe(1);
    expect(refused.stderr).toMatch(/has 2 entries, but .* has 4: this is an old copy/);
    expect(refused.stderr).toContain("Restore the newest copy");
    const after = await contents(join(home, "state/logs/raw"));
    for (const [file, text] of before) expect(after.get(file), file).toBe(text);

    // Nor may it begin anew under the same name.
    await rm(join(home, "state"), { recursive: true });
    await expect(startDaemon(HERE, home)).rejects.toThrow(/has 0 entries, but .* has 4/);
  });

  it("is refused with evidence once it has signed another history", async () => {
    await publishCopyAndPublishMore();
    await restore(copy());
    {
      // Nobody told it of the public address, so it cannot know.
      await using _ = await startDaemon(HERE, home);
      await claim("other three", "other four", "other five");
    }
    await using world = await serve(join(root, "world"));
    await setPublicUrl(world.url);
    const refused = await trustix(HERE, home, "daemon", "--json");
    expect(refused.status).toBe(4);
    const { error } = JSON.parse(refused.stdout) as { error: { code: string; message: string } };
    expect(error.code).toBe("LOG_FORKED");
    // Both signed notes, named in the message, are there for everybody to check.
    const evidence = / kept in (\S+)/.exec(error.message)![1]!;
    const kept = [...(await contents(evidence)).values()];
    expect(kept.sort()).toEqual(
      [await checkpointOf(join(root, "world")), await checkpointOf(at(home))].sort(),
    );
  });

  it("runs while it is the newest, and when the public address does not answer", async () => {
    await publishCopyAndPublishMore();
    const world = await serve(join(root, "world"));
    await setPublicUrl(world.url);
    {
      await using _ = await startDaemon(HERE, home);
      await claim("five");
    }
    await world[Symbol.asyncDispose]();
    await using daemon = await startDaemon(HERE, home);
    expect(daemon.log()).toContain("cannot compare log builder.test/raw");
    await claim("six");
    expect(await trustixJson(HERE, home, "log", "verify", at(home), "--vkey", vkey)).toMatchObject({
      size: 6,
    });
  });
});
