import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { signCheckpoint } from "./checkpoint.ts";
import { cosignatureTimestamp, createCosignatureVerifier, createCosigner } from "./cosignature.ts";
import { encodeUtf8 } from "./encoding.ts";
import { createPrivateKey, createSigner, createVerifier, createVerifierKey } from "./keys.ts";
import { formatSignatureLines, openNote, parseNote, signNote } from "./note.ts";
import { openCheckpoint } from "./open-checkpoint.ts";
import { errorCode, readVectors } from "./vectors.test.util.ts";

const vectors = readVectors<{
  readonly vkey: string;
  readonly privateKey: string;
  readonly accepted: readonly { about: string; time: number; note: string }[];
  readonly rejected: readonly { about: string; code: string; note: string }[];
}>("cosignature.json");

describe("vectors", () => {
  test.each(vectors.accepted)("accepted: $about", async ({ time, note }) => {
    const { verified, text } = await openNote(note, [createCosignatureVerifier(vectors.vkey)]);
    expect(verified.map(({ signature }) => cosignatureTimestamp(signature))).toEqual([time]);
    if (time > 0) {
      const cosigner = await createCosigner(vectors.privateKey, () => time);
      expect(await signNote(text, [cosigner], parseNote(note).signatures)).toBe(note);
    }
  });
  test.each(vectors.rejected)("rejected: $about", async ({ note, code }) => {
    expect(await errorCode(() => openNote(note, [createCosignatureVerifier(vectors.vkey)]))).toBe(code);
  });
});

describe("a witness", async () => {
  const log = await createSigner(await createPrivateKey("log.example", 1, new Uint8Array(32).fill(1)));
  const witnessKey = await createPrivateKey("w.example", 4, new Uint8Array(32).fill(2));
  const witness = await createCosigner(witnessKey, () => 1234);
  const checkpoint = { origin: "log.example", size: 5, root: new Uint8Array(32).fill(7), extensions: [] };
  const signed = await signCheckpoint(checkpoint, [log]);
  const cosigned = await signCheckpoint(checkpoint, [witness], parseNote(signed).signatures);
  const trust = {
    origin: "log.example",
    logs: [createVerifier(log.key)],
    witnesses: [createCosignatureVerifier(witness.key)],
  };

  test("is reported with its time when it has cosigned, and not missed when it has not", async () => {
    expect((await openCheckpoint(cosigned, trust)).cosignatures).toEqual([
      { key: witness.key, timestamp: 1234 },
    ]);
    expect((await openCheckpoint(signed, trust)).cosignatures).toEqual([]);
  });

  test("is no substitute for the log", async () => {
    const alone = await signCheckpoint(checkpoint, [witness]);
    expect(await errorCode(() => openCheckpoint(alone, trust))).toBe("NOTE_UNSIGNED");
  });

  test("counts once, with its first line", async () => {
    const later = await createCosigner(witnessKey, () => 9999);
    const again = cosigned + (await signCheckpoint(checkpoint, [later])).split("\n\n")[1];
    expect((await openCheckpoint(again, trust)).cosignatures).toEqual([
      { key: witness.key, timestamp: 1234 },
    ]);
  });

  test("is not two under two names, though its cosignature can be copied to the second", async () => {
    const second = createVerifierKey("w2.example", 4, witness.key.publicKey);
    const [, copied] = parseNote(cosigned).signatures;
    const twice = cosigned + formatSignatureLines([{ ...copied!, name: second.name, id: second.id }]);
    const witnesses = [...trust.witnesses, createCosignatureVerifier(second)];
    expect(await errorCode(() => openCheckpoint(twice, { ...trust, witnesses }))).toBe("KEY_AMBIGUOUS");
  });

  test("any changed byte is rejected, or the cosignature is gone", async () => {
    const bytes = encodeUtf8(cosigned);
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const changed = bytes.slice();
        changed[at]! ^= flip;
        const result = await openCheckpoint(changed, trust).catch((error: unknown) => error);
        // A changed name or key id makes a line by an unknown key, which is ignored.
        if (result instanceof Error) expect(result).toHaveProperty("code");
        else expect(result).toMatchObject({ checkpoint, cosignatures: [] });
      }),
      { numRuns: 1000 },
    );
  });

  test("signs nothing but checkpoints, at no time but a real one", async () => {
    expect(await errorCode(() => signNote("hello\n", [witness]))).toBe("CHECKPOINT_MALFORMED");
    for (const time of [0, -1, 1.5, 2 ** 53, Number.NaN]) {
      const broken = await createCosigner(witnessKey, () => time);
      expect(await errorCode(() => signCheckpoint(checkpoint, [broken]))).toBe("TIMESTAMP_INVALID");
    }
  });

  test("needs a key of its own type", async () => {
    const logKey = await createPrivateKey("log.example", 1);
    expect(await errorCode(() => createCosigner(logKey, () => 1))).toBe("KEY_UNSUPPORTED");
    expect(await errorCode(() => createCosignatureVerifier(log.key))).toBe("KEY_UNSUPPORTED");
  });

  test("what is no cosignature has no time", async () => {
    for (const size of [0, 8, 64, 71, 73]) {
      expect(await errorCode(() => cosignatureTimestamp(new Uint8Array(size)))).toBe("TIMESTAMP_INVALID");
    }
    expect(await errorCode(() => cosignatureTimestamp(new Uint8Array(72).fill(255)))).toBe(
      "TIMESTAMP_INVALID",
    );
  });
});
