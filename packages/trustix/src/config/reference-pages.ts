// The generated pages of docs/reference/, from this checkout's sources.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { openApiDocument } from "../http/openapi.ts";
import { renderConfigReference, renderErrorReference } from "./reference.ts";

/** The repository. */
export const ROOT = join(import.meta.dirname, "../../../..");

/** Every generated page: its path in the repository, and its text. */
export async function referencePages(): Promise<ReadonlyMap<string, string>> {
  const sources = await Promise.all(
    [
      ["The daemon and the command line", "trustix"],
      ["Transparency logs (`@trustix/tlog`)", "tlog"],
      ["Nix formats (`@trustix/nix`)", "nix"],
    ].map(async ([title = "", name = ""]) => ({
      title,
      text: await readFile(join(ROOT, "packages", name, "src/errors.ts"), "utf8"),
    })),
  );
  return new Map([
    ["docs/reference/configuration.md", renderConfigReference()],
    ["docs/reference/errors.md", renderErrorReference(sources)],
    ["docs/reference/openapi.json", `${JSON.stringify(openApiDocument(), null, 1)}\n`],
  ]);
}
