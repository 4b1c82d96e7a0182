import { expect, test } from "vitest";
import { RateLimiter } from "./rate-limit.ts";

test("a bucket empties, says when to come back, and fills again; others have their own", () => {
  let now = 0;
  const limiter = new RateLimiter(100, () => now);
  expect(limiter.take("a", 1000)).toBe(0);
  expect(limiter.take("a", 50)).toBe(500);
  expect(limiter.take("b", 50)).toBe(0);
  now += 499;
  expect(limiter.take("a", 50)).toBeGreaterThan(0);
  now += 1;
  expect(limiter.take("a", 50)).toBe(0);
  expect(limiter.take("a", 1)).toBe(10);
});

test("a request larger than the bucket is granted when it is full, and paid off later", () => {
  let now = 0;
  const limiter = new RateLimiter(10, () => now);
  expect(limiter.take("a", 300)).toBe(0);
  expect(limiter.take("a", 1)).toBe(20_100);
  now += 20_100;
  expect(limiter.take("a", 1)).toBe(0);
});

test("clients that come and go do not pile up", () => {
  let now = 0;
  const limiter = new RateLimiter(1, () => now);
  for (let i = 0; i < 50_000; i++) {
    now++;
    expect(limiter.take(`client ${i}`, 1)).toBe(0);
  }
});
