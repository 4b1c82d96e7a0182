import { encodeUtf8 } from "@trustix/tlog";
import { expect, test } from "vitest";
import { CheckFailed } from "./check.ts";
import { checkShown, type Shown, statedPath } from "./shown.ts";

const HASH = "a".repeat(32);
const statement = `1;/nix/store/${HASH}-hello;sha256:${"0".repeat(52)};120;`;
const attributes = { system: "x86_64-linux", kind: "imported", sig: "one:AA==\ntwo:AA==" };
const entry = encodeUtf8(`${statement}\nsystem x86_64-linux\nkind imported\nsig one:AA==\nsig two:AA==\n`);

test("an entry with several attributes of one name is what is shown of it", () => {
  expect(checkShown(entry, { statement, hashPart: HASH, attributes })).toBe("Byte for byte.");
});

test("another name under the same hash part is the builder's doing, and no lie of the node", () => {
  const other = statement.replace("-hello", "-goodbye");
  expect(checkShown(encodeUtf8(`${other}\n`), { statement: other, hashPart: HASH })).toBe("Byte for byte.");
  expect(statedPath(other)).toBe(`/nix/store/${HASH}-goodbye`);
});

test.each<[string, Shown]>([
  ["another statement", { statement: statement.replace(";120;", ";121;") }],
  ["a part of the statement", { statement: statement.slice(0, -1) }],
  ["another path", { statement, hashPart: "b".repeat(32) }],
  ["a longer hash part", { statement, hashPart: `${HASH}-hello` }],
  ["one attribute less", { statement, attributes: { system: "x86_64-linux", sig: attributes.sig } }],
  ["one of several less", { statement, attributes: { ...attributes, sig: "one:AA==" } }],
  ["another value", { statement, attributes: { ...attributes, kind: "built" } }],
  ["one more", { statement, attributes: { ...attributes, deriver: "x.drv" } }],
  ["the statement as an attribute", { statement, attributes: { ...attributes, "": statement } }],
])("%s is refused", (_, shown) => {
  expect(() => checkShown(entry, shown)).toThrow(CheckFailed);
});

test("a statement that the node does not show is told, and cannot steer the text", () => {
  const found = checkShown(encodeUtf8("1;\u202eevil\nkind built\n"), { statement: null });
  expect(found).toContain("It begins: 1;\\u{202e}evil");
});
