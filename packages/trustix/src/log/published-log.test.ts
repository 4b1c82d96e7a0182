import { formatRawEntry, rawProtocol } from "@trustix/nix";
import {
  createPrivateKey,
  createSigner,
  createVerifier,
  KEY_TYPE_ED25519,
  type KeySigner,
  leafHash,
  openCheckpoint,
  readEntries,
  type TileSource,
  verifyLog,
  verifyTlogProof,
} from "@trustix/tlog";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { TrustixError } from "../errors.ts";
import { type Fault, SimulatedDisk } from "../store/simulated-disk.ts";
import { PublishedLog, type PublishedLogDependencies, type PublishedLogOptions } from "./published-log.ts";

const ORIGIN = "builder.example/log";
const key = await createPrivateKey(ORIGIN, KEY_TYPE_ED25519, new Uint8Array(32).fill(1));
const signer = await createSigner(key);

const bytesOf = (text: string) => new TextEncoder().encode(text);
const claim = (name: string, value = "value") =>
  formatRawEntry({ key: bytesOf(name), value: bytesOf(value) });
const code = (expected: TrustixError["code"]) => expect.objectContaining({ code: expected });

function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function open(
  disk: SimulatedDisk,
  options: Partial<PublishedLogOptions> = {},
  dependencies: Partial<PublishedLogDependencies> = {},
): Promise<PublishedLog> {
  return PublishedLog.open(
    { origin: ORIGIN, directory: "/log", batchMs: 0, ...options },
    {
      protocol: rawProtocol,
      signer,
      fileSystem: disk,
      indexPath: ":memory:",
      sleep: () => new Promise(setImmediate),
      ...dependencies,
    },
  );
}

/** Checks everything that is published, and returns its entries. */
async function verifyPublished(disk: SimulatedDisk): Promise<Uint8Array[]> {
  const source: TileSource = {
    fetch: (path, { maxBytes }) => disk.readFile(`/log/public/${path}`, maxBytes),
  };
  const note = await source.fetch("checkpoint", { maxBytes: 1e6 });
  const { checkpoint } = await openCheckpoint(note!, { origin: ORIGIN, logs: [createVerifier(signer.key)] });
  await verifyLog({ checkpoint, source });
  const entries: Uint8Array[] = [];
  for await (const chunk of readEntries({ checkpoint, source })) entries.push(...chunk.entries);
  return entries;
}

/** What the world may have seen: every checkpoint signed or shown, and every claim acknowledged. */
class Observer {
  readonly roots = new Map<string, Set<string>>();
  readonly acknowledged = new Map<number, Uint8Array>();

  readonly signer: KeySigner = {
    ...signer,
    sign: (text) => {
      this.see(new TextDecoder().decode(text));
      return signer.sign(text);
    },
  };

  see(note: string): void {
    const [, size, root] = note.split("\n");
    const roots = this.roots.get(size!) ?? new Set();
    this.roots.set(size!, roots.add(root!));
  }

  watch(disk: SimulatedDisk): void {
    for (const path of ["/log/checkpoint", "/log/public/checkpoint"]) {
      const note = disk.files().get(path);
      if (note) this.see(new TextDecoder().decode(note));
    }
  }

  /** Submits, and notes what was acknowledged. Returns whether all was. */
  async submit(log: PublishedLog, entries: readonly Uint8Array[]): Promise<boolean> {
    const results = await Promise.allSettled(entries.map((entry) => log.submit(entry)));
    for (const [i, result] of results.entries()) {
      if (result.status === "rejected") expect(result.reason).toEqual(code("PUSHBACK"));
      else this.acknowledged.set(result.value.index, entries[i]!);
    }
    return results.every(({ status }) => status === "fulfilled");
  }

  /** Nothing acknowledged is lost, no size was ever signed or shown with two roots, and all is whole. */
  async check(disk: SimulatedDisk): Promise<void> {
    const entries = await verifyPublished(disk);
    for (const [index, entry] of this.acknowledged) {
      expect(Buffer.from(entries[index] ?? []).toString()).toBe(Buffer.from(entry).toString());
    }
    for (const roots of this.roots.values()) expect(roots.size).toBe(1);
    const texts = entries.map((entry) => Buffer.from(entry).toString());
    expect(new Set(texts).size).toBe(texts.length);
  }
}

