import * as fc from "fast-check";
import { expect, test } from "vitest";
import { StoreNames } from "./store-names.ts";

const hash = fc.stringMatching(/^[0-9a-z]{32}$/);
const name = fc.tuple(hash, fc.stringMatching(/^[a-zé.]{1,20}$/)).map(([part, rest]) => `${part}-${rest}`);

test("every name is found by its hash part, and nothing else is", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(name, { maxLength: 60 }), hash, async (present, absent) => {
      const names = new StoreNames(
        { modifiedNs: async () => 1n, names: async () => present },
        () => 10n ** 18n,
      );
      for (const one of present) {
        const part = one.slice(0, 32);
        expect(await names.withHashPart(part)).toEqual(
          present.filter((other) => other.startsWith(part)).sort(),
        );
      }
      if (!present.some((one) => one.startsWith(absent)))
        expect(await names.withHashPart(absent)).toEqual([]);
    }),
  );
});

test("the directory is listed again only when it has changed, once for all who ask", async () => {
  let listings = 0;
  let present = [`${"a".repeat(32)}-x`];
  let modifiedNs = 1n;
  const directory = {
    modifiedNs: async () => modifiedNs,
    names: async () => {
      listings++;
      return present;
    },
  };
  const names = new StoreNames(directory, () => 10n ** 18n);
  for (let i = 0; i < 3; i++) await names.withHashPart("b".repeat(32));
  expect(listings).toBe(1);
  present = [...present, `${"b".repeat(32)}-y`];
  modifiedNs = 2n;
  const found = await Promise.all(Array.from({ length: 20 }, () => names.withHashPart("b".repeat(32))));
  expect(found.every((one) => one[0] === `${"b".repeat(32)}-y`)).toBe(true);
  expect(listings).toBeLessThanOrEqual(3);
});

test("a listing made in the tick of a change is not trusted to be complete", async () => {
  let present: string[] = [];
  const names = new StoreNames({ modifiedNs: async () => 1000n, names: async () => present }, () => 1001n);
  expect(await names.withHashPart("a".repeat(32))).toEqual([]);
  present = [`${"a".repeat(32)}-x`];
  expect(await names.withHashPart("a".repeat(32))).toEqual(present);
});
