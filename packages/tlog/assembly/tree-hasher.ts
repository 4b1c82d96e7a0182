/**
 * RFC 6962 hashing with four SHA-256 lanes in WebAssembly SIMD. AssemblyScript; `node scripts/build-wasm.ts` compiles it
 * into `src/hasher/wasm-module.generated.ts`.
 *
 * Word w of the four lanes is one vector. The caller copies its data to INPUT, and may fill all of it.
 */

/** Where data goes in, from the second page on. The byte before it is ours. */
export const INPUT: usize = 0x10000;
export const INPUT_BYTES: usize = 0x20000;
/** Most entries for one call of `hashLeaves`. */
export const MAX_LEAVES: i32 = 256;
/** Where `hashLeaves` leaves its hashes. */
export const OUTPUT: usize = memory.data(MAX_LEAVES * 32, 16);

const ROUND: usize = memory.data<u32>([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
  0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
  0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
  0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
  0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
  0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
  0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
  0xc67178f2,
]);
const INITIAL: usize = memory.data<u32>([
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
]);

/** Message schedule, 64 vectors. */
const SCHEDULE: usize = memory.data(64 * 16, 16);
/** Hash state, 8 vectors. */
const STATE: usize = memory.data(8 * 16, 16);

/** For each lane: its next block, blocks left, blocks of padding among those, and which leaf it is hashing. */
const LANE_BYTES: usize = 16;
const LANES: usize = memory.data(4 * <i32>LANE_BYTES, 16);
/** For each lane, the one or two last blocks of its message, with the padding. */
const TAIL_BYTES: usize = 128;
const TAILS: usize = memory.data(4 * <i32>TAIL_BYTES, 16);