describe("PublishedLog", () => {
  it("publishes what is submitted, with proofs, and finds it by key", async () => {
    const disk = new SimulatedDisk();
    await using log = await open(disk);
    expect(log.published().size).toBe(0);
    const entries = Array.from({ length: 700 }, (_, i) => claim(`key ${i % 650}`, `value ${i}`));
    const submitted = await Promise.all(entries.map((entry) => log.submit(entry)));
    expect(submitted.map(({ index }) => index)).toEqual(entries.map((_, i) => i));
    const head = await log.whenPublished(699);
    expect(head.size).toBe(700);
    expect(await verifyPublished(disk)).toEqual(entries);
    for (const index of [0, 255, 256, 699]) {
      const trust = { origin: ORIGIN, logs: [createVerifier(signer.key)] };
      const opened = await verifyTlogProof(await log.proof(index), leafHash(entries[index]!), (note) =>
        openCheckpoint(note, trust),
      );
      expect(opened.checkpoint.size).toBe(700);
    }
    const found = await log.lookup(rawProtocol.parseEntry(entries[3]!).key);
    expect(found.map(({ index }) => index)).toEqual([3, 653]);
    expect(found.map(({ entry }) => entry)).toEqual([entries[3], entries[653]]);
    expect(await log.lookup(rawProtocol.parseEntry(entries[3]!).key, 1)).toMatchObject([{ index: 653 }]);
    expect(await log.lookup(new Uint8Array(32))).toEqual([]);
    await expect(log.proof(700)).rejects.toEqual(code("NOT_FOUND"));
    await expect(log.entry(700)).rejects.toEqual(code("NOT_FOUND"));
    expect(log.stats()).toMatchObject({ size: 700, pendingEntries: 0, pendingBytes: 0, problem: undefined });
  });

  it("logs a statement once, and a contradiction of it", async () => {
    const disk = new SimulatedDisk();
    await using log = await open(disk);
    const first = await Promise.all([
      log.submit(claim("a")),
      log.submit(claim("a")),
      log.submit(claim("a", "other")),
    ]);
    expect(first).toEqual([
      { index: 0, isNew: true },
      { index: 0, isNew: false },
      { index: 1, isNew: true },
    ]);
    await log.whenPublished(1);
    expect(await log.submit(claim("a"))).toEqual({ index: 0, isNew: false });
    await log[Symbol.asyncDispose]();
    await using again = await open(disk);
    expect(await again.submit(claim("a", "other"))).toEqual({ index: 1, isNew: false });
    expect(again.published().size).toBe(2);
  });

  it("refuses what is no entry of its protocol, and everything once closed", async () => {
    const log = await open(new SimulatedDisk());
    await expect(log.submit(bytesOf("no entry"))).rejects.toEqual(code("INVALID_ARGUMENT"));
    const waiting = log.whenPublished(5);
    const rejected = expect(waiting).rejects.toEqual(code("CLOSED"));
    await log[Symbol.asyncDispose]();
    await rejected;
    await expect(log.submit(claim("a"))).rejects.toEqual(code("CLOSED"));
  });

  it("closes with everything published", async () => {
    const disk = new SimulatedDisk();
    const log = await open(disk, { batchMs: 60_000 });
    await Promise.all([log.submit(claim("a")), log.submit(claim("b"))]);
    await log[Symbol.asyncDispose]();
    expect(await verifyPublished(disk)).toHaveLength(2);
  });

  it("pushes back when too much waits", async () => {
    const disk = new SimulatedDisk();
    await using log = await open(disk, { maxPendingEntries: 10 });
    const results = await Promise.allSettled(Array.from({ length: 12 }, (_, i) => log.submit(claim(`${i}`))));
    expect(results.map(({ status }) => status).filter((status) => status === "rejected")).toHaveLength(2);
    expect(results[10]).toMatchObject({ reason: { code: "PUSHBACK", retryAfterMs: 250 } });
    await log.whenPublished(9);
    await log.submit(claim("later"));
    await using small = await open(new SimulatedDisk(), { maxPendingBytes: 50 });
    await expect(small.submit(claim("large", "x".repeat(100)))).rejects.toEqual(code("PUSHBACK"));
  });

  it("stops waiting when asked to", async () => {
    await using log = await open(new SimulatedDisk());
    const controller = new AbortController();
    const waiting = log.whenPublished(0, { signal: controller.signal });
    const submitting = log.submit(claim("a"), { signal: controller.signal });
    const rejected = Promise.all([
      expect(waiting).rejects.toThrow("enough"),
      expect(submitting).rejects.toThrow("enough"),
    ]);
    controller.abort(new Error("enough"));
    await rejected;
    expect(await log.submit(claim("a"))).toEqual({ index: 0, isNew: false });
  });

  it("starts again where it stopped, over many starts and sizes", async () => {
    let disk = new SimulatedDisk();
    const observer = new Observer();
    for (let round = 0; round < 12; round++) {
      const log = await open(
        disk,
        { verifyAll: true, maxBatchEntries: 100 + round },
        { signer: observer.signer },
      );
      const entries = Array.from({ length: 37 * round }, (_, i) => claim(`${round} ${i}`));
      expect(await observer.submit(log, entries)).toBe(true);
      await log[Symbol.asyncDispose]();
      await observer.check(disk);
      disk = disk.afterPowerCut(randomFrom(round));
    }
    expect(observer.acknowledged.size).toBe(37 * 66);
  });
});

