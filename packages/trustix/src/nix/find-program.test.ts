import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { expect, test } from "vitest";
import { findProgram } from "./find-program.ts";

test("a program is found on the PATH, and never in a working directory", async () => {
  const root = await mkdtemp(join(tmpdir(), "find-program-"));
  try {
    const [first, second] = [join(root, "first"), join(root, "second")];
    for (const directory of [first, second]) await mkdir(directory);
    await writeFile(join(first, "tool"), "");
    await mkdir(join(first, "folder"));
    const tool = join(second, "tool");
    await writeFile(tool, "");
    await chmod(tool, 0o755);

    expect(await findProgram("tool", `${first}:${second}`)).toBe(tool);
    expect(await findProgram("folder", first)).toBeUndefined();
    const here = relative(process.cwd(), second);
    for (const path of [undefined, "", ":", ".", here, `:${here}:`]) {
      expect(await findProgram("tool", path)).toBeUndefined();
    }
  } finally {
    await rm(root, { recursive: true });
  }
});
