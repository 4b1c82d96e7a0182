/**
 * SHA-256 (FIPS 180-4) in plain TypeScript: synchronous, and the same everywhere JavaScript runs.
 *
 * Platform SHA-256 is either asynchronous (WebCrypto) or not portable (`node:crypto`). This one serves short inputs such
 * as key ids, and is the engine of last resort for trees; the fast engines are beside it.
 */

/** Round constants: the first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
const ROUND = /* @__PURE__ */ Int32Array.of(
  0x428a2f98,
  0x71374491,
  0xb5c0fbcf,
  0xe9b5dba5,
  0x3956c25b,
  0x59f111f1,
  0x923f82a4,
  0xab1c5ed5,
  0xd807aa98,
  0x12835b01,
  0x243185be,
  0x550c7dc3,
  0x72be5d74,
  0x80deb1fe,
  0x9bdc06a7,
  0xc19bf174,
  0xe49b69c1,
  0xefbe4786,
  0x0fc19dc6,
  0x240ca1cc,
  0x2de92c6f,
  0x4a7484aa,
  0x5cb0a9dc,
  0x76f988da,
  0x983e5152,
  0xa831c66d,
  0xb00327c8,
  0xbf597fc7,
  0xc6e00bf3,
  0xd5a79147,
  0x06ca6351,
  0x14292967,
  0x27b70a85,
  0x2e1b2138,
  0x4d2c6dfc,
  0x53380d13,
  0x650a7354,
  0x766a0abb,
  0x81c2c92e,
  0x92722c85,
  0xa2bfe8a1,
  0xa81a664b,
  0xc24b8b70,
  0xc76c51a3,
  0xd192e819,
  0xd6990624,
  0xf40e3585,
  0x106aa070,
  0x19a4c116,
  0x1e376c08,
  0x2748774c,
  0x34b0bcb5,
  0x391c0cb3,
  0x4ed8aa4a,
  0x5b9cca4f,
  0x682e6ff3,
  0x748f82ee,
  0x78a5636f,
  0x84c87814,
  0x8cc70208,
  0x90befffa,
  0xa4506ceb,
  0xbef9a3f7,
  0xc67178f2,
);

/** SHA-256 of `bytes`: a new array of 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const digest = new Uint8Array(32);
  new ScalarSha256().hash(-1, bytes, 0, bytes.length, digest, 0);
  return digest;
}

/** A reusable SHA-256 with its own scratch space: hashes pieces of buffers without allocating. */
export class ScalarSha256 {
  readonly #state = new Int32Array(8);
  readonly #schedule = new Int32Array(64);
  readonly #block = new Uint8Array(64);

  /**
   * Writes SHA-256(prefix ‖ src[start..end)) to `dst[at..at+32)`. A `prefix` from 0 to 255 is one byte put before the
   * data, -1 is none. `dst` may be `src`.
   */
  hash(prefix: number, src: Uint8Array, start: number, end: number, dst: Uint8Array, at: number): void {
    const state = this.#state;
    const block = this.#block;
    state[0] = 0x6a09e667;
    state[1] = 0xbb67ae85;
    state[2] = 0x3c6ef372;
    state[3] = 0xa54ff53a;
    state[4] = 0x510e527f;
    state[5] = 0x9b05688c;
    state[6] = 0x1f83d9ab;
    state[7] = 0x5be0cd19;

    let fill = 0;
    if (prefix >= 0) block[fill++] = prefix;
    const length = end - start + fill;
    for (let from = start; from < end; ) {
      const take = Math.min(64 - fill, end - from);
      for (let i = 0; i < take; i++) block[fill + i] = src[from + i]!;
      from += take;
      fill += take;
      if (fill === 64) {
        this.#compress();
        fill = 0;
      }
    }

    block[fill++] = 0x80;
    if (fill > 56) {
      block.fill(0, fill);
      this.#compress();
      fill = 0;
    }
    block.fill(0, fill, 56);
    writeUint32(block, 56, Math.floor(length / 2 ** 29));
    writeUint32(block, 60, (length % 2 ** 29) * 8);
    this.#compress();

    for (let i = 0; i < 8; i++) writeUint32(dst, at + 4 * i, state[i]!);
  }

  #compress(): void {
    const w = this.#schedule;
    const block = this.#block;
    const state = this.#state;
    for (let i = 0, j = 0; i < 16; i++, j += 4) {
      w[i] = (block[j]! << 24) | (block[j + 1]! << 16) | (block[j + 2]! << 8) | block[j + 3]!;
    }
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15]!;
      const y = w[i - 2]!;
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[i] = (w[i - 16]! + s0 + w[i - 7]! + s1) | 0;
    }
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
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + ROUND[i]! + w[i]!) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
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

function writeUint32(dst: Uint8Array, at: number, value: number): void {
  dst[at] = value >>> 24;
  dst[at + 1] = value >>> 16;
  dst[at + 2] = value >>> 8;
  dst[at + 3] = value;
}
