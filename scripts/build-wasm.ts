/**
 * Compiles the WebAssembly tree hasher of packages/tlog and writes it, as base64, to the module that is committed, so
 * that neither users nor builds need the compiler: `node scripts/build-wasm.ts`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import asc from "assemblyscript/asc";

const ROOT = join(import.meta.dirname, "..");
const SOURCE = "packages/tlog/assembly/tree-hasher.ts";
const TARGET = join(ROOT, "packages/tlog/src/hasher/wasm-module.generated.ts");

/** The text of the generated module. The same source and compiler give the same text. */
export async function buildWasmModule(): Promise<string> {
  const files = new Map<string, string | Uint8Array>();
  const { error, stderr } = await asc.main(
    [
      SOURCE,
      "--outFile=out.wasm",
      "--runtime=stub",
      "-O3",
      "--noAssert",
      "--enable=simd",
      "--initialMemory=3",
      "--maximumMemory=3",
    ],
    {
      readFile: (name, baseDir) => {
        const path = join(ROOT, baseDir === "." ? "" : baseDir, name);
        return name.endsWith("asconfig.json") ? null : readFileSync(path, "utf8");
      },
      writeFile: (name, contents) => void files.set(name, contents),
      listFiles: () => [],
    },
  );
  const wasm = files.get("out.wasm");
  if (error !== null || wasm === undefined || typeof wasm === "string") {
    throw new Error(`AssemblyScript: ${error?.message ?? "no output"}\n${stderr.toString()}`);
  }
  const lines =
    Buffer.from(wasm)
      .toString("base64")
      .match(/.{1,100}/g) ?? [];
  return [
    `// Compiled from ${SOURCE} by scripts/build-wasm.ts. Do not edit.`,
    "",
    `/** A WebAssembly module of ${wasm.length} bytes, in base64. */`,
    "export const WASM_MODULE =",
    ...lines.map((line, i) => `  "${line}"${i === lines.length - 1 ? ";" : " +"}`),
    "",
  ].join("\n");
}

/** The committed text of the generated module. */
export function readWasmModule(): string {
  return readFileSync(TARGET, "utf8");
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href)
  writeFileSync(TARGET, await buildWasmModule());
