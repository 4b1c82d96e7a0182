import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { readPaced } from "./pace.ts";
import { readBody } from "./remote.ts";

const url = new URL("http://cache.example/file");
const LIMITS = { idleMs: 100, minBytesPerSecond: 1000, windowMs: 100 };

const paced = async (body: Readable): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  await readPaced(url, body, LIMITS, (chunk) => chunks.push(chunk));
  return Buffer.concat(chunks);
};
const READERS: Readonly<Record<string, (body: Readable) => Promise<Buffer>>> = {
  readPaced: paced,
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
    await expect(paced(drip)).rejects.toThrow("slower than 1000 bytes a second");
    expect(drip.destroyed).toBe(true);
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
