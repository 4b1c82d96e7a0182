import { hash } from "node:crypto";
import { describe } from "vitest";
import { testHasher } from "./hasher-suite.test.util.ts";
import { createNodeHasher } from "./node-hasher.ts";
import { createScalarHasher } from "./scalar-hasher.ts";
import { createWasmHasher } from "./wasm-hasher.ts";

const oracle = (bytes: Uint8Array) => new Uint8Array(hash("sha256", bytes, "buffer"));

describe("node:crypto", () => testHasher(createNodeHasher(), oracle));
describe("plain TypeScript, against node:crypto", () => testHasher(createScalarHasher(), oracle));
describe("WebAssembly, against node:crypto", () => testHasher(createWasmHasher()!, oracle));
