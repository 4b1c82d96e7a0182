// Writes the generated pages of docs/reference/.
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ROOT, referencePages } from "../src/config/reference-pages.ts";

for (const [page, text] of await referencePages()) {
  const path = join(ROOT, page);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}
