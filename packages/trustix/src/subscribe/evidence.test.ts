import { nixProtocol } from "@trustix/nix";
import {
  encodeUtf8,
  parseCheckpoint,
  parseNote,
  proveConsistency,
  proveInclusion,
  subtreeHash,
  VerifiedTiles,
} from "@trustix/tlog";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Evidence,
  formatEvidence,
  type ProvenEntry,
  parseEvidence,
  verifyEvidence,
} from "./evidence.ts";
import { sampleEntries, sampleEntry, TestLog } from "./test-log.test.util.ts";

const log = await TestLog.create("eve.example/log");
await log.append(sampleEntries(0, 300));
const twin = log.twin();
const first = noteOf(log);
await log.append(sampleEntries(300, 40));
await twin.append([...sampleEntries(300, 20, 1), sampleEntry(5, 1), ...sampleEntries(321, 80)]);
const base = { origin: log.origin, key: log.key, found: "2026-01-01T00:00:00.000Z" };

function noteOf(of: TestLog): string {
  return new TextDecoder().decode(of.files.get("checkpoint"));
}

const headOf = (note: string) => parseCheckpoint(parseNote(note).text);

function tilesOf(of: TestLog): VerifiedTiles {
  return new VerifiedTiles({
    checkpoint: headOf(noteOf(of)),
    source: { fetch: async (path) => of.files.get(path) },
  });
}

async function fork(): Promise<Evidence & { kind: "fork" }> {
  const tiles = tilesOf(twin);
  const prefix = {
    root: await subtreeHash(0, log.size, tiles),
    proof: await proveConsistency(log.size, twin.size, tiles),
  };
  return { ...base, kind: "fork", older: noteOf(log), newer: noteOf(twin), prefix };
}

async function entryOf(of: TestLog, index: number, entry: Uint8Array): Promise<ProvenEntry> {
  return { entry, index, proof: await proveInclusion(index, of.size, tilesOf(of)), checkpoint: noteOf(of) };
}

async function contradiction(): Promise<Evidence & { kind: "contradiction" }> {
  const entries = [
    await entryOf(twin, 5, sampleEntry(5)),
    await entryOf(twin, 320, sampleEntry(5, 1)),
  ] as const;
  return { ...base, kind: "contradiction", protocol: "nix", entries };
}

const rollback = (): Evidence => ({ ...base, kind: "rollback", older: first, newer: noteOf(log) });

const verify = (evidence: Evidence) => verifyEvidence(formatEvidence(evidence));

describe("evidence", () => {
  it("of a fork between two sizes proves it", async () => {
    const verdict = await verify(await fork());
    expect(verdict).toMatchObject({ kind: "fork", origin: log.origin, key: log.key, isProof: true });
  });

  it("of a fork between two sizes proves nothing without its prefix", async () => {
    const { prefix: _, ...rest } = await fork();
    expect(await verify(rest)).toMatchObject({ isProof: false });
  });

  it("of a fork at one size proves itself", async () => {
    const other = log.twin();
    await other.append([sampleEntry(900)]);
    const third = log.twin();
    await third.append([sampleEntry(901)]);
    expect(await verify({ ...base, kind: "fork", older: noteOf(other), newer: noteOf(third) })).toMatchObject(
      { isProof: true },
    );
  });

  it("of a rollback is none against the log by itself", async () => {
    expect(await verify(rollback())).toMatchObject({ kind: "rollback", isProof: false });
  });

  it("of a contradiction proves both statements", async () => {
    const verdict = await verify(await contradiction());
    expect(verdict.isProof).toBe(true);
    expect(verdict.summary).toContain(nixProtocol().parseEntry(sampleEntry(5, 1)).statement);
  });

  it("round-trips", async () => {
    for (const evidence of [await fork(), rollback(), await contradiction()]) {
      expect(parseEvidence(formatEvidence(evidence))).toEqual(evidence);
    }
  });

  it("against an honest log cannot be made", async () => {
    const honest = await fork();
    const tiles = tilesOf(log);
    const prefix = { root: await subtreeHash(0, 300, tiles), proof: await proveConsistency(300, 340, tiles) };
    const { entries } = await contradiction();
    const false_: Evidence[] = [
      { ...honest, older: first, newer: noteOf(log), prefix },
      { ...honest, older: first, newer: first },
      { ...honest, older: noteOf(twin), newer: noteOf(log) },
      { ...honest, prefix: { ...honest.prefix!, root: new Uint8Array(32) } },
      { ...honest, prefix: { ...honest.prefix!, proof: honest.prefix!.proof.slice(1) } },
      { ...honest, key: (await TestLog.create(log.origin)).key },
      { ...honest, origin: "other.example/log" },
      { ...base, kind: "rollback", older: noteOf(log), newer: first },
      { ...base, kind: "contradiction", protocol: "nix", entries: [entries[0], entries[0]] },
      { ...base, kind: "contradiction", protocol: "nix", entries: [entries[0], { ...entries[1], index: 6 }] },
      { ...base, kind: "contradiction", protocol: "raw", entries },
      {
        ...base,
        kind: "contradiction",
        protocol: "nix",
        entries: [entries[0], await entryOf(twin, 6, sampleEntry(6))],
      },
    ];
    for (const evidence of false_)
      await expect(verify(evidence)).rejects.toMatchObject({ code: "EVIDENCE_INVALID" });
  });

  it("with any byte changed is refused, or says the same of the same key", async () => {
    const file = formatEvidence(await fork());
    const verdict = await verifyEvidence(file);
    await fc.assert(
      fc.asyncProperty(fc.nat(file.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const changed = file.slice();
        changed[at]! ^= change;
        try {
          expect(await verifyEvidence(changed)).toEqual(verdict);
        } catch (error) {
          expect(error).toMatchObject({ code: "EVIDENCE_INVALID" });
        }
      }),
      { numRuns: 300 },
    );
  });

  it("that is anything else is refused", async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.uint8Array(), fc.json().map(encodeUtf8)), async (file) => {
        await expect(verifyEvidence(file)).rejects.toMatchObject({ code: "EVIDENCE_INVALID" });
      }),
    );
    await expect(verifyEvidence(new Uint8Array(9 << 20))).rejects.toMatchObject({ code: "EVIDENCE_INVALID" });
  });
});
