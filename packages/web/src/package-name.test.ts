import { expect, test } from "vitest";
import { mayFollow, packageOf } from "./package-name.ts";

test.each([
  ["hello-2.12.1", "hello"],
  ["hello-2.12.1-dev", "hello"],
  ["python3.12-requests-2.31", "python3.12-requests"],
  ["gtk+-3.0", "gtk+"],
  ["source", "source"],
  ["hello-dev", "hello-dev"],
  ["a--1", "a"],
])("%s is of the package %s", (name, expected) => {
  expect(packageOf(name)).toBe(expected);
});

test("versions of a package come before other packages whose names begin with it", () => {
  expect(mayFollow("hello-", "hello-2.12")).toBe(true);
  expect(mayFollow("hello-", "Hello-_x")).toBe(true);
  expect(mayFollow("hello-", "hello-wayland-1.0")).toBe(false);
  expect(mayFollow("hello-", "othello-1.0")).toBe(false);
  expect(mayFollow("hello", "hello")).toBe(true);
  expect(mayFollow("hello", "hello-1.0")).toBe(false);
});