function add(a: v128, b: v128): v128 {
  return i32x4.add(a, b);
}
function xor3(a: v128, b: v128, c: v128): v128 {
  return v128.xor(v128.xor(a, b), c);
}
function rotr(x: v128, n: i32): v128 {
  return v128.or(i32x4.shr_u(x, n), i32x4.shl(x, 32 - n));
}
function sum0(x: v128): v128 {
  return xor3(rotr(x, 2), rotr(x, 13), rotr(x, 22));
}
function sum1(x: v128): v128 {
  return xor3(rotr(x, 6), rotr(x, 11), rotr(x, 25));
}
function sigma0(x: v128): v128 {
  return xor3(rotr(x, 7), rotr(x, 18), i32x4.shr_u(x, 3));
}
function sigma1(x: v128): v128 {
  return xor3(rotr(x, 17), rotr(x, 19), i32x4.shr_u(x, 10));
}
function choose(e: v128, f: v128, g: v128): v128 {
  return v128.xor(g, v128.and(e, v128.xor(f, g)));
}
function majority(a: v128, b: v128, c: v128): v128 {
  return v128.xor(b, v128.and(v128.xor(a, b), v128.xor(b, c)));
}
function word(i: usize): v128 {
  return v128.load(SCHEDULE + i * 16);
}
function setWord(i: usize, x: v128): void {
  v128.store(SCHEDULE + i * 16, x);
}
function keyed(i: usize): v128 {
  return add(word(i), v128.load_splat<u32>(ROUND + i * 4));
}
function step(h: v128, e: v128, f: v128, g: v128, i: usize): v128 {
  return add(add(h, keyed(i)), add(sum1(e), choose(e, f, g)));
}
function swapped(x: v128): v128 {
  return i8x16.shuffle(x, x, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
}

/** Adds the block in the first 16 words of the schedule to the state. */
function compress(): void {
  for (let i: usize = 16; i < 64; i++) {
    setWord(i, add(add(word(i - 16), sigma0(word(i - 15))), add(word(i - 7), sigma1(word(i - 2)))));
  }
  let a = v128.load(STATE);
  let b = v128.load(STATE, 16);
  let c = v128.load(STATE, 32);
  let d = v128.load(STATE, 48);
  let e = v128.load(STATE, 64);
  let f = v128.load(STATE, 80);
  let g = v128.load(STATE, 96);
  let h = v128.load(STATE, 112);
  for (let i: usize = 0; i < 64; i += 8) {
    h = step(h, e, f, g, i);
    d = add(d, h);
    h = add(h, add(sum0(a), majority(a, b, c)));
    g = step(g, d, e, f, i + 1);
    c = add(c, g);
    g = add(g, add(sum0(h), majority(h, a, b)));
    f = step(f, c, d, e, i + 2);
    b = add(b, f);
    f = add(f, add(sum0(g), majority(g, h, a)));
    e = step(e, b, c, d, i + 3);
    a = add(a, e);
    e = add(e, add(sum0(f), majority(f, g, h)));
    d = step(d, a, b, c, i + 4);
    h = add(h, d);
    d = add(d, add(sum0(e), majority(e, f, g)));
    c = step(c, h, a, b, i + 5);
    g = add(g, c);
    c = add(c, add(sum0(d), majority(d, e, f)));
    b = step(b, g, h, a, i + 6);
    f = add(f, b);
    b = add(b, add(sum0(c), majority(c, d, e)));
    a = step(a, f, g, h, i + 7);
    e = add(e, a);
    a = add(a, add(sum0(b), majority(b, c, d)));
  }
  v128.store(STATE, add(v128.load(STATE), a));
  v128.store(STATE, add(v128.load(STATE, 16), b), 16);
  v128.store(STATE, add(v128.load(STATE, 32), c), 32);
  v128.store(STATE, add(v128.load(STATE, 48), d), 48);
  v128.store(STATE, add(v128.load(STATE, 64), e), 64);
  v128.store(STATE, add(v128.load(STATE, 80), f), 80);
  v128.store(STATE, add(v128.load(STATE, 96), g), 96);
  v128.store(STATE, add(v128.load(STATE, 112), h), 112);
}

/** Puts a block of each lane into the schedule: four words of four lanes at a time, turned around. */
function loadBlocks(p0: usize, p1: usize, p2: usize, p3: usize): void {
  for (let i: usize = 0; i < 64; i += 16) {
    const r0 = swapped(v128.load(p0 + i));
    const r1 = swapped(v128.load(p1 + i));
    const r2 = swapped(v128.load(p2 + i));
    const r3 = swapped(v128.load(p3 + i));
    const low01 = v128.shuffle<u32>(r0, r1, 0, 4, 1, 5);
    const low23 = v128.shuffle<u32>(r2, r3, 0, 4, 1, 5);
    const high01 = v128.shuffle<u32>(r0, r1, 2, 6, 3, 7);
    const high23 = v128.shuffle<u32>(r2, r3, 2, 6, 3, 7);
    const to = SCHEDULE + i * 4;
    v128.store(to, v128.shuffle<u64>(low01, low23, 0, 2));
    v128.store(to, v128.shuffle<u64>(low01, low23, 1, 3), 16);
    v128.store(to, v128.shuffle<u64>(high01, high23, 0, 2), 32);
    v128.store(to, v128.shuffle<u64>(high01, high23, 1, 3), 48);
  }
}

/** The last byte of a node's 65, and the first bit of padding, as the first word of the second block. */
function lastByte(node: usize): u32 {
  return ((<u32>load<u8>(node, 63)) << 24) | 0x800000;
}

/**
 * Hashes `count` pairs of hashes in INPUT, each behind the byte 1, in place: hash i overwrites bytes 32i to 32i + 31.
 * Whole groups of four are read and written, which the end of INPUT allows for.
 */
export function hashNodes(count: i32): void {
  const end = INPUT + ((<usize>count) << 6);
  let out = INPUT;
  for (let node = INPUT; node < end; node += 256) {
    for (let w: usize = 0; w < 8; w++) {
      v128.store(STATE + w * 16, v128.load_splat<u32>(INITIAL + w * 4));
    }
    // One byte early, to make room for the prefix, which then replaces whatever was there.
    loadBlocks(node - 1, node + 63, node + 127, node + 191);
    setWord(0, v128.or(v128.and(word(0), i32x4.splat(0xffffff)), i32x4.splat(0x1000000)));
    compress();
    setWord(0, i32x4(lastByte(node), lastByte(node + 64), lastByte(node + 128), lastByte(node + 192)));
    for (let i: usize = 1; i < 15; i++) setWord(i, i32x4.splat(0));
    setWord(15, i32x4.splat(65 * 8));
    compress();
    for (let lane: usize = 0; lane < 4; lane++, out += 32) storeHash(lane, out);
  }
}

/** Writes the hash of a lane. */
function storeHash(lane: usize, to: usize): void {
  for (let w: usize = 0; w < 8; w++) store<u32>(to + w * 4, bswap(load<u32>(STATE + w * 16 + lane * 4)));
}

/** Sets a lane to hash the entry at `at`, behind the byte 0, and returns where the next entry is. */
function startLeaf(lane: usize, leaf: i32, at: usize): usize {
  const length: usize = ((<usize>load<u8>(at)) << 8) | load<u8>(at, 1);
  // The prefix takes the place of the second byte of the length.
  const message = at + 1;
  store<u8>(message, 0);
  const size = length + 1;
  const rest = size & 63;
  const tail = TAILS + lane * TAIL_BYTES;
  const tailBlocks: usize = rest < 56 ? 1 : 2;
  memory.fill(tail, 0, TAIL_BYTES);
  memory.copy(tail, message + size - rest, rest);
  store<u8>(tail + rest, 0x80);
  store<u32>(tail + tailBlocks * 64 - 4, bswap((<u32>size) << 3));

  const record = LANES + lane * LANE_BYTES;
  store<usize>(record, size >= 64 ? message : tail);
  store<usize>(record, (size >> 6) + tailBlocks, 4);
  store<usize>(record, tailBlocks, 8);
  store<i32>(record, leaf, 12);
  for (let w: usize = 0; w < 8; w++) {
    store<u32>(STATE + w * 16 + lane * 4, load<u32>(INITIAL + w * 4));
  }
  return at + 2 + length;
}

/**
 * Hashes `count` entries in INPUT, encoded as in an entry bundle, into OUTPUT. Overwrites INPUT. A lane that is done with
 * an entry takes the next one, so that entries of different lengths keep all four busy.
 */
export function hashLeaves(count: i32): void {
  let at = INPUT;
  let next = 0;
  let busy = 0;
  for (let lane: usize = 0; lane < 4; lane++) {
    const record = LANES + lane * LANE_BYTES;
    if (next < count) {
      at = startLeaf(lane, next++, at);
      busy++;
    } else {
      // An idle lane hashes its tail for ever, and nobody asks for the result.
      store<usize>(record, TAILS + lane * TAIL_BYTES);
      store<usize>(record, 0, 4);
    }
  }
  while (busy > 0) {
    loadBlocks(
      load<usize>(LANES),
      load<usize>(LANES + LANE_BYTES),
      load<usize>(LANES + 2 * LANE_BYTES),
      load<usize>(LANES + 3 * LANE_BYTES),
    );
    compress();
    for (let lane: usize = 0; lane < 4; lane++) {
      const record = LANES + lane * LANE_BYTES;
      const left = load<usize>(record, 4);
      if (left === 0) continue;
      if (left > 1) {
        const isTailNext = left - 1 === load<usize>(record, 8);
        store<usize>(record, isTailNext ? TAILS + lane * TAIL_BYTES : load<usize>(record) + 64);
        store<usize>(record, left - 1, 4);
        continue;
      }
      storeHash(lane, OUTPUT + ((<usize>load<i32>(record, 12)) << 5));
      if (next < count) {
        at = startLeaf(lane, next++, at);
      } else {
        store<usize>(record, 0, 4);
        busy--;
      }
    }
  }
}
