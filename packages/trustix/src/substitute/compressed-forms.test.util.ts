// The ways to write a NAR compressed, beyond one frame and nothing else: which of them are the NAR is a matter of what Nix
// makes of them. docs/substituter.md has the table.
import { constants, zstdCompressSync } from "node:zlib";
import { COMPRESS } from "./caches.test.util.ts";

/** One way to write a NAR. */
export interface CompressedForm {
  readonly compression: string;
  readonly name: string;
  /** What every release of Nix in our tests does with it; `breaks`: one of them never ends, or is aborted, now and then at least. */
  readonly nix: "takes" | "refuses" | "breaks";
  /** Whether a node passes it on. */
  readonly isVerified: boolean;
  /** The file, in the parts that it is made of. The NAR has 4,000 bytes or more. */
  readonly write: (nar: Buffer) => readonly Buffer[];
}

/** A skippable frame of zstd. */
export function skippableFrame(size: number, kind = 0): Buffer {
  const frame = Buffer.alloc(8 + size, 0x28);
  frame.writeUInt32LE(0x184d2a50 + kind, 0);
  frame.writeUInt32LE(size, 4);
  return frame;
}

/** What zstd writes with its option `--check`. */
const zstdChecked = (data: Uint8Array): Buffer =>
  zstdCompressSync(data, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });

type Write = CompressedForm["write"];
type Row = readonly [name: string, write: Write];

/** Forms that each compression has. */
function partsOf(compression: string): Readonly<Record<string, Write>> {
  const pack = COMPRESS[compression]!;
  const empty = pack(Buffer.alloc(0));
  const two = (nar: Buffer): readonly [Buffer, Buffer] => [
    pack(nar.subarray(0, 2000)),
    pack(nar.subarray(2000)),
  ];
  return {
    "one part": (nar) => [pack(nar)],
    "two parts": two,
    "a part that ends in the first word of the NAR": (nar) => [
      pack(nar.subarray(0, 10)),
      pack(nar.subarray(10)),
    ],
    "an empty part first": (nar) => [empty, pack(nar)],
    "an empty part last": (nar) => [pack(nar), empty],
    "other bytes after it": (nar) => [pack(nar), Buffer.from("trailing")],
    "one zero after it": (nar) => [pack(nar), Buffer.alloc(1)],
    "four zeros after it": (nar) => [pack(nar), Buffer.alloc(4)],
    "100,000 zeros after it": (nar) => [pack(nar), Buffer.alloc(100_000)],
    "eight zeros between two parts": (nar) => [two(nar)[0], Buffer.alloc(8), two(nar)[1]],
    "four zeros before it": (nar) => [Buffer.alloc(4), pack(nar)],
    "an unfinished part after it": (nar) => [pack(nar), empty.subarray(0, -1)],
    "a second part that is cut off": (nar) => [two(nar)[0], two(nar)[1].subarray(0, -1)],
    "a second part in another compression": (nar) => [
      two(nar)[0],
      COMPRESS[compression === "gzip" ? "zstd" : "gzip"]!(nar.subarray(2000)),
    ],
    "no part": () => [],
    "an empty part only": () => [empty],
  };
}

function rows(
  compression: string,
  nix: CompressedForm["nix"],
  isVerified: boolean,
  names: readonly (string | Row)[],
): readonly CompressedForm[] {
  const parts = partsOf(compression);
  return names.map((row) => {
    const [name, write] = typeof row === "string" ? ([row, parts[row]!] as const) : row;
    return { compression, name, nix, isVerified, write };
  });
}

const SAME = [
  "one part",
  "two parts",
  "a part that ends in the first word of the NAR",
  "an empty part first",
  "an empty part last",
];
const BROKEN = ["four zeros before it", "a second part that is cut off", "no part", "an empty part only"];
const zstd = COMPRESS.zstd!;
const br = COMPRESS.br!;

/** All forms. */
export const COMPRESSED_FORMS: readonly CompressedForm[] = [
  ...rows("zstd", "takes", true, [
    ...SAME,
    ["checksums", (nar) => [zstdChecked(nar.subarray(0, 3000)), zstdChecked(nar.subarray(3000))]],
    ["a skippable frame first", (nar) => [skippableFrame(4), zstd(nar)]],
    [
      "a skippable frame before each, as pzstd writes it",
      (nar) => [skippableFrame(4), zstd(nar.subarray(0, 2000)), skippableFrame(4), zstd(nar.subarray(2000))],
    ],
    [
      "a skippable frame between",
      (nar) => [zstd(nar.subarray(0, 2000)), skippableFrame(9, 15), zstd(nar.subarray(2000))],
    ],
    ["an empty skippable frame last", (nar) => [zstd(nar), skippableFrame(0)]],
    ["a large skippable frame last", (nar) => [zstd(nar), skippableFrame(60_000)]],
  ]),
  ...rows("zstd", "refuses", false, [
    ...BROKEN,
    "other bytes after it",
    "one zero after it",
    "four zeros after it",
    "100,000 zeros after it",
    "eight zeros between two parts",
    "an unfinished part after it",
    "a second part in another compression",
    ["a skippable frame that is cut off", (nar) => [zstd(nar), skippableFrame(40).subarray(0, 20)]],
    ["a skippable frame only", () => [skippableFrame(40)]],
  ]),
  ...rows("xz", "takes", true, [...SAME, "four zeros after it", "eight zeros between two parts"]),
  ...rows("xz", "refuses", false, [
    ...BROKEN,
    "other bytes after it",
    "one zero after it",
    "an unfinished part after it",
    "a second part in another compression",
  ]),
  ...rows("gzip", "takes", true, SAME),
  ...rows("gzip", "refuses", false, [...BROKEN, "an unfinished part after it"]),
  ...rows("gzip", "breaks", false, [
    "other bytes after it",
    "one zero after it",
    "four zeros after it",
    "100,000 zeros after it",
    "eight zeros between two parts",
    "a second part in another compression",
  ]),
  ...rows("br", "takes", true, ["one part"]),
  ...rows("br", "takes", false, [
    "an empty part last",
    "other bytes after it",
    "one zero after it",
    "four zeros after it",
    "100,000 zeros after it",
  ]),
  ...rows("br", "refuses", false, [
    "two parts",
    "a part that ends in the first word of the NAR",
    "an empty part first",
    "eight zeros between two parts",
    "four zeros before it",
    "a second part that is cut off",
    "a second part in another compression",
    "an empty part only",
  ]),
  ...rows("br", "breaks", false, ["no part", ["its last byte missing", (nar) => [br(nar).subarray(0, -1)]]]),
];
