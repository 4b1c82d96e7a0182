import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { type PaceLimits, paced as pacedChunks, readPaced } from "./pace.ts";
import { readBody } from "./remote.ts";

const url = new URL("http://cache.example/file");
const LIMITS = { idleMs: 100, minBytesPerSecond: 1000, windowMs: 100 };

const paced = async (body: Readable, limits: Partial<PaceLimits> = {}): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  await readPaced(url, body, { ...LIMITS, ...limits }, (chunk) => chunks.push(chunk));
  return Buffer.concat(chunks);
};
const READERS: Readonly<Record<string, (body: Readable) => Promise<Buffer>>> = {
  readPaced: (body) => paced(body),
  readBody: (body) => readBody(url, body, 10),
};

/** A body that gives these pieces and then does something else than end. */
function bodyThen(pieces: readonly string[], then: (body: Readable) => void): Readable {
  const left = pieces.values();
  return new Readable({
    read() {
      const next = left.next();
      if (next.done) then(this);
      else this.push(next.value);
    },
  });
}

describe.each(Object.entries(READERS))("%s", (_, read) => {
  it.each([[[]], [["one"]], [["one", "two"]]])("gives all there is: %s", async (pieces) => {
    const got = await read(Readable.from(pieces.map((piece) => Buffer.from(piece))));
    expect(got.toString()).toBe(pieces.join(""));
  });

  it("notices that a body breaks off, with an error or without", async () => {
    await expect(read(bodyThen(["one"], (body) => body.destroy()))).rejects.toMatchObject({
      code: "PEER_UNREACHABLE",
    });
    const broken = read(bodyThen(["one"], (body) => body.destroy(new Error("broken"))));
    await expect(broken).rejects.toThrow("broken");
  });

  it("notices that a body was broken before", async () => {
    for (const error of [undefined, new Error("broken")]) {
      const body = bodyThen([], () => {}).on("error", () => {});
      body.destroy(error);
      await new Promise((closed) => body.once("close", closed));
      await expect(read(body)).rejects.toThrow(error?.message ?? "cut off");
    }
  });
});

describe("readPaced", () => {
  it("ends a body that is silent, or drips", async () => {
    const silent = bodyThen(["one"], () => {});
    await expect(paced(silent)).rejects.toMatchObject({ code: "PEER_UNREACHABLE" });
    expect(silent.destroyed).toBe(true);
    const drip = bodyThen([], (body) => setTimeout(() => body.push("x"), 20));
    // However late this machine is with the drips, they are no silence.
    await expect(paced(drip, { idleMs: 60_000 })).rejects.toThrow("slower than 1000 bytes a second");
    expect(drip.destroyed).toBe(true);
  });

  it.each([
    ["readPaced", (body: Readable) => paced(body)],
    ["paced", (body: Readable) => readBody(url, Readable.from(pacedChunks(url, body, LIMITS)), 2000)],
  ])("%s does not blame a body for a time in which this process stood still", async (_, read) => {
    const body = bodyThen([], () => {});
    const reading = read(body);
    await new Promise((done) => setTimeout(done, 1));
    // Timers that are due come before what has arrived.
    setImmediate(() => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3 * LIMITS.idleMs);
      setImmediate(() => {
        body.push("x".repeat(1000));
        body.push(null);
      });
    });
    expect(await reading).toHaveLength(1000);
  });

  it("ends a body that is not wanted any more", async () => {
    const body = bodyThen(["one"], () => {});
    const unwanted = readPaced(url, body, LIMITS, () => {
      throw new Error("enough");
    });
    await expect(unwanted).rejects.toThrow("enough");
    expect(body.destroyed).toBe(true);
  });
});
