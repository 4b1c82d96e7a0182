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

/** SHA-256 in progress, pure TypeScript. */
export class Sha256 implements StreamingHash {
  readonly #state = INITIAL.slice();
  readonly #schedule = new Int32Array(64);
  readonly #block = new Uint8Array(64);
  #blockLength = 0;
  #totalLength = 0;

  update(bytes: Uint8Array): this {
    this.#totalLength += bytes.length;
    let offset = 0;
    if (this.#blockLength > 0) {
      offset = Math.min(64 - this.#blockLength, bytes.length);
      this.#block.set(bytes.subarray(0, offset), this.#blockLength);
      this.#blockLength += offset;
      if (this.#blockLength < 64) return this;
      this.#compress(this.#block, 0);
      this.#blockLength = 0;
    }
    for (; offset + 64 <= bytes.length; offset += 64) this.#compress(bytes, offset);
    for (; offset < bytes.length; offset++) this.#block[this.#blockLength++] = bytes[offset]!;
    return this;
  }

  digest(): Uint8Array {
    const bits = this.#totalLength * 8;
    this.#block[this.#blockLength++] = 0x80;
    if (this.#blockLength > 56) {
      this.#block.fill(0, this.#blockLength);
      this.#compress(this.#block, 0);
      this.#blockLength = 0;
    }
    this.#block.fill(0, this.#blockLength);
    const view = new DataView(this.#block.buffer);
    view.setUint32(56, Math.floor(bits / 2 ** 32));
    view.setUint32(60, bits % 2 ** 32);
    this.#compress(this.#block, 0);
    const digest = new Uint8Array(32);
    const out = new DataView(digest.buffer);
    for (let i = 0; i < 8; i++) out.setInt32(4 * i, this.#state[i]!);
    return digest;
  }

  #compress(bytes: Uint8Array, offset: number): void {
    const w = this.#schedule;
    for (let i = 0, p = offset; i < 16; i++, p += 4) {
      w[i] = (bytes[p]! << 24) | (bytes[p + 1]! << 16) | (bytes[p + 2]! << 8) | bytes[p + 3]!;
    }
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15]!;
      const y = w[i - 2]!;
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[i] = (w[i - 16]! + s0 + w[i - 7]! + s1) | 0;
    }
    const state = this.#state;
    let a = state[0]!;
    let b = state[1]!;
    let c = state[2]!;
    let d = state[3]!;
    let e = state[4]!;
    let f = state[5]!;
    let g = state[6]!;
    let h = state[7]!;
    for (let i = 0; i < 64; i++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + (g ^ (e & (f ^ g))) + ROUND[i]! + w[i]!) | 0;
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
}

/** SHA-256 of bytes: 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return new Sha256().update(bytes).digest();
}
