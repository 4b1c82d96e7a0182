/** What is fuzzed: every parser of bytes from outside, each with valid inputs to start from. */
import { readFileSync } from "node:fs";
import {
  encodeNar,
  formatNarInfo,
  formatNixEntry,
  NarParser,
  type NarTree,
  NixError,
  parseCacheInfo,
  parseDumpDb,
  parseFingerprint,
  parseHash,
  parseNarInfo,
  parseNarListing,
  parseNixEntry,
  parsePathInfoJson,
  parsePublicKey,
  parseRawEntry,
  parseSignature,
  parseStorePath,
} from "@trustix/nix";
import {
  createVerifier,
  decodeBundle,
  encodeBundle,
  encodeUtf8,
  formatCheckpoint,
  formatNote,
  formatPolicy,
  formatTlogProof,
  parseCheckpoint,
  parseNote,
  parsePolicy,
  parsePrivateKey,
  parseTilePath,
  parseTlogProof,
  parseVerifierKey,
  TlogError,
} from "@trustix/tlog";

export interface FuzzTarget {
  readonly name: string;
  readonly seeds: () => readonly Uint8Array[];
  /** Parses an input, and where it is accepted checks that formatting it and parsing again changes nothing. */
  readonly run: (input: Uint8Array) => void;
}

/** The errors that a parser may throw. */
export function isTypedError(error: unknown): boolean {
  return error instanceof TlogError || error instanceof NixError;
}

/** Raised when an accepted input does not survive formatting; not a typed error, so the fuzzer reports it. */
class RoundTripFailure extends Error {}

function roundTrip<T, V extends T>(value: V, format: (value: T) => string, parse: (text: string) => V): void {
  const text = format(value);
  if (format(parse(text)) !== text) throw new RoundTripFailure(JSON.stringify(text));
}

const text = (input: Uint8Array): string => new TextDecoder("utf-8", { ignoreBOM: true }).decode(input);

/** Every string in a vector file, short and long: whatever the vectors contain is worth starting from. */
function vectorStrings(file: string, pattern: RegExp): Uint8Array[] {
  const found: Uint8Array[] = [];
  const visit = (value: unknown): void => {
    if (typeof value === "string") {
      if (pattern.test(value)) found.push(encodeUtf8(value));
    } else if (typeof value === "object" && value !== null) {
      Object.values(value).forEach(visit);
    }
  };
  visit(vectors(file));
  if (found.length === 0) throw new RangeError(`no seeds in vectors/${file}`);
  return found;
}

function vectors(file: string): Record<string, unknown> {
  return JSON.parse(readFileSync(new URL(`../vectors/${file}`, import.meta.url), "utf8"));
}

const TREES: readonly NarTree[] = [
  { type: "regular", contents: encodeUtf8("hello\n") },
  { type: "regular", executable: true, contents: new Uint8Array(0) },
  { type: "symlink", target: "../elsewhere" },
  {
    type: "directory",
    entries: [
      ["a", { type: "regular", executable: true, contents: new Uint8Array(300) }],
      ["b", { type: "directory", entries: [] }],
      ["c", { type: "symlink", target: "a" }],
    ],
  },
];

function narSeeds(): Uint8Array[] {
  // Not a Buffer: its slice() would be a view, and a mutation would change the seed.
  return TREES.map((tree) => Uint8Array.from(Buffer.concat([...encodeNar(tree)])));
}

/** Feeds the parser in chunks whose cuts depend on the input, so that every cut is tried sooner or later. */
function parseNarInChunks(input: Uint8Array): void {
  let open = 0;
  const parser = new NarParser({
    openDirectory: () => void open++,
    closeDirectory: () => void open--,
    openFile: () => void open++,
    contents: () => {},
    closeFile: () => void open--,
    symlink: () => {},
  });
  const step = 1 + ((input[input.length >> 1] ?? 0) % 61);
  for (let at = 0; at < input.length; at += step) parser.write(input.subarray(at, at + step));
  parser.end();
  if (open !== 0) throw new RoundTripFailure("directories or files left open");
}

