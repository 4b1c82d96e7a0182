import { expect, test } from "vitest";
import { ClientLimit, clientOf } from "./client-limit.ts";

test.each([
  ["192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["127.0.0.1", undefined],
  ["127.8.9.10", undefined],
  ["::ffff:127.0.0.1", undefined],
  ["::1", undefined],
  [undefined, undefined],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
  ["2001:db8:1:2::9", "2001:db8:1:2"],
  ["2001:db8::9", "2001:db8:0:0"],
  ["2001:db8::2:3:4:5:6", "2001:db8:0:2"],
  ["2001:db8::", "2001:db8:0:0"],
  ["::2", "0:0:0:0"],
  ["fe80::1%eth0", "fe80:0:0:0"],
])("%s is of the client %s", (address, client) => {
  expect(clientOf(address)).toBe(client);
});

test("a client has so many connections at a time, this machine any number", () => {
  const limit = new ClientLimit(2);
  const enter = (...addresses: readonly (string | undefined)[]): boolean[] =>
    addresses.map((address) => limit.enter(address));
  expect(enter("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1", "192.0.2.2")).toEqual([true, true, false, true]);
  expect(enter("2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1")).toEqual([
    true,
    true,
    false,
    true,
  ]);
  expect(enter("127.0.0.1", "127.0.0.1", "127.0.0.1", undefined)).toEqual([true, true, true, true]);
  limit.leave("192.0.2.1");
  expect(enter("192.0.2.1", "192.0.2.1")).toEqual([true, false]);
});
