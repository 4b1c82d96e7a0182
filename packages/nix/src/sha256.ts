/**
 * SHA-256 (FIPS 180-4) in plain TypeScript, synchronous, for the small inputs of this package (map keys, store
 * paths, reference digests) in any runtime. For big data on Node pass `createHash("sha256")` where a
 * `StreamingHash` is asked for: it has the same shape and is many times faster.
 */

/** A hash in progress. Node's `createHash(…)` is one. */
export interface StreamingHash {
  /** Takes more bytes; they may be reused by the caller afterwards. */
  update(bytes: Uint8Array): unknown;
  /** The digest of everything so far. To be called once, last. */
  digest(): Uint8Array;
}

/** First 32 bits of the fractional parts of `root(p)` for the first `count` primes, computed exactly. */
function fractionsOfPrimes(count: number, root: 2n | 3n): Int32Array {
  const words = new Int32Array(count);
  let found = 0;
  for (let candidate = 2; found < count; candidate++) {
    let isPrime = true;
    for (let i = 2; i * i <= candidate; i++) if (candidate % i === 0) isPrime = false;
    if (!isPrime) continue;
    // floor(root(p) * 2^32) is the integer root of p * 2^(32 * root); below 2^36 for these primes.
    const target = BigInt(candidate) << (32n * root);
    let low = 0n;
    for (let bit = 1n << 36n; bit > 0n; bit >>= 1n) if ((low + bit) ** root <= target) low += bit;
    words[found++] = Number(BigInt.asIntN(32, low));
  }
  return words;
}

const INITIAL = /* @__PURE__ */ fractionsOfPrimes(8, 2n);
const ROUND = /* @__PURE__ */ fractionsOfPrimes(64, 3n);

/**
 * Mixes the 64 bytes at an offset into the state. `w` is scratch: the last 16 words of the message schedule, so small
 * that engines keep it on their fast heap.
 */
function compress(state: Int32Array, w: Int32Array, bytes: Uint8Array, offset: number): void {
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  let e = state[4]!;
  let f = state[5]!;
  let g = state[6]!;
  let h = state[7]!;
  for (let i = 0; i < 64; i++) {
    let word: number;
    if (i < 16) {
      const p = offset + 4 * i;
      word = (bytes[p]! << 24) | (bytes[p + 1]! << 16) | (bytes[p + 2]! << 8) | bytes[p + 3]!;
    } else {
      const x = w[(i + 1) & 15]!;
      const y = w[(i + 14) & 15]!;
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      word = (w[i & 15]! + s0 + w[(i + 9) & 15]! + s1) | 0;
    }
    w[i & 15] = word;
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + (g ^ (e & (f ^ g))) + ROUND[i]! + word) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) | (c & (a | b)))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  state[0] = state[0]! + a;
  state[1] = state[1]! + b;
  state[2] = state[2]! + c;
  state[3] = state[3]! + d;
  state[4] = state[4]! + e;
  state[5] = state[5]! + f;
  state[6] = state[6]! + g;
  state[7] = state[7]! + h;
}

/** Mixes in the last bytes of a message, from an offset on, with padding and length, and gives the digest. */
function finish(
  state: Int32Array,
  w: Int32Array,
  bytes: Uint8Array,
  offset: number,
  totalLength: number,
): Uint8Array {
  const block = new Uint8Array(64);
  let length = totalLength % 64;
  for (let i = 0; i < length; i++) block[i] = bytes[offset + i]!;
  block[length++] = 0x80;
  if (length > 56) {
    compress(state, w, block, 0);
    block.fill(0);
  }
  // The length in bits is below 2^56: its high word holds the bits above 2^32.
  const high = Math.floor(totalLength / 2 ** 29);
  const low = totalLength << 3;
  for (let i = 0; i < 4; i++) {
    block[56 + i] = high >>> (24 - 8 * i);
    block[60 + i] = low >>> (24 - 8 * i);
  }
  compress(state, w, block, 0);
  const digest = new Uint8Array(32);
  for (let i = 0; i < 32; i++) digest[i] = state[i >> 2]! >>> (24 - 8 * (i & 3));
  return digest;
}

/** SHA-256 in progress, pure TypeScript. */
export class Sha256 implements StreamingHash {
  readonly #state = new Int32Array(INITIAL);
  readonly #schedule = new Int32Array(16);
  readonly #block = new Uint8Array(64);
  #totalLength = 0;

  update(bytes: Uint8Array): this {
    const filled = this.#totalLength % 64;
    this.#totalLength += bytes.length;
    let offset = 0;
    if (filled > 0) {
      offset = Math.min(64 - filled, bytes.length);
      this.#block.set(bytes.subarray(0, offset), filled);
      if (filled + offset < 64) return this;
      compress(this.#state, this.#schedule, this.#block, 0);
    }
    for (; offset + 64 <= bytes.length; offset += 64) compress(this.#state, this.#schedule, bytes, offset);
    this.#block.set(bytes.subarray(offset));
    return this;
  }

  digest(): Uint8Array {
    return finish(this.#state, this.#schedule, this.#block, 0, this.#totalLength);
  }
}

/** SHA-256 of bytes: 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  const state = new Int32Array(INITIAL);
  const schedule = new Int32Array(16);
  const whole = bytes.length - (bytes.length % 64);
  for (let offset = 0; offset < whole; offset += 64) compress(state, schedule, bytes, offset);
  return finish(state, schedule, bytes, whole, bytes.length);
}
