// The vectors made by Go's sumdb packages (vectors/tlog/go-*.json) are what their generator, interop/go/vectors, writes.
// That they hold for our code is tested in packages/tlog.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { run } from "../scripts/outside-tools/process.ts";
import { buildGoProgram, findTool } from "./outside.ts";

const VECTORS = join(import.meta.dirname, "../vectors/tlog");

const go = await findTool("go");

test.skipIf(go === undefined)("the vectors are what the generator writes today", async () => {
  const directory = await mkdtemp(join(tmpdir(), "trustix-vectors-"));
  try {
    await run(await buildGoProgram("vectors", go!), [directory], { check: true });
    for (const name of ["go-notes.json", "go-proofs.json", "go-tiles.json"]) {
      expect(await readFile(join(directory, name), "utf8")).toBe(await readFile(join(VECTORS, name), "utf8"));
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
