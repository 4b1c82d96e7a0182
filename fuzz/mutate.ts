/**
 * Deterministic mutation of byte strings: the same seed gives the same inputs, so a failure is repeated by its number.
 */

/** A small fast generator of 32-bit numbers (splitmix32): one word of state, and good low bits, which choices are made of. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  next(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let x = this.#state;
    x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
    x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
    return (x ^ (x >>> 15)) >>> 0;
  }

  below(limit: number): number {
    return limit <= 1 ? 0 : this.next() % limit;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new RangeError("nothing to pick from");
    return item;
  }
}

/** Byte values at which parsers tend to go wrong. */
const EDGE_BYTES = [
  0x00, 0x01, 0x09, 0x0a, 0x0d, 0x20, 0x2b, 0x2d, 0x2f, 0x30, 0x3a, 0x3d, 0x7f, 0x80, 0xc0, 0xff,
];

/** Numbers at which lengths and sizes overflow, as text and as little-endian and big-endian words. */
const EDGE_TOKENS = [
  "0", "-1", "00", "4294967295", "4294967296", "9007199254740991", "9007199254740992", "18446744073709551615",
  "1e309", "NaN", "__proto__", "constructor", "null", "[]", "{}", "\u2014 ", "\n\n", ": ", "\r\n", "..", "/", "\ufeff",
].map((text) => new TextEncoder().encode(text)); // biome-ignore format: a table

const EDGE_WORDS = [
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80],
  [0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x20, 0x00],
  [0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00],
  [0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00],
].map((word) => Uint8Array.from(word));

type Mutation = (input: Uint8Array, random: Random, other: Uint8Array) => Uint8Array;

const MUTATIONS: readonly Mutation[] = [
  function flipBit(input, random) {
    const out = input.slice();
    const at = random.below(out.length);
    if (out.length > 0) out[at] = (out[at] ?? 0) ^ (1 << random.below(8));
    return out;
  },
  function setByte(input, random) {
    const out = input.slice();
    if (out.length > 0) out[random.below(out.length)] = random.pick(EDGE_BYTES);
    return out;
  },
  function removeRange(input, random) {
    const start = random.below(input.length);
    return splice(input, start, 1 + random.below(Math.min(64, input.length - start)), new Uint8Array(0));
  },
  function repeatRange(input, random) {
    const start = random.below(input.length);
    const range = input.subarray(start, start + 1 + random.below(256));
    return splice(input, start, 0, range);
  },
  function insertToken(input, random) {
    return splice(input, random.below(input.length + 1), 0, random.pick(EDGE_TOKENS));
  },
  function overwriteWord(input, random) {
    const word = random.pick(EDGE_WORDS);
    // Length fields of NARs and bundles are aligned; hit them more often than chance would.
    const at = random.below(2) === 0 ? random.below(input.length) : random.below(input.length >>> 3) * 8;
    return splice(input, at, Math.min(word.length, input.length - at), word);
  },
  function truncate(input, random) {
    return input.slice(0, random.below(input.length + 1));
  },
  function cross(input, random, other) {
    return splice(
      input,
      random.below(input.length),
      input.length,
      other.subarray(random.below(other.length)),
    );
  },
];

/**
 * One to four random mutations of `seed`, some of them spliced with `other`.
 * The result is at most `maxBytes` long.
 */
export function mutate(seed: Uint8Array, other: Uint8Array, random: Random, maxBytes = 1 << 16): Uint8Array {
  let input = seed;
  for (let rounds = 1 + random.below(4); rounds > 0; rounds--) {
    input = random.pick(MUTATIONS)(input, random, other);
  }
  return input.length > maxBytes ? input.subarray(0, maxBytes) : input;
}

function splice(input: Uint8Array, start: number, removed: number, inserted: Uint8Array): Uint8Array {
  const tail = input.subarray(Math.min(start + removed, input.length));
  const out = new Uint8Array(start + inserted.length + tail.length);
  out.set(input.subarray(0, start));
  out.set(inserted, start);
  out.set(tail, start + inserted.length);
  return out;
}
