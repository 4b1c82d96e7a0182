import { formatPublicKey, generateKey, publicKeyOf } from "@trustix/nix";
import { createPrivateKey, deriveVerifierKey, formatVerifierKey, KEY_TYPE_ED25519 } from "@trustix/tlog";
import fc from "fast-check";
import { expect, test } from "vitest";
import { TrustixError } from "../errors.ts";
import { formatDescription, MAX_DESCRIPTION_BYTES, parseDescription } from "./node-description.ts";

const BASE = new URL("https://alice.test/sub/trustix.json");
const vkey = formatVerifierKey(
  await deriveVerifierKey(await createPrivateKey("alice.test/nix", KEY_TYPE_ED25519)),
);
const publicKey = formatPublicKey(publicKeyOf(await generateKey("alice-1", new Uint8Array(32).fill(1))));
const LOG = { name: "nix", protocol: "nix", origin: "alice.test/nix", vkey, url: "log/nix/" } as const;

const parse = (value: unknown) => parseDescription(Buffer.from(JSON.stringify(value)), BASE);
const rejected = expect.objectContaining({ code: "PEER_MISBEHAVED" });

test("a description is read as it was written, with absolute URLs", () => {
  const text = formatDescription({ operator: "alice", logs: [LOG], cache: { url: "cache/", publicKey } });
  expect(parseDescription(Buffer.from(text), BASE)).toEqual({
    operator: "alice",
    logs: [{ ...LOG, url: "https://alice.test/sub/log/nix/" }],
    cache: { url: "https://alice.test/sub/cache/", publicKey },
  });
});

test("what a later version adds is left out", () => {
  const description = { format: "trustix-node/1", logs: [{ ...LOG, extra: 1 }], more: {} };
  expect(Object.keys(parse(description).logs[0]!)).not.toContain("extra");
});

test.each([
  ["no JSON object", []],
  ["another format", { format: "trustix-node/2", logs: [] }],
  ["no logs", { format: "trustix-node/1" }],
  ["a vkey that is none", { logs: [{ ...LOG, vkey: "x" }] }],
  ["a key that is none", { logs: [], cache: { url: "cache/", publicKey: "x" } }],
  ["an operator that is no name", { operator: "A\u001b[2J", logs: [] }],
  ["an origin with control characters", { logs: [{ ...LOG, origin: "a\nb" }] }],
  ["a URL without a slash at its end", { logs: [{ ...LOG, url: "log/nix" }] }],
  ["a URL of another kind", { logs: [{ ...LOG, url: "file:///etc/" }] }],
  ["a URL from https to http", { logs: [{ ...LOG, url: "http://alice.test/log/" }] }],
  ["a URL with line ends", { logs: [{ ...LOG, url: "log/\n/" }] }],
  ["too many logs", { logs: Array.from({ length: 65 }, () => LOG) }],
])("%s is refused", (_, value) => {
  const description = Array.isArray(value) ? value : { format: "trustix-node/1", ...value };
  expect(() => parse(description)).toThrow(rejected);
});

test("too much, and what is not UTF-8, is refused before it is parsed", () => {
  expect(() => parseDescription(Buffer.alloc(MAX_DESCRIPTION_BYTES + 1, 0x20), BASE)).toThrow(rejected);
  expect(() => parseDescription(Buffer.from([0x22, 0xff, 0x22]), BASE)).toThrow(rejected);
});

test("nothing else than its own error comes out of it", async () => {
  const field = fc.oneof(fc.json(), fc.string(), fc.webUrl());
  const near = fc.record({
    format: fc.constant("trustix-node/1"),
    operator: field,
    logs: fc.array(field),
    cache: field,
  });
  await fc.assert(
    fc.property(
      fc.oneof(
        fc.json(),
        near.map((value) => JSON.stringify(value)),
      ),
      (text) => {
        try {
          parseDescription(Buffer.from(text), BASE);
        } catch (error) {
          expect(error).toBeInstanceOf(TrustixError);
        }
      },
    ),
  );
});
