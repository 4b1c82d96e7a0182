import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeUtf8 } from "./encoding.ts";
import { createPrivateKey, createSigner, createVerifier } from "./keys.ts";
import {
  formatNote,
  formatSignatureLines,
  isKeyName,
  type NoteSignature,
  type NoteVerifier,
  openNote,
  parseNote,
  parseSignatureLines,
  signNote,
} from "./note.ts";
import { errorCode, readVectors } from "./vectors.test.util.ts";

interface Case {
  readonly about: string;
  readonly vkeys: readonly string[];
  readonly note: string;
}
const vectors = readVectors<{
  readonly accepted: readonly (Case & { readonly text: string; readonly signed: readonly string[] })[];
  readonly rejected: readonly (Case & { readonly code: string })[];
}>("signed-note.json");

describe("vectors", () => {
  test.each(vectors.accepted)("accepted: $about", async ({ vkeys, note, text, signed }) => {
    for (const input of [note, encodeUtf8(note)]) {
      const opened = await openNote(input, vkeys.map(createVerifier));
      expect(opened.text).toBe(text);
      expect(opened.verified.map(({ name }) => name)).toEqual(signed);
    }
    expect(formatNote(parseNote(note))).toBe(note);
  });
  test.each(vectors.rejected)("rejected: $about", async ({ vkeys, note, code }) => {
    expect(await errorCode(() => openNote(note, vkeys.map(createVerifier)))).toBe(code);
    expect(await errorCode(() => openNote(encodeUtf8(note), vkeys.map(createVerifier)))).toBe(code);
  });
});

const nameArb = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }).filter(isKeyName);
const textArb = fc
  .array(fc.string({ unit: fc.constantFrom("a", " ", "\u2014", "\n", "\u00e9", "\u{1f600}", "\x7f") }))
  .map((parts) => `${parts.join("")}\n`);
const signatureArb: fc.Arbitrary<NoteSignature> = fc.record({
  name: nameArb,
  id: fc.integer({ min: 0, max: 0xffffffff }),
  signature: fc.uint8Array({ minLength: 1, maxLength: 80 }).map((bytes) => new Uint8Array(bytes)),
});

test("format and parse are inverse", () => {
  const signatures = fc.array(signatureArb, { minLength: 1, maxLength: 100 });
  fc.assert(
    fc.property(textArb, signatures, (text, list) => {
      expect(parseNote(formatNote({ text, signatures: list }))).toEqual({ text, signatures: list });
      expect(parseSignatureLines(formatSignatureLines(list))).toEqual(list);
    }),
  );
});

test("no input but a note is accepted, and each in one spelling only", () => {
  const pieces = [
    "a",
    "\n",
    "\n\n",
    "\u2014 ",
    "\u2014 k AAAAAAE=\n",
    " ",
    "k",
    "AAAA",
    "=",
    "\r",
    "+",
    "\ud800",
  ];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 12 }), (parts) => {
      const input = parts.join("");
      try {
        expect(formatNote(parseNote(input))).toBe(input);
      } catch (error) {
        expect(error).toMatchObject({ code: "NOTE_MALFORMED" });
      }
    }),
    { numRuns: 3000 },
  );
});

test("any changed byte of a note with one known key is rejected", async () => {
  const key = await createPrivateKey("log.example/a", 1, new Uint8Array(32).fill(9));
  const signer = await createSigner(key);
  const verifiers = [createVerifier(signer.key)];
  const note = encodeUtf8(await signNote("some text\n\nand m\u00f6re\n", [signer]));
  for (let at = 0; at < note.length; at++) {
    for (const flip of [1, 2, 4, 0x20, 0x80]) {
      const changed = note.slice();
      changed[at]! ^= flip;
      expect(await errorCode(() => openNote(changed, verifiers))).toMatch(
        /^(NOTE_MALFORMED|NOTE_UNSIGNED|SIGNATURE_INVALID)$/,
      );
    }
  }
});

