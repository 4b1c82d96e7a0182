import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Checkpoint, formatCheckpoint, parseCheckpoint, signCheckpoint } from "./checkpoint.ts";
import { decodeHex, encodeHex, encodeUtf8 } from "./encoding.ts";
import { createPrivateKey, createSigner, createVerifier, parseVerifierKey } from "./keys.ts";
import { parseNote, signNote } from "./note.ts";
import { openCheckpoint } from "./open-checkpoint.ts";
import { errorCode, readVectors } from "./vectors.test.util.ts";

const vectors = readVectors<{
  readonly accepted: readonly {
    about: string;
    text: string;
    checkpoint: { origin: string; size: number; root: string; extensions: string[] };
  }[];
  readonly rejected: readonly { about: string; code: string; text: string }[];
  readonly signed: readonly { about: string; vkey: string; note: string; size: number; root: string }[];
}>("checkpoint.json");

describe("vectors", () => {
  test.each(vectors.accepted)("accepted: $about", ({ text, checkpoint }) => {
    const expected = { ...checkpoint, root: decodeHex(checkpoint.root, 32) };
    expect(parseCheckpoint(text)).toEqual(expected);
    expect(parseCheckpoint(encodeUtf8(text))).toEqual(expected);
    expect(formatCheckpoint(expected)).toBe(text);
  });
  test.each(vectors.rejected)("rejected: $about", async ({ text, code }) => {
    expect(await errorCode(() => parseCheckpoint(text))).toBe(code);
  });
  test.each(vectors.signed)("signed: $about", async ({ vkey, note, size, root }) => {
    const origin = parseVerifierKey(vkey).name;
    const opened = await openCheckpoint(note, { origin, logs: [createVerifier(vkey)] });
    expect(opened.checkpoint.size).toBe(size);
    expect(encodeHex(opened.checkpoint.root)).toBe(root);
    expect(opened.cosignatures).toEqual([]);
  });
});

const lineArb = fc.string({
  unit: fc.constantFrom("a", " ", "+", "\u2014", "\u00e9", "\u{1f600}"),
  minLength: 1,
  maxLength: 20,
});
const checkpointArb: fc.Arbitrary<Checkpoint> = fc.record({
  origin: lineArb,
  size: fc.maxSafeNat(),
  root: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => new Uint8Array(bytes)),
  extensions: fc.array(lineArb, { maxLength: 4 }),
});

test("format and parse are inverse", () => {
  fc.assert(
    fc.property(checkpointArb, (checkpoint) => {
      expect(parseCheckpoint(formatCheckpoint(checkpoint))).toEqual(checkpoint);
    }),
  );
});

test("what cannot be parsed is not written", async () => {
  const good = { origin: "o", size: 1, root: new Uint8Array(32), extensions: [] };
  const bad: Partial<Checkpoint>[] = [
    { origin: "" },
    { origin: "a\nb" },
    { origin: "a\tb" },
    { origin: "\udfff" },
    { size: -1 },
    { size: 0.5 },
    { size: 2 ** 53 },
    { size: Number.NaN },
    { root: new Uint8Array(31) },
    { extensions: ["a", ""] },
    { extensions: ["a\n"] },
  ];
  for (const part of bad) {
    expect(await errorCode(() => formatCheckpoint({ ...good, ...part }))).toBe("CHECKPOINT_MALFORMED");
  }
});

describe("openCheckpoint", async () => {
  const signer = await createSigner(await createPrivateKey("log.example/1", 1, new Uint8Array(32).fill(1)));
  const other = await createSigner(await createPrivateKey("log.example/2", 1, new Uint8Array(32).fill(2)));
  const trust = { origin: "log.example/1", logs: [createVerifier(signer.key)] };
  const checkpoint = {
    origin: "log.example/1",
    size: 5,
    root: new Uint8Array(32).fill(7),
    extensions: ["x"],
  };
  const note = await signCheckpoint(checkpoint, [signer]);

  test("returns what was signed, from bytes, text or a parsed note", async () => {
    for (const input of [note, encodeUtf8(note), parseNote(note)]) {
      const opened = await openCheckpoint(input, trust);
      expect(opened).toEqual({ checkpoint, cosignatures: [], note: parseNote(note) });
    }
  });

  test("any changed byte is rejected", async () => {
    const bytes = encodeUtf8(note);
    for (let at = 0; at < bytes.length; at++) {
      for (const flip of [1, 2, 0x10, 0x80]) {
        const changed = bytes.slice();
        changed[at]! ^= flip;
        expect(await errorCode(() => openCheckpoint(changed, trust))).toMatch(
          /^(NOTE_MALFORMED|NOTE_UNSIGNED|SIGNATURE_INVALID|CHECKPOINT_MALFORMED|ORIGIN_MISMATCH)$/,
        );
      }
    }
  });

  test("another log's checkpoint is refused, and a checkpoint signed by another log's key", async () => {
    const foreign = await signCheckpoint({ ...checkpoint, origin: "log.example/2" }, [signer]);
    expect(await errorCode(() => openCheckpoint(foreign, trust))).toBe("ORIGIN_MISMATCH");
    const stolen = await signCheckpoint(checkpoint, [other]);
    expect(await errorCode(() => openCheckpoint(stolen, trust))).toBe("NOTE_UNSIGNED");
  });

  test("one of several keys of a log is enough, while none of them is false", async () => {
    const logs = [createVerifier(other.key), ...trust.logs];
    expect((await openCheckpoint(note, { ...trust, logs })).checkpoint).toEqual(checkpoint);
    const forged = note + (await signCheckpoint({ ...checkpoint, size: 6 }, [other])).split("\n\n")[1];
    expect(await errorCode(() => openCheckpoint(forged, { ...trust, logs }))).toBe("SIGNATURE_INVALID");
    expect((await openCheckpoint(forged, trust)).checkpoint).toEqual(checkpoint);
  });

  test("a signed note that is no checkpoint is refused", async () => {
    const text = await signNote("hello\n", [signer]);
    expect(await errorCode(() => openCheckpoint(text, trust))).toBe("CHECKPOINT_MALFORMED");
  });
});
