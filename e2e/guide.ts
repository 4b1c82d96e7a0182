// The pages of the documentation, as somebody follows them: their `sh` blocks, and the program that `npx` finds in a clone.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

const MAIN = join(import.meta.dirname, "../packages/trustix/src/cli/main.ts");

/** The `sh` blocks of a page below a heading, up to the next of the same rank; of the whole page without one. */
export async function shellBlocks(page: string, heading = ""): Promise<string[]> {
  const text = await readFile(page, "utf8");
  const from = text.indexOf(`## ${heading}`);
  const end = heading === "" ? -1 : text.indexOf("\n## ", from + 1);
  const part = text.slice(from, end === -1 ? undefined : end);
  return [...part.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block!);
}

/** Makes a directory with an `npx` that runs `trustix` from its sources, and nothing else. Returns the directory. */
export async function writeNpx(directory: string): Promise<string> {
  await mkdir(directory);
  const node = `${process.execPath} --conditions=@trustix/source --disable-warning=ExperimentalWarning`;
  const script = `#!/bin/sh\ncase $1 in trustix) shift; exec ${node} '${MAIN}' "$@";; *) exit 127;; esac\n`;
  await writeFile(join(directory, "npx"), script, { mode: 0o755 });
  return directory;
}
