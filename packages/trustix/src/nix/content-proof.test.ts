import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type ContentAddress,
  type ContentAddressMethod,
  contentAddressedPath,
  type HashAlgorithm,
  parseStoreDir,
  type StorePath,
} from "@trustix/nix";
import { dumpPathTo, hashPath } from "@trustix/nix/fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { provesContents, type RegisteredContent } from "./content-proof.ts";

let root: string;
let storeDir: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "trustix-content-"));
  storeDir = parseStoreDir(join(root, "store"));
  await mkdir(storeDir);
});
afterAll(() => rm(root, { recursive: true }));

const TEXT = "what is in it\n".repeat(1000);

async function narHashBy(path: string, algorithm: string): Promise<Uint8Array> {
  const hash = createHash(algorithm);
  await dumpPathTo(path, (chunk) => void hash.update(chunk));
  return hash.digest();
}

/** A path of the store whose name follows from its contents, as Nix would make it. */
async function add(
  method: Exclude<ContentAddressMethod, "git">,
  algorithm: Exclude<HashAlgorithm, "blake3">,
  references: readonly StorePath[] = [],
): Promise<RegisteredContent> {
  const draft = join(root, "draft");
  await rm(draft, { recursive: true, force: true });
  if (method === "nar") {
    await mkdir(draft);
    await writeFile(join(draft, "run"), TEXT, { mode: 0o755 });
    await symlink("run", join(draft, "link"));
  } else await writeFile(draft, TEXT);
  const bytes =
    method === "nar" ? await narHashBy(draft, algorithm) : createHash(algorithm).update(TEXT).digest();
  const contentAddress: ContentAddress = { method, hash: { algorithm, bytes } };
  const storePath = contentAddressedPath(contentAddress, "thing", { references, storeDir });
  await rm(storePath, { recursive: true, force: true });
  if (method === "nar") {
    await mkdir(storePath);
    await writeFile(join(storePath, "run"), TEXT, { mode: 0o755 });
    await symlink("run", join(storePath, "link"));
  } else await writeFile(storePath, TEXT);
  const { sha256, sizeBytes } = await hashPath(storePath);
  const narHash = { algorithm: "sha256", bytes: sha256 } as const;
  return { storePath, narHash, narSize: sizeBytes, references, contentAddress };
}

const FORMS = [
  ["nar", "sha256"],
  ["nar", "sha512"],
  ["nar", "sha1"],
  ["nar", "md5"],
  ["flat", "sha256"],
  ["flat", "sha512"],
  ["flat", "sha1"],
  ["flat", "md5"],
  ["text", "sha256"],
] as const;

describe.each(FORMS)("a path addressed by %s and %s", (method, algorithm) => {
  test("is proven by its name", async () => {
    expect(await provesContents(await add(method, algorithm))).toBe(true);
  });

  test("is not, when anything is not as registered", async () => {
    const info = await add(method, algorithm);
    const other = { algorithm: "sha256", bytes: new Uint8Array(32) } as const;
    const { hash } = info.contentAddress!;
    const wrong: readonly RegisteredContent[] = [
      { ...info, narHash: other },
      { ...info, contentAddress: undefined },
      { ...info, contentAddress: { method, hash: { ...hash, bytes: hash.bytes.toReversed() } } },
      { ...info, storePath: info.storePath.replace(/thing$/, "thong") as StorePath },
      { ...info, references: [info.storePath] },
    ];
    for (const each of wrong) expect(await provesContents(each)).toBe(false);
  });
});

test.each(FORMS.slice(1))("a path addressed by %s and %s is read", async (method, algorithm) => {
  const info = await add(method, algorithm);
  expect(await provesContents({ ...info, narSize: info.narSize + 8 })).toBe(false);
  if (method === "nar") await chmod(join(info.storePath, "run"), 0o644);
  else await writeFile(info.storePath, `${TEXT}.`);
  const { sha256, sizeBytes } = await hashPath(info.storePath);
  const changed = { ...info, narHash: { algorithm: "sha256", bytes: sha256 } as const, narSize: sizeBytes };
  // The store's database was changed together with the contents.
  expect(await provesContents(changed)).toBe(false);
  await rm(info.storePath, { recursive: true });
  expect(await provesContents(info)).toBe(false);
});

test("a text may refer to other paths", async () => {
  const other = await add("flat", "sha256");
  expect(await provesContents(await add("text", "sha256", [other.storePath]))).toBe(true);
});

test("a flat file that may be executed is another thing than its hash says", async () => {
  const info = await add("flat", "sha256");
  await chmod(info.storePath, 0o755);
  const { sha256, sizeBytes } = await hashPath(info.storePath);
  const narHash = { algorithm: "sha256", bytes: sha256 } as const;
  expect(await provesContents({ ...info, narHash, narSize: sizeBytes })).toBe(false);
});