describe("failing disks and crashes", () => {
  it("has no problem any more once the disk takes writes again, though nothing is submitted", async () => {
    const disk = new SimulatedDisk();
    await using log = await open(disk);
    disk.plan = () => "ENOSPC";
    await expect(log.submit(claim("a"))).rejects.toEqual(code("PUSHBACK"));
    expect(log.stats().problem).toEqual(code("PUSHBACK"));
    disk.plan = () => undefined;
    for (let i = 0; i < 100 && log.stats().problem; i++) await new Promise(setImmediate);
    expect(log.stats().problem).toBeUndefined();
  });

  /** Submits three waves, the last one over the end of a bundle; every wave meets the fault or not. */
  async function work(
    disk: SimulatedDisk,
    log: PublishedLog,
    observer: Observer,
    tag: string,
  ): Promise<void> {
    for (const [wave, count] of [5, 250, 12].entries()) {
      const entries = Array.from({ length: count }, (_, i) => claim(`${tag} ${wave} ${i}`));
      for (let attempt = 0; attempt < 50 && !(await observer.submit(log, entries)); attempt++) {
        if (disk.isOff) return;
        await new Promise(setImmediate);
      }
      if (wave === 1) await new Promise(setImmediate);
    }
  }

  /** How many operations the work takes when nothing fails. */
  async function countOperations(): Promise<number> {
    const disk = new SimulatedDisk();
    const log = await open(disk);
    await work(disk, log, new Observer(), "count");
    await log[Symbol.asyncDispose]();
    return disk.operations;
  }

  it.each<Fault>(["ENOSPC", "EIO", "short"])("gets over %s at every single operation", async (fault) => {
    const operations = await countOperations();
    expect(operations).toBeGreaterThan(60);
    for (let failing = 0; failing < operations + 20; failing++) {
      const observer = new Observer();
      const disk = new SimulatedDisk();
      disk.plan = (index) => {
        observer.watch(disk);
        // Failing twice in a row lets the second attempt fail as well.
        return index === failing || index === failing + 1 ? fault : undefined;
      };
      let log: PublishedLog | undefined;
      for (let attempt = 0; log === undefined; attempt++) {
        log = await open(disk, {}, { signer: observer.signer }).catch((error: TrustixError) => {
          expect(error).toEqual(code("STORAGE_FAILED"));
          expect(attempt).toBeLessThan(4);
          return undefined;
        });
      }
      await work(disk, log, observer, "work");
      await log.whenPublished(266);
      await log[Symbol.asyncDispose]();
      await observer.check(disk);
      await observer.check(disk.afterPowerCut(randomFrom(failing)));
    }
  });

  it.each(["powerCut", "kill"] as const)(
    "loses nothing acknowledged by a %s at any operation",
    async (crash) => {
      const operations = await countOperations();
      for (let failing = 0; failing < operations; failing++) {
        const observer = new Observer();
        let disk = new SimulatedDisk();
        for (let round = 0; round < 3; round++) {
          const current = disk;
          current.plan = (index) => {
            observer.watch(current);
            return round < 2 && index === Math.floor(failing / (round + 1)) ? "powerCut" : undefined;
          };
          const log = await open(current, {}, { signer: observer.signer }).catch((error: TrustixError) => {
            expect(error).toEqual(code("STORAGE_FAILED"));
            return undefined;
          });
          if (log) await work(current, log, observer, `round ${round}`);
          if (round < 2)
            disk = crash === "kill" ? current.afterKill() : current.afterPowerCut(randomFrom(failing));
          await log?.[Symbol.asyncDispose]();
          observer.watch(disk);
        }
        await observer.check(disk);
      }
    },
  );

  it("survives any series of faults and crashes", async () => {
    const faults = fc.array(
      fc.tuple(fc.integer({ min: 0, max: 120 }), fc.constantFrom("ENOSPC", "EIO", "short")),
      {
        maxLength: 6,
      },
    );
    const rounds = fc.array(
      fc.record({ faults, end: fc.integer({ min: 3, max: 200 }), isKill: fc.boolean() }),
      {
        minLength: 1,
        maxLength: 5,
      },
    );
    await fc.assert(
      fc.asyncProperty(rounds, fc.integer(), async (series, seed) => {
        const observer = new Observer();
        const random = randomFrom(seed);
        let disk = new SimulatedDisk();
        for (const [round, { faults, end, isKill }] of [...series.entries()]) {
          const current = disk;
          const plan = new Map<number, Fault>([...faults, [end, "powerCut"]]);
          current.plan = (index) => {
            observer.watch(current);
            return plan.get(index);
          };
          const log = await open(current, {}, { signer: observer.signer }).catch((error: TrustixError) => {
            expect(error).toEqual(code("STORAGE_FAILED"));
            return undefined;
          });
          if (log) await work(current, log, observer, `round ${round}`);
          disk = isKill ? current.afterKill() : current.afterPowerCut(random);
          await log?.[Symbol.asyncDispose]();
        }
        const log = await open(disk, { verifyAll: true }, { signer: observer.signer });
        await log[Symbol.asyncDispose]();
        await observer.check(disk);
      }),
      { numRuns: 100 },
    );
  });
});

