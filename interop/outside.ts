// What interop tests need from outside: tools, or a reason to leave a test out that CI does not accept.

import { createHash } from "node:crypto";
import { access, mkdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { TOOLS, type ToolName, type ToolRecipe } from "../scripts/outside-tools/catalog.ts";
import { installedTool, type Tool } from "../scripts/outside-tools/install.ts";
import { run } from "../scripts/outside-tools/process.ts";

const PROGRAMS = join(import.meta.dirname, "../.cache/interop");

/**
 * The tool if it has been fetched. Where it has not, tests skip themselves; in CI that is an error, unless the tool is
 * optional.
 */
export async function findTool(name: ToolName): Promise<Tool | undefined> {
  const tool = await installedTool(name);
  const recipe: ToolRecipe = TOOLS[name];
  if (tool === undefined && process.env.CI === "true" && !recipe.optional) {
    throw new Error(`${name} is missing: node scripts/outside-tools/main.ts ${name}`);
  }
  return tool;
}

/** Compiles interop/go/<name>/main.go with the Go and the packages of `tool`; returns the program's path. */
export async function buildGoProgram(name: string, tool: Tool): Promise<string> {
  const source = join(import.meta.dirname, "go", name, "main.go");
  const key = createHash("sha256")
    .update(await readFile(source))
    .update(tool.packages.join())
    .digest("hex");
  const program = join(PROGRAMS, `${name}-${key.slice(0, 16)}`);
  const isBuilt = await access(program).then(
    () => true,
    () => false,
  );
  if (!isBuilt) {
    await mkdir(PROGRAMS, { recursive: true });
    const fresh = `${program}.${process.pid}`;
    await run(join(tool.bin, "go"), ["build", "-o", fresh, source], { check: true });
    await rename(fresh, program);
  }
  return program;
}