test("any byte removed, doubled or cut off after is rejected", async () => {
  const [spec] = vectors.accepted;
  const verifiers = spec!.vkeys.map(createVerifier);
  const note = encodeUtf8(spec!.note);
  for (let at = 0; at < note.length; at++) {
    const [before, after] = [[...note.subarray(0, at)], [...note.subarray(at + 1)]];
    for (const bytes of [before, [...before, ...after], [...before, note[at]!, note[at]!, ...after]]) {
      expect(await errorCode(() => openNote(Uint8Array.from(bytes), verifiers))).not.toBe("no error");
    }
  }
});

test("limits come before parsing", async () => {
  const note = vectors.accepted[0]!.note;
  const size = encodeUtf8(note).length;
  expect(parseNote(note, { maxBytes: size }).signatures).toHaveLength(1);
  for (const input of [note, encodeUtf8(note)]) {
    expect(await errorCode(() => parseNote(input, { maxBytes: size - 1 }))).toBe("NOTE_TOO_LARGE");
  }
  expect(await errorCode(() => parseNote("\0".repeat(2 ** 20 + 1)))).toBe("NOTE_TOO_LARGE");
  expect(await errorCode(() => parseNote(note + note.split("\n\n")[1], { maxSignatures: 1 }))).toBe(
    "NOTE_TOO_LARGE",
  );
});

test("the first of several valid signatures of one key is kept; every one is verified", async () => {
  const calls: number[] = [];
  const verifier: NoteVerifier = {
    name: "k",
    id: 7,
    verify: async (_, signature) => calls.push(signature[0]!) > 0,
  };
  const lines = [1, 2, 3].map((n) => ({ name: "k", id: 7, signature: Uint8Array.of(n) }));
  const opened = await openNote({ text: "t\n", signatures: lines }, [verifier]);
  expect(opened.verified).toEqual([{ ...lines[0], verifier }]);
  expect(opened.unverified).toEqual([]);
  expect(calls).toEqual([1, 2, 3]);
});

test("signing keeps other signatures and replaces one's own", async () => {
  const signers = await Promise.all(
    [1, 2].map(async (n) =>
      createSigner(await createPrivateKey(`s${n}.example`, 1, new Uint8Array(32).fill(n))),
    ),
  );
  const [first, second] = signers;
  const once = await signNote("t\n", [first!]);
  const twice = await signNote("t\n", [second!], parseNote(once).signatures);
  expect(twice).toBe(await signNote("t\n", signers));
  expect(await signNote("t\n", [second!], parseNote(twice).signatures)).toBe(twice);
  expect(await errorCode(() => signNote("t\n", [first!, first!]))).toBe("KEY_AMBIGUOUS");
  expect(await errorCode(() => signNote("no newline", [first!]))).toBe("NOTE_MALFORMED");
  expect(await errorCode(() => signNote("t\n", []))).toBe("NOTE_MALFORMED");
});

test("what cannot be parsed is not written", async () => {
  const good = { name: "k", id: 1, signature: Uint8Array.of(1) };
  for (const bad of [
    { name: "a b" },
    { name: "" },
    { name: "\ud800" },
    { id: -1 },
    { id: 2 ** 32 },
    { id: 0.5 },
    { signature: new Uint8Array() },
  ]) {
    const note = { text: "t\n", signatures: [{ ...good, ...bad }] };
    expect(await errorCode(() => formatNote(note))).toBe("NOTE_MALFORMED");
  }
  for (const text of ["", "t", "t\r\n", "t\0\n", "\ud800\n"]) {
    expect(await errorCode(() => formatNote({ text, signatures: [good] }))).toBe("NOTE_MALFORMED");
  }
  expect(await errorCode(() => formatNote({ text: "t\n", signatures: Array(101).fill(good) }))).toBe(
    "NOTE_TOO_LARGE",
  );
});
