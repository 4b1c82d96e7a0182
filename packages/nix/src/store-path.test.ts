import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeUtf8 } from "./encoding.ts";
import { compareNarNames } from "./nar/format.ts";
import {
  baseNameOf,
  hashPartOf,
  isDerivationPath,
  isHashPart,
  isStorePath,
  nameOf,
  parseBaseName,
  parseStoreDir,
  parseStoreName,
  parseStorePath,
  sortReferences,
  storeDirOf,
} from "./store-path.ts";
import { expectNixError, loadVectors, madeWithNix, storePath, tryParse } from "./support.test.util.ts";

interface Table {
  readonly accepted: readonly string[];
  readonly refused: readonly string[];
}
const vectors = loadVectors<{ names: Table; paths: Pick<Table, "refused">; storeDirs: Table }>(
  "store-paths.json",
);
const HASH_PART = "00bgd045z0d4icpbc2yyz4gx48ak44la";

describe("store paths", () => {
  it("have the names that Nix allows", () => {
    for (const name of vectors.names.accepted) {
      const path = parseStorePath(`/nix/store/${HASH_PART}-${name}`);
      expect(isStorePath(path)).toBe(true);
      expect(parseBaseName(`${HASH_PART}-${name}`)).toBe(path);
      expect(parseStoreName(name)).toBe(name);
      expect(nameOf(path)).toBe(name);
      expect(hashPartOf(path)).toBe(HASH_PART);
      expect(baseNameOf(path)).toBe(`${HASH_PART}-${name}`);
      expect(storeDirOf(path)).toBe("/nix/store");
      expect(isDerivationPath(path)).toBe(name.endsWith(".drv"));
    }
  });

  it("have no other names", () => {
    for (const name of vectors.names.refused) {
      expectNixError(() => parseStoreName(name), "STORE_PATH_INVALID");
      expectNixError(() => parseStorePath(`/nix/store/${HASH_PART}-${name}`), "STORE_PATH_INVALID");
      expectNixError(() => parseBaseName(`${HASH_PART}-${name}`), "STORE_PATH_INVALID");
      expect(isStorePath(`/nix/store/${HASH_PART}-${name}`)).toBe(false);
    }
  });

  it("are refused when malformed", () => {
    for (const path of vectors.paths.refused) {
      expectNixError(() => parseStorePath(path), "STORE_PATH_INVALID");
      expect(isStorePath(path)).toBe(false);
    }
  });

  it("may be in another store directory", () => {
    for (const storeDir of vectors.storeDirs.accepted) {
      const path = `${parseStoreDir(storeDir)}/${HASH_PART}-a`;
      expect(parseStorePath(path, storeDir)).toBe(path);
      expect(parseBaseName(`${HASH_PART}-a`, storeDir)).toBe(path);
      expect(isStorePath(path)).toBe(storeDir === "/nix/store");
    }
    for (const storeDir of vectors.storeDirs.refused)
      expectNixError(() => parseStoreDir(storeDir), "STORE_PATH_INVALID");
    expectNixError(() => parseStoreDir("/a".repeat(1000)), "STORE_PATH_INVALID");
  });

  it("are what Nix made", () => {
    for (const { path, name } of madeWithNix.contentAddressed)
      expect(nameOf(parseStorePath(path))).toBe(name);
  });

  it("tell hash parts", () => {
    expect(isHashPart(HASH_PART)).toBe(true);
    for (const text of [
      "",
      HASH_PART.slice(1),
      `${HASH_PART}0`,
      HASH_PART.replace("b", "e"),
      HASH_PART.toUpperCase(),
    ]) {
      expect(isHashPart(text)).toBe(false);
    }
  });

  it("come apart and together again", () => {
    fc.assert(
      fc.property(storePath, (path) => {
        expect(parseBaseName(baseNameOf(path))).toBe(path);
        expect(`${storeDirOf(path)}/${hashPartOf(path)}-${nameOf(path)}`).toBe(path);
        expect(isHashPart(hashPartOf(path))).toBe(true);
      }),
    );
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        tryParse(() => parseStorePath(text));
        tryParse(() => parseBaseName(text));
        tryParse(() => parseStoreDir(text));
      }),
    );
  });

  it("are sorted bytewise, each once, as references", () => {
    fc.assert(
      fc.property(fc.array(storePath, { maxLength: 8 }), (paths) => {
        const sorted = sortReferences([...paths, ...paths]);
        const unique = [...new Set(paths)].sort((a, b) => compareNarNames(encodeUtf8(a), encodeUtf8(b)));
        expect(sorted).toEqual(unique);
        expect(sortReferences(sorted)).toBe(sorted);
      }),
    );
  });
});