export const TARGETS: readonly FuzzTarget[] = [
  {
    name: "note",
    seeds: () => vectorStrings("tlog/signed-note.json", /\u2014 /),
    run(input) {
      roundTrip(parseNote(input), formatNote, parseNote);
    },
  },
  {
    name: "checkpoint",
    seeds: () => vectorStrings("tlog/checkpoint.json", /\n/),
    run(input) {
      roundTrip(parseCheckpoint(text(input)), formatCheckpoint, parseCheckpoint);
    },
  },
  {
    name: "key",
    seeds: () => vectorStrings("tlog/keys.json", /\+/),
    run(input) {
      const key = text(input);
      if (key.startsWith("PRIVATE")) parsePrivateKey(key);
      else createVerifier(parseVerifierKey(key));
    },
  },
  {
    name: "tlog-proof",
    seeds: () => vectorStrings("tlog/tlog-proof.json", /^c2sp.org/),
    run(input) {
      roundTrip(parseTlogProof(input), formatTlogProof, (again) => parseTlogProof(again));
    },
  },
  {
    name: "tlog-policy",
    seeds: () => vectorStrings("tlog/tlog-policy.json", /\n/),
    run(input) {
      roundTrip(parsePolicy(input), formatPolicy, parsePolicy);
    },
  },
  {
    name: "tile path",
    seeds: () => vectorStrings("tlog/go-tiles.json", /^tile\//),
    run(input) {
      parseTilePath(text(input));
    },
  },
  {
    name: "entry bundle",
    seeds: () => [
      encodeBundle([encodeUtf8("one"), new Uint8Array(0), new Uint8Array(300)]),
      encodeBundle(Array.from({ length: 255 }, (_, index) => encodeUtf8(`entry ${index}`))),
    ],
    run(input) {
      // The width comes from the path, not from the bytes; both seeds' widths are tried on everything.
      const width = input.length < 1024 ? 3 : 255;
      if (Buffer.compare(encodeBundle(decodeBundle(input, width)), input) !== 0)
        throw new RoundTripFailure("bundle");
    },
  },
  {
    name: "narinfo",
    seeds: () => vectorStrings("nix/narinfo.json", /StorePath/),
    run(input) {
      roundTrip(parseNarInfo(input), formatNarInfo, parseNarInfo);
    },
  },
  {
    name: "NAR",
    seeds: narSeeds,
    run: parseNarInChunks,
  },
  {
    name: "NAR listing",
    seeds: () =>
      [
        '{"version":1,"root":{"type":"directory","entries":{"a":{"type":"regular","size":3,"executable":true,"narOffset":400}}}}',
        '{"version":1,"root":{"type":"symlink","target":"x"}}',
      ].map(encodeUtf8),
    run(input) {
      parseNarListing(text(input));
    },
  },
  {
    name: "path-info",
    seeds: () => {
      const { shapes } = vectors("nix/path-info.json") as { shapes: { json: unknown }[] };
      return shapes.map((shape) => encodeUtf8(JSON.stringify(shape.json)));
    },
    run(input) {
      parsePathInfoJson(input);
    },
  },
  {
    name: "dump-db",
    seeds: () => {
      const { dumpDb } = vectors("nix/made-with-nix.json") as { dumpDb: { output: string } };
      return [encodeUtf8(dumpDb.output)];
    },
    run(input) {
      parseDumpDb(input);
    },
  },
  {
    name: "nix-cache-info",
    seeds: () => vectorStrings("nix/cache-info.json", /:/),
    run(input) {
      parseCacheInfo(input);
    },
  },
  {
    name: "nix entry",
    seeds: () => vectorStrings("nix/protocols.json", /^1;/),
    run(input) {
      const { statement, ...attributes } = parseNixEntry(input);
      const { references } = statement;
      if (references === undefined) return; // only their digest is here, so there is nothing to format
      const again = formatNixEntry({ ...statement, references }, attributes);
      if (Buffer.compare(again, input) !== 0) throw new RoundTripFailure("nix entry");
    },
  },
  {
    name: "raw entry",
    seeds: () => vectorStrings("nix/protocols.json", /^1 [=x#]/),
    run(input) {
      parseRawEntry(input);
    },
  },
  {
    name: "Nix strings",
    seeds: () => [
      ...vectorStrings("nix/hashes.json", /sha/),
      ...vectorStrings("nix/path-info.json", /^1;/),
      encodeUtf8("cache.example.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="),
    ],
    run(input) {
      const string = text(input);
      for (const parse of [parseHash, parseFingerprint, parsePublicKey, parseSignature, parseStorePath]) {
        try {
          parse(string);
        } catch (error) {
          if (!isTypedError(error)) throw error;
        }
      }
    },
  },
];
