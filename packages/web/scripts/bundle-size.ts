// Fails when the built dashboard is too large to open at once: everything but the chart library, each file gzipped as it
// is sent. The library is loaded when a chart is shown.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const LIMIT_BYTES = 60 * 1024;
const DIST = join(import.meta.dirname, "../dist");

let total = 0;
for (const entry of await readdir(DIST, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue;
  const size = gzipSync(await readFile(join(entry.parentPath, entry.name))).length;
  const counts = !entry.name.startsWith("uplot");
  if (counts) total += size;
  console.log(
    `${String(size).padStart(7)} bytes  ${entry.name}${counts ? "" : " (chart library, not counted)"}`,
  );
}
console.log(`${String(total).padStart(7)} bytes  of at most ${LIMIT_BYTES}, gzipped`);
if (total > LIMIT_BYTES) process.exitCode = 1;
