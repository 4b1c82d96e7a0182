// Logs of builders that have built nearly the same things, served from memory over loopback by a process of their own. Claims look
// like those of nixpkgs: five references on average, a deriver and attributes; eight versions of each package.

import { fork } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { formatNixEntry, parseFingerprint } from "@trustix/nix";
import {
  createPrivateKey,
  createSigner,
  deriveVerifierKey,
  encodeUtf8,
  formatCheckpoint,
  formatVerifierKey,
  KEY_TYPE_ED25519,
  signNote,
  TreeBuilder,
} from "@trustix/tlog";

/** Where a log is, as a subscription needs it. Disposing ends its process. */
export interface BuilderLog extends AsyncDisposable {
  readonly address: string;
  readonly origin: string;
  readonly key: string;
}

const ALPHABET = "0123456789abcdfghijklmnpqrsvwxyz";

function nix32(text: string, length: number): string {
  const digest = createHash("sha512").update(text).digest();
  return Array.from({ length }, (_, i) => ALPHABET[digest[i]! % 32]).join("");
}

/** The hash part of path number `n`. */
export const hashPart = (n: number): string => nix32(`path ${n}`, 32);

const nameOf = (n: number): string => `package${n >> 3}-1.${n & 7}`;

/** One path in a hundred differs between builders. */
function entry(n: number, builder: number): Uint8Array {
  const path = (i: number) => `/nix/store/${hashPart(i)}-${nameOf(i)}`;
  const references = [
    ...new Set(Array.from({ length: n % 11 }, (_, i) => path(Math.floor((n * (i + 1)) / 12)))),
  ].sort();
  const output = n % 100 === 0 ? `nar ${n} ${builder}` : `nar ${n}`;
  const statement = `1;${path(n)};sha256:0${nix32(output, 51)};${1000 + n};${references.join(",")}`;
  const deriver = `/nix/store/${nix32(`drv ${n}`, 32)}-${nameOf(n)}.drv`;
  return formatNixEntry(parseFingerprint(statement), {
    deriver: deriver as never,
    system: "x86_64-linux",
    kind: "built",
  });
}

/** Starts the log of a builder with so many claims. */
export async function startBuilderLog(builder: number, claims: number): Promise<BuilderLog> {
  const child = fork(import.meta.filename, {
    env: { ...process.env, SERVE_BUILDER: `${builder}`, SERVE_CLAIMS: `${claims}` },
  });
  const [log] = (await once(child, "message")) as [{ address: string; origin: string; key: string }];
  return {
    ...log,
    [Symbol.asyncDispose]: async () => {
      const exit = once(child, "exit");
      child.disconnect();
      await exit;
    },
  };
}

/** In a process of its own: makes a log and serves it. */
async function serve(builder: number, claims: number): Promise<void> {
  const origin = `builder${builder}.example/log`;
  const key = await createPrivateKey(origin, KEY_TYPE_ED25519);
  const files = new Map<string, Uint8Array>();
  const tree = TreeBuilder.empty();
  for (let start = 0; start < claims; start += 1 << 15) {
    const end = Math.min(claims, start + (1 << 15));
    const batch = Array.from({ length: end - start }, (_, i) => entry(start + i, builder));
    for (const { path, bytes } of tree.append(batch).files) files.set(path, bytes);
  }
  const checkpoint = formatCheckpoint({ origin, size: claims, root: tree.root(), extensions: [] });
  files.set("checkpoint", encodeUtf8(await signNote(checkpoint, [await createSigner(key)])));
  const server = createServer((request, response) => {
    const bytes = files.get(request.url!.slice(1));
    response
      .writeHead(bytes === undefined ? 404 : 200, bytes && { "content-length": bytes.length })
      .end(bytes);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  process.send!({ origin, key: formatVerifierKey(await deriveVerifierKey(key)), address });
  process.on("disconnect", () => process.exit());
}

const { SERVE_BUILDER: builder, SERVE_CLAIMS: claims } = process.env;
if (builder !== undefined && claims !== undefined) await serve(Number(builder), Number(claims));
