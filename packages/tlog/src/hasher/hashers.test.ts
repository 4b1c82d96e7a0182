import { describe, expect, test } from "vitest";
import { defaultHasher } from "./default-hasher.ts";
import { testHasher } from "./hasher-suite.test.util.ts";
import { createScalarHasher } from "./scalar-hasher.ts";
import { sha256 } from "./sha256.ts";
import { createWasmHasher } from "./wasm-hasher.ts";

describe("plain TypeScript", () => testHasher(createScalarHasher(), sha256));
describe("WebAssembly", () => testHasher(createWasmHasher()!, sha256));

test("the default is made once", () => {
  expect(defaultHasher()).toBe(defaultHasher());
});
