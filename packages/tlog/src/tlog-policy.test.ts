import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Checkpoint, signCheckpoint } from "./checkpoint.ts";
import { createCosigner } from "./cosignature.ts";
import { concatBytes, encodeUtf8 } from "./encoding.ts";
import { createPrivateKey, createSigner, createVerifierKey } from "./keys.ts";
import type { NoteSigner } from "./note.ts";
import { PolicyVerifier } from "./policy-verifier.ts";
import { formatPolicy, isQuorumMet, MAX_POLICY_BYTES, type Policy, parsePolicy } from "./tlog-policy.ts";
import { errorCode, readVectors } from "./vectors.test.util.ts";

const vectors = readVectors<{
  readonly accepted: readonly { about: string; text: string; met: string[][]; unmet: string[][] }[];
  readonly rejected: readonly { about: string; code: string; text: string }[];
}>("tlog-policy.json");

describe("vectors", () => {
  test.each(vectors.accepted)("accepted: $about", ({ text, met, unmet }) => {
    const policy = parsePolicy(text);
    expect(parsePolicy(encodeUtf8(text))).toEqual(policy);
    for (const names of met) expect(isQuorumMet(policy, new Set(names))).toBe(true);
    for (const names of unmet) expect(isQuorumMet(policy, new Set(names))).toBe(false);
    expect(parsePolicy(formatPolicy(policy))).toEqual(policy);
  });
  test.each(vectors.rejected)("rejected: $about", async ({ text, code }) => {
    expect(await errorCode(() => parsePolicy(text))).toBe(code);
  });
});

/** Distinct keys: no signature is made with them. */
const keyOf = (role: string, type: 1 | 4, n: number) =>
  createVerifierKey(`${role}${n}.example`, type, new Uint8Array(32).fill(n + 1));

/** Policies in which each group takes some of the names that are still free. */
const policyArb: fc.Arbitrary<Policy> = fc
  .record({
    logs: fc.array(fc.option(fc.webUrl(), { nil: undefined }), { maxLength: 3 }),
    witnesses: fc.integer({ min: 1, max: 12 }),
    groups: fc.array(fc.record({ take: fc.integer({ min: 1, max: 4 }), rank: fc.nat() }), { maxLength: 4 }),
    none: fc.boolean(),
  })
  .map((plan) => {
    const witnesses = Array.from({ length: plan.witnesses }, (_, n) => ({
      name: `w${n}`,
      key: keyOf("w", 4, n),
    }));
    const free = witnesses.map(({ name }) => name);
    const groups = plan.groups.flatMap(({ take, rank }, n) => {
      const members = free.splice(0, take);
      if (members.length === 0) return [];
      free.push(`g${n}`);
      return [{ name: `g${n}`, threshold: 1 + (rank % members.length), members }];
    });
    return {
      logs: plan.logs.map((url, n) => ({ key: keyOf("log", 1, n), ...(url === undefined ? {} : { url }) })),
      witnesses,
      groups,
      quorum: plan.none ? undefined : free.at(-1)!,
    };
  });

test("format and parse are inverse", () => {
  fc.assert(
    fc.property(policyArb, (policy) => {
      expect(parsePolicy(formatPolicy(policy))).toEqual(policy);
    }),
  );
});

test("one more cosignature never breaks a quorum; no cosignature is no quorum", () => {
  fc.assert(
    fc.property(policyArb, fc.infiniteStream(fc.boolean()), (policy, coin) => {
      const cosigned = new Set<string>();
      expect(isQuorumMet(policy, cosigned)).toBe(policy.quorum === undefined);
      let met = false;
      for (const { name } of policy.witnesses) {
        if (coin.next().value === true) cosigned.add(name);
        const now = isQuorumMet(policy, cosigned);
        expect(met && !now).toBe(false);
        met = now;
      }
    }),
  );
});

test("comments may be any octets; names and URLs must be UTF-8", async () => {
  const latin1 = Uint8Array.of(0xe9, 0xff);
  const policy = concatBytes(encodeUtf8("# "), latin1, encodeUtf8("\nquorum none\n"));
  expect(parsePolicy(policy).quorum).toBeUndefined();
  const named = concatBytes(encodeUtf8("group "), latin1, encodeUtf8(" any x\nquorum none\n"));
  expect(await errorCode(() => parsePolicy(named))).toBe("POLICY_MALFORMED");
});

