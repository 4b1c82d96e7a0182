/**
 * Trees, logs and the small texts around them: how fast, against plain hashing in the same run.
 *
 *     node --conditions=@trustix/source bench/tlog.ts [--entries 1000000]
 *
 * Rounds alternate and the best of each counts, because machines pause but never run ahead of themselves.
 * Goals: node hashes 2.5x createHash; append and full verification 400,000 entries/s each.
 */
import { createHash } from "node:crypto";
import { parseArgs } from "node:util";
import { formatNarInfo, nixProtocol, parseNarInfo } from "@trustix/nix";
import {
  createScalarHasher,
  createWasmHasher,
  emptyRoot,
  type Hasher,
  readEntries,
  type TileSource,
  TreeBuilder,
  type TreeHead,
  verifyLog,
} from "@trustix/tlog";
import { createNodeHasher } from "@trustix/tlog/node";
import { bestOf, printTable, type Row } from "./lib/measure.ts";

const { values } = parseArgs({ options: { entries: { type: "string", default: "1000000" } } });
const ENTRIES = Number(values.entries);
const ENTRY_BYTES = 200;
const BATCH = 4096;
const NODES = 1 << 17;

const engines: readonly (readonly [string, Hasher | undefined])[] = [
  ["WebAssembly (default)", createWasmHasher()],
  ["node:crypto", createNodeHasher()],
  ["plain TypeScript", createScalarHasher()],
];

async function nodeHashes(): Promise<Row[]> {
  const src = Buffer.alloc(NODES * 64, "0123456789abcdef");
  const dst = Buffer.alloc(NODES * 32);
  const node = Buffer.alloc(65, 1);
  const tasks = new Map<string, () => void>([
    [
      "createHash().update().digest()",
      () => {
        for (let at = 0; at < NODES; at++) {
          src.copy(node, 1, at * 64, at * 64 + 64);
          createHash("sha256").update(node).digest();
        }
      },
    ],
  ]);
  for (const [name, hasher] of engines) {
    if (hasher !== undefined) tasks.set(name, () => hasher.hashNodes(src, dst, NODES));
  }
  return bestOf(tasks, { rounds: 9, work: NODES, unit: "node hashes/s" });
}

async function trees(): Promise<Row[]> {
  const entries = Array.from({ length: ENTRIES }, (_, index) => Buffer.alloc(ENTRY_BYTES, `entry ${index} `));
  const files = new Map<string, Uint8Array>();
  const source: TileSource = { fetch: async (path) => files.get(path) };
  let head: TreeHead = { size: 0, root: emptyRoot() };
  const tasks = new Map<string, () => unknown>([
    [
      `createHash of each ${ENTRY_BYTES}-byte entry`,
      () => {
        for (const entry of entries) createHash("sha256").update(entry).digest();
      },
    ],
    [
      `append in batches of ${BATCH}`,
      () => {
        files.clear();
        const builder = TreeBuilder.empty();
        for (let start = 0; start < ENTRIES; start += BATCH) {
          const batch = builder.append(entries.slice(start, start + BATCH));
          for (const file of batch.files) files.set(file.path, file.bytes);
          head = { size: batch.size, root: batch.root };
        }
      },
    ],
    ["verifyLog: every tile and entry", () => verifyLog({ checkpoint: head, source })],
    [
      "readEntries: every entry, proven",
      async () => {
        for await (const chunk of readEntries({ checkpoint: head, source })) void chunk;
      },
    ],
  ]);
  return bestOf(tasks, { rounds: 5, work: ENTRIES, unit: "entries/s" });
}

async function texts(): Promise<Row[]> {
  const narinfo = `StorePath: /nix/store/jyjnr2xw3w2la9rb12y0nb51s88g69j3-app-2.0
URL: nar/1h504g6x1l9773j02ik8317hnx8g2si41n7fv1qgb6zfk7gsqanr.nar.xz
Compression: xz
FileHash: sha256:1h504g6x1l9773j02ik8317hnx8g2si41n7fv1qgb6zfk7gsqanr
FileSize: 50088
NarHash: sha256:1h504g6x1l9773j02ik8317hnx8g2si41n7fv1qgb6zfk7gsqanr
NarSize: 226552
References: bb28bdwl1iin61fix4fl4znyih6an6lp-glibc-2.40 jyjnr2xw3w2la9rb12y0nb51s88g69j3-app-2.0
Deriver: dxhamvh6vay54wbwpndjipk8b5618lp0-app-2.0.drv
Sig: cache.example.org-1:mdIWRMlMLxINtBlpAQPBT4ZZMb67UhWzFX5B7Q9XvnyXFZKYLzPm4U5Enucrw+sF9J8B987juvwCfMMgq2fKAA==
`;
  const info = parseNarInfo(narinfo);
  const protocol = nixProtocol();
  const entry = Buffer.from(
    "1;/nix/store/jyjnr2xw3w2la9rb12y0nb51s88g69j3-app-2.0;sha256:1h504g6x1l9773j02ik8317hnx8g2si41n7fv1qgb6zfk7gsqanr;280;/nix/store/bb28bdwl1iin61fix4fl4znyih6an6lp-glibc-2.40,/nix/store/jyjnr2xw3w2la9rb12y0nb51s88g69j3-app-2.0\nderiver dxhamvh6vay54wbwpndjipk8b5618lp0-app-2.0.drv\nsystem x86_64-linux\nkind built\n",
  );
  const COUNT = 50_000;
  const repeat = (work: () => unknown) => () => {
    for (let times = 0; times < COUNT; times++) work();
  };
  const tasks = new Map([
    ["createHash of the narinfo's bytes", repeat(() => createHash("sha256").update(narinfo).digest())],
    ["narinfo: parse", repeat(() => parseNarInfo(narinfo))],
    ["narinfo: format", repeat(() => formatNarInfo(info))],
    ["narinfo: parse and format", repeat(() => formatNarInfo(parseNarInfo(narinfo)))],
    ["claim entry: parse, with map key", repeat(() => protocol.parseEntry(entry))],
  ]);
  return bestOf(tasks, { rounds: 9, work: COUNT, unit: "texts/s" });
}

printTable("Node hashes (RFC 6962, 65 bytes)", await nodeHashes());
printTable(`Logs of ${ENTRIES} entries of ${ENTRY_BYTES} bytes, in memory`, await trees());
printTable("Texts", await texts());