describe("a state that is not the newest", () => {
  /** A log of `size` entries, and a copy of its disk. */
  async function grow(
    disk: SimulatedDisk,
    size: number,
    options: Partial<PublishedLogOptions> = {},
  ): Promise<void> {
    const log = await open(disk, options);
    await Promise.all(Array.from({ length: size }, (_, i) => log.submit(claim(`${i}`))));
    await log[Symbol.asyncDispose]();
  }

  it("is refused when the published checkpoint is larger", async () => {
    const disk = new SimulatedDisk();
    await grow(disk, 10);
    const published = disk.files().get("/log/public/checkpoint")!;
    const old = new SimulatedDisk();
    await grow(old, 4);
    const fetchPublished = async () => published;
    await expect(open(old, {}, { fetchPublished })).rejects.toEqual(code("STATE_ROLLED_BACK"));
    await expect(open(new SimulatedDisk(), {}, { fetchPublished })).rejects.toEqual(
      code("STATE_ROLLED_BACK"),
    );
    await (await open(disk, {}, { fetchPublished }))[Symbol.asyncDispose]();
  });

  it("is refused when it has another history, and both notes are kept", async () => {
    const disk = new SimulatedDisk();
    await grow(disk, 10);
    const other = new SimulatedDisk();
    await using log = await open(other);
    await Promise.all(Array.from({ length: 10 }, (_, i) => log.submit(claim(`other ${i}`))));
    const published = (await log.whenPublished(9)).note;
    await expect(open(disk, {}, { fetchPublished: async () => published })).rejects.toEqual(
      code("LOG_FORKED"),
    );
    const kept = [...disk.files()].filter(([path]) => path.startsWith("/log/evidence/"));
    expect(kept.map(([path]) => path.split("/").at(-1)).sort()).toEqual(["seen", "stored"]);
    expect(kept.map(([, bytes]) => Buffer.from(bytes))).toContainEqual(Buffer.from(published));
    await grow(disk, 300);
    await expect(open(disk, {}, { fetchPublished: async () => published })).rejects.toEqual(
      code("LOG_FORKED"),
    );
  });

  it("goes on, with a warning, when nobody can tell", async () => {
    const disk = new SimulatedDisk();
    await grow(disk, 3);
    const problems: TrustixError[] = [];
    await using log = await open(
      disk,
      {},
      {
        fetchPublished: () => Promise.reject(new Error("no route")),
        onProblem: (error) => problems.push(error),
      },
    );
    expect(log.published().size).toBe(3);
    expect(problems).toHaveLength(1);
  });

  it("goes on, with a warning, when what is at the public address is no checkpoint at all", async () => {
    const disk = new SimulatedDisk();
    await grow(disk, 3);
    const problems: TrustixError[] = [];
    const pages = ["", "<!doctype html><title>Welcome</title>", "x\n\n\u2014 y AAAA\n"].map(bytesOf);
    for (const page of pages) {
      const fetchPublished = async () => page;
      const log = await open(disk, {}, { fetchPublished, onProblem: (error) => problems.push(error) });
      expect(log.published().size).toBe(3);
      await log[Symbol.asyncDispose]();
    }
    expect(problems.map((error) => error.code)).toEqual(pages.map(() => "PEER_MISBEHAVED"));
  });

  it("is refused when its directory was given another name, and nothing is made in the new one", async () => {
    const disk = new SimulatedDisk();
    await disk.makeDirectory("/logs");
    await grow(disk, 3, { directory: "/logs/old" });
    await expect(open(disk, { directory: "/logs/new" })).rejects.toEqual(code("LOG_MISMATCH"));
    expect(await disk.list("/logs")).toEqual(["old"]);
    const other = await createSigner(await createPrivateKey("other.example/log", KEY_TYPE_ED25519));
    const beside = { origin: "other.example/log", directory: "/logs/other" };
    await (await open(disk, beside, { signer: other }))[Symbol.asyncDispose]();
    await grow(disk, 4, { directory: "/logs/old" });
  });

  it("is refused when the public address shows a log of another key", async () => {
    const other = await createSigner(await createPrivateKey(ORIGIN, KEY_TYPE_ED25519));
    const disk = new SimulatedDisk();
    await (await open(disk, {}, { signer: other }))[Symbol.asyncDispose]();
    const published = disk.files().get("/log/public/checkpoint")!;
    const fresh = new SimulatedDisk();
    await expect(open(fresh, {}, { fetchPublished: async () => published })).rejects.toEqual(
      code("LOG_MISMATCH"),
    );
  });

  it("is refused when its parts do not fit", async () => {
    const remove = async (path: string) => {
      const disk = new SimulatedDisk();
      await grow(disk, 300);
      await disk.removeFile(path);
      return open(disk);
    };
    await expect(remove("/log/checkpoint")).rejects.toEqual(code("STATE_ROLLED_BACK"));
    await expect(remove("/log/public/tile/0/001.p/44")).rejects.toEqual(code("STATE_CORRUPT"));
    await expect(remove("/log/public/tile/entries/001.p/44")).rejects.toEqual(code("STATE_CORRUPT"));
    await (await remove("/log/public/checkpoint"))[Symbol.asyncDispose]();
    const disk = new SimulatedDisk();
    await grow(disk, 300);
    const otherKey = await createSigner(await createPrivateKey(ORIGIN, KEY_TYPE_ED25519));
    await expect(open(disk, {}, { signer: otherKey })).rejects.toEqual(code("LOG_MISMATCH"));
    await expect(open(disk, { origin: "other.example/log" })).rejects.toEqual(code("LOG_MISMATCH"));
  });
});
