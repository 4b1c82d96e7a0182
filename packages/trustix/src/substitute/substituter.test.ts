import { createVerifier, formatFingerprint, parseNarInfo } from "@trustix/nix";
import { describe, expect, it } from "vitest";
import {
  accepting,
  ask,
  COMPRESS,
  fieldsOf,
  nodeKey,
  runSubstituter,
  sample,
  serveCache,
} from "./caches.test.util.ts";

const KiB = 1024;

describe.each(Object.keys(COMPRESS))("a NAR compressed as %s", (compression) => {
  it.each([
    ["small", 10 * KiB],
    ["large", 2500 * KiB],
  ])("comes through byte for byte: %s", async (_, size) => {
    const hello = await sample("hello", size);
    await using cache = await serveCache(hello, { compression });
    await using node = await runSubstituter([cache.url], accepting(hello));
    const narInfo = await ask(`${node.url}${hello.hashPart}.narinfo`);
    expect(narInfo.status, JSON.stringify(narInfo.headers)).toBe(200);
    const { URL: url, ...fields } = fieldsOf(narInfo.body);
    expect(fields).toMatchObject({ StorePath: hello.storePath, Compression: compression });
    const parsed = parseNarInfo(narInfo.body);
    const verifier = await createVerifier(nodeKey);
    expect(await verifier.isValid(formatFingerprint(hello.facts), parsed.signatures[0]!)).toBe(true);
    for (let i = 0; i < 2; i++) {
      const nar = await ask(`${node.url}${url}`);
      expect(nar).toMatchObject({ status: 200, isComplete: true });
      expect(nar.body.equals(COMPRESS[compression]!(hello.nar))).toBe(true);
      expect(nar.headers["content-length"]).toBe(String(nar.body.length));
    }
    expect(node.events.map(({ type }) => type)).toEqual(["nar-served", "nar-served"]);
  });
});
