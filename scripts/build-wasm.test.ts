import { expect, test } from "vitest";
import { buildWasmModule, readWasmModule } from "./build-wasm.ts";

test("the committed WebAssembly module is what its source compiles to", async () => {
  expect(await buildWasmModule()).toBe(readWasmModule());
});
