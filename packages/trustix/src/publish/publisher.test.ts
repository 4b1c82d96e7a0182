import {
  type DumpDbEntry,
  formatFingerprint,
  parseHash,
  parseNixEntry,
  parseStorePath,
  type StorePath,
} from "@trustix/nix";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { TrustixError } from "../errors.ts";
import { Publisher, type PublisherOptions } from "./publisher.ts";

const NOW = 1_800_000_000_000;
const storePath = (n: number, name = "a") =>
  parseStorePath(`/nix/store/${String(n).padStart(32, "0")}-${name}`);
const [a, b, c] = [storePath(1), storePath(2), storePath(3)];
const drv = storePath(9, "a.drv");
const narHash = parseHash("e2c334bb2356038dfe9bb202617696d97da8b7bb008ea38dfdc20cf9e7ba53cd", "sha256");
const info = (path: StorePath, over: Partial<DumpDbEntry> = {}): DumpDbEntry => ({
  storePath: path,
  narHash,
  narSize: 216,
  references: [a],
  ...over,
});

let entries: ReturnType<typeof parseNixEntry>[];
beforeEach(() => {
  entries = [];
});

interface Over extends Partial<Omit<PublisherOptions, "nix">> {
  readonly nix?: Partial<PublisherOptions["nix"]>;
}

function makePublisher({ nix, ...over }: Over = {}): Publisher {
  return new Publisher({
    nix: {
      queryPathInfo: async (paths) => paths.filter((path) => path !== c).map((path) => info(path)),
      systemOf: async () => "x86_64-linux",
      findDamage: async () => undefined,
      registrationTimes: async () => new Map(),
      ...nix,
    },
    sink: {
      submit: async (entry) => ({ index: entries.push(parseNixEntry(entry)) - 1, isNew: true }),
    },
    isClaimed: () => false,
    now: () => NOW,
    sleep: async () => {},
    ...over,
  });
}

