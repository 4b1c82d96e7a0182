// `node scripts/outside-tools/main.ts [NAME…]` fetches the named outside tools (default: all) and says what came of it.

import { ToolUnavailable } from "./apt.ts";
import { TOOL_NAMES, TOOLS, type ToolName, type ToolRecipe } from "./catalog.ts";
import { ensureTool } from "./install.ts";

const isToolName = (name: string): name is ToolName => name in TOOLS;

const asked = process.argv.slice(2);
for (const name of asked) {
  if (!isToolName(name)) throw new Error(`no such tool: ${name}; there are ${TOOL_NAMES.join(", ")}`);
}
for (const name of asked.length > 0 ? asked.filter(isToolName) : TOOL_NAMES) {
  try {
    const tool = await ensureTool(name);
    console.log(`${name}: ${tool.bin} (${tool.packages.length} packages)`);
  } catch (error) {
    if (!(error instanceof ToolUnavailable)) throw error;
    const optional = (TOOLS[name] as ToolRecipe).optional;
    console.log(`${name}: ${optional ? "SKIPPED" : "FAILED"}: ${error.message}`);
    if (!optional) process.exitCode = 1;
  }
}
