import { expect, test } from "vitest";
import { Turnstile } from "./turnstile.ts";

const never = new AbortController().signal;

test("lets so many in, the others in their order, and each pass counts once", async () => {
  const turnstile = new Turnstile(2);
  const order: number[] = [];
  const first = await turnstile.enter(never);
  await turnstile.enter(never);
  const waiting = [3, 4].map(async (n) => {
    const pass = await turnstile.enter(never);
    order.push(n);
    return pass;
  });
  await new Promise(setImmediate);
  expect(order).toEqual([]);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  await new Promise(setImmediate);
  expect(order).toEqual([3]);
  (await waiting[0]!)[Symbol.dispose]();
  await waiting[1];
  expect(order).toEqual([3, 4]);
});

test("who gives up leaves the line, and takes no place", async () => {
  const turnstile = new Turnstile(1);
  const pass = await turnstile.enter(never);
  const leaving = new AbortController();
  const gone = turnstile.enter(leaving.signal);
  const next = turnstile.enter(never);
  leaving.abort(new Error("gone"));
  await expect(gone).rejects.toThrow("gone");
  await expect(turnstile.enter(leaving.signal)).rejects.toThrow("gone");
  pass[Symbol.dispose]();
  (await next)[Symbol.dispose]();
  (await turnstile.enter(never))[Symbol.dispose]();
});

test("a place that was handed over just when its taker gave up is not lost", async () => {
  const turnstile = new Turnstile(1);
  const pass = await turnstile.enter(never);
  const leaving = new AbortController();
  const late = turnstile.enter(leaving.signal);
  pass[Symbol.dispose]();
  leaving.abort(new Error("too late"));
  (await late)[Symbol.dispose]();
  (await turnstile.enter(never))[Symbol.dispose]();
});