describe("publish", () => {
  it("claims what Nix registered, with what is known of the build", async () => {
    const outcomes = await makePublisher().publish([
      { path: b, drvPath: drv, kind: "built" },
      { path: c, drvPath: drv, kind: "built" },
      { path: a, kind: "imported" },
      { path: b, drvPath: drv, kind: "built" },
    ]);
    expect(outcomes).toEqual([
      { path: b, status: "claimed", index: 0, isNew: true },
      { path: c, status: "gone" },
      { path: a, status: "claimed", index: 1, isNew: true },
    ]);
    expect(entries).toEqual([
      {
        statement: { storePath: b, narHash, narSize: 216, references: [a] },
        deriver: drv,
        system: "x86_64-linux",
        kind: "built",
        signatures: [],
        extensions: [],
      },
      {
        statement: { storePath: a, narHash, narSize: 216, references: [a] },
        deriver: undefined,
        system: undefined,
        kind: "imported",
        signatures: [],
        extensions: [],
      },
    ]);
  });

  it("takes the deriver from Nix where the caller names none, when it is one", async () => {
    const queryPathInfo = async () => [info(a, { deriver: drv }), info(b, { deriver: a })];
    await makePublisher({ nix: { queryPathInfo } }).publish([a, b].map((path) => ({ path, kind: "built" })));
    expect(entries.map(({ deriver }) => deriver)).toEqual([drv, undefined]);
  });

  it("asks for the system of a derivation once a batch", async () => {
    const systemOf = vi.fn(async () => undefined);
    await makePublisher({ nix: { systemOf } }).publish(
      [a, b].map((path) => ({ path, drvPath: drv, kind: "built" })),
    );
    expect(systemOf).toHaveBeenCalledTimes(1);
  });

  it("calls a second build of a claimed path rebuilt", async () => {
    await makePublisher({ isClaimed: (path) => path === a }).publish([
      { path: a, kind: "built" },
      { path: b, kind: "built" },
    ]);
    expect(entries.map(({ kind }) => kind)).toEqual(["rebuilt", "built"]);
  });

  it("waits when the log pushes back, and then goes on", async () => {
    const waits: number[] = [];
    let refusals = 2;
    const outcomes = await makePublisher({
      sink: {
        submit: async () => {
          if (refusals-- > 0) {
            throw new TrustixError("PUSHBACK", "full", refusals === 1 ? { retryAfterMs: 70 } : {});
          }
          return { index: 7, isNew: false };
        },
      },
      sleep: async (durationMs) => void waits.push(durationMs),
    }).publish([{ path: a, kind: "built" }]);
    expect(outcomes).toEqual([{ path: a, status: "claimed", index: 7, isNew: false }]);
    expect(waits).toEqual([70, 1000]);
  });

  it("stops waiting when aborted", async () => {
    const abort = new AbortController();
    const submit = async () => {
      abort.abort(new Error("stop"));
      throw new TrustixError("PUSHBACK", "full");
    };
    const publishing = makePublisher({ sink: { submit } }).publish(
      [{ path: a, kind: "built" }],
      abort.signal,
    );
    await expect(publishing).rejects.toThrow("stop");
  });

  it("lets no refused entry stop the others", async () => {
    const queryPathInfo = async () => [info(a, { narSize: 0 }), info(b)];
    const refusing = makePublisher({ nix: { queryPathInfo } });
    expect(await refusing.publish([a, b].map((path) => ({ path, kind: "built" })))).toMatchObject([
      { path: a, status: "refused" },
      { path: b, status: "claimed" },
    ]);
    const submit = async () => {
      throw new TrustixError("INVALID_ARGUMENT", "no");
    };
    expect(await makePublisher({ sink: { submit } }).publish([{ path: a, kind: "built" }])).toEqual([
      { path: a, status: "refused", reason: "no" },
    ]);
  });

  it("throws when the log is out of order, after every submission has settled", async () => {
    let settled = 0;
    const submit = async () => {
      await new Promise((resolve) => setTimeout(resolve, settled === 0 ? 1 : 20));
      if (settled++ === 0) throw new TrustixError("STORAGE_FAILED", "disk");
      return { index: 0, isNew: true };
    };
    const publishing = makePublisher({ sink: { submit } }).publish(
      [a, b].map((path) => ({ path, kind: "built" })),
    );
    await expect(publishing).rejects.toMatchObject({ code: "STORAGE_FAILED" });
    expect(settled).toBe(2);
  });

  it("hashes contents first when told to, and claims nothing of what is damaged", async () => {
    const findDamage = async ({ storePath }: DumpDbEntry) => (storePath === a ? "flipped" : undefined);
    const builds = [a, b].map((path) => ({ path, kind: "built" as const }));
    expect(
      await makePublisher({ nix: { findDamage }, verifyBeforeClaim: true }).publish(builds),
    ).toMatchObject([
      { path: a, status: "damaged", reason: "flipped" },
      { path: b, status: "claimed" },
    ]);
    expect(await makePublisher({ nix: { findDamage } }).publish(builds)).toMatchObject([
      { status: "claimed" },
      { status: "claimed" },
    ]);
  });

  it("does not pass off as built what entered the store after the build", async () => {
    const registrationTimes = vi.fn(
      async () =>
        new Map([
          [a, NOW / 1000 - 3600],
          [b, NOW / 1000 - 1800],
        ]),
    );
    const finishedMs = NOW - 3_600_000;
    const publisher = makePublisher({ nix: { registrationTimes } });
    expect(
      await publisher.publish([a, b].map((path) => ({ path, kind: "built", finishedMs }))),
    ).toMatchObject([
      { path: a, status: "claimed" },
      { path: b, status: "replaced" },
    ]);
    // A fresh message is not worth the question.
    registrationTimes.mockClear();
    await publisher.publish([{ path: b, kind: "built", finishedMs: NOW - 1000 }]);
    expect(registrationTimes).toHaveBeenCalledWith([], undefined);
  });

  it("states exactly what Nix would sign", async () => {
    const facts = info(b, { references: [b, a] });
    let text = "";
    const submit = async (entry: Uint8Array) => {
      text = Buffer.from(entry).toString();
      return { index: 0, isNew: true };
    };
    await makePublisher({ nix: { queryPathInfo: async () => [facts] }, sink: { submit } }).publish([
      { path: b, kind: "built" },
    ]);
    expect(text).toBe(`${formatFingerprint(facts)}\nkind built\n`);
  });
});

describe("a path of which Nix says what cannot be read", () => {
  const queryPathInfo = async (paths: readonly StorePath[]) => {
    if (paths.includes(b)) throw new TrustixError("NIX_OUTPUT_INVALID", "cannot read what nix-store wrote");
    return paths.map((path) => info(path));
  };

  it("is refused, and holds up none of the others", async () => {
    const paths = Array.from({ length: 20 }, (_, i) => storePath(i + 1));
    const publisher = makePublisher({ nix: { queryPathInfo } });
    const outcomes = await publisher.publish(paths.map((path) => ({ path, kind: "built" })));
    expect(outcomes.filter(({ status }) => status === "claimed")).toHaveLength(19);
    expect(outcomes[1]).toEqual({ path: b, status: "refused", reason: "cannot read what nix-store wrote" });
    expect(outcomes.map(({ path }) => path)).toEqual(paths);
  });

  it("stays for later when nothing can be read: then it is Nix that is out of order", async () => {
    const publisher = makePublisher({ nix: { queryPathInfo } });
    await expect(publisher.publish([{ path: b, kind: "built" }])).rejects.toMatchObject({
      code: "NIX_OUTPUT_INVALID",
    });
  });
});