test("what cannot be parsed is not written", async () => {
  const good = parsePolicy(vectors.accepted[0]!.text);
  const bad: Partial<Policy>[] = [
    { quorum: "nobody" },
    { quorum: "" },
    { groups: [] },
    { groups: [...good.groups].reverse() },
    { groups: good.groups.map((group) => ({ ...group, threshold: 4 })) },
    { logs: [...good.logs, ...good.logs] },
    { logs: good.logs.map(({ key }) => ({ key: { ...key, id: 1 } })) },
    { logs: good.logs.map(({ key }) => ({ key, url: "a b" })) },
    { witnesses: good.witnesses.map((witness) => ({ ...witness, name: `${witness.name}\nquorum none` })) },
  ];
  for (const part of bad) {
    expect(await errorCode(() => formatPolicy({ ...good, ...part }))).toBe("POLICY_MALFORMED");
    expect(await errorCode(() => new PolicyVerifier({ ...good, ...part }))).toBe("POLICY_MALFORMED");
  }
});

test("a policy above the limit is not parsed, a large one is", async () => {
  const rest = "\nquorum none\n";
  const fits = `#${"x".repeat(MAX_POLICY_BYTES - rest.length - 1)}${rest}`;
  expect(parsePolicy(fits).quorum).toBeUndefined();
  expect(await errorCode(() => parsePolicy(`${fits}\n`))).toBe("POLICY_MALFORMED");
});

describe("PolicyVerifier", async () => {
  const seed = (n: number) => new Uint8Array(32).fill(n);
  const logs = await Promise.all(
    [1, 2].map(async (n) => createSigner(await createPrivateKey(`log${n}.example`, 1, seed(n)))),
  );
  const witnesses = await Promise.all(
    [3, 4, 5].map(async (n) => createCosigner(await createPrivateKey(`w${n}.example`, 4, seed(n)), () => n)),
  );
  const policy: Policy = {
    logs: logs.map(({ key }) => ({ key })),
    witnesses: witnesses.map(({ key }) => ({ name: key.name, key })),
    groups: [{ name: "two", threshold: 2, members: witnesses.map(({ name }) => name) }],
    quorum: "two",
  };
  const verifier = new PolicyVerifier(policy);
  const checkpoint: Checkpoint = { origin: "log1.example", size: 5, root: seed(7), extensions: [] };
  const open = async (signers: readonly NoteSigner[], origin = "log1.example") =>
    verifier.openCheckpoint(await signCheckpoint({ ...checkpoint, origin }, signers));

  test("accepts a log of the policy with enough cosignatures", async () => {
    const opened = await open([logs[0]!, witnesses[0]!, witnesses[2]!]);
    expect(opened.checkpoint).toEqual(checkpoint);
    expect(opened.cosignatures).toEqual([
      { key: witnesses[0]!.key, timestamp: 3 },
      { key: witnesses[2]!.key, timestamp: 5 },
    ]);
    expect((await open([logs[1]!, witnesses[0]!, witnesses[1]!], "log2.example")).checkpoint.size).toBe(5);
  });

  test("refuses too few cosignatures, and one witness twice", async () => {
    expect(await errorCode(() => open([logs[0]!, witnesses[0]!]))).toBe("POLICY_UNSATISFIED");
    const note = await signCheckpoint(checkpoint, [logs[0]!, witnesses[0]!]);
    const line = note.split("\n").at(-2);
    expect(await errorCode(() => verifier.openCheckpoint(`${note}${line}\n`))).toBe("POLICY_UNSATISFIED");
  });

  test("a log of the policy signs for its own origin only", async () => {
    expect(await errorCode(() => open([logs[1]!, ...witnesses]))).toBe("NOTE_UNSIGNED");
    expect(await errorCode(() => open([logs[0]!, ...witnesses], "log3.example"))).toBe("ORIGIN_MISMATCH");
  });

  test("a false cosignature of a known witness rejects, with or without the quorum", async () => {
    const stale = await signCheckpoint({ ...checkpoint, size: 4 }, [witnesses[2]!]);
    const note =
      (await signCheckpoint(checkpoint, [logs[0]!, witnesses[0]!, witnesses[1]!])) + stale.split("\n\n")[1];
    expect(await errorCode(() => verifier.openCheckpoint(note))).toBe("SIGNATURE_INVALID");
  });
});
