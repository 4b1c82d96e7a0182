// Other people's programs read a log that we wrote: Go's sumdb packages, and Tessera's fsck.

import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "../scripts/outside-tools/process.ts";
import { buildGoProgram, findTool } from "./outside.ts";
import { SAMPLE_INDICES, type SampleLog, writeSampleLog } from "./sample-log.ts";

let log: SampleLog;

beforeAll(async () => {
  log = await writeSampleLog(await mkdtemp(join(tmpdir(), "trustix-interop-")));
});

afterAll(async () => {
  await rm(log.directory, { recursive: true, force: true });
});

const toBase64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

const checkers = [
  {
    about: "Go's sumdb packages",
    program: "check",
    tool: await findTool("go"),
    args: () => [
      `-index=${SAMPLE_INDICES.join()}`,
      `-old=${log.heads.map(({ size, root }) => `${size}:${toBase64(root)}`).join()}`,
    ],
    says: () => [
      `root ok ${log.entries.length} records`,
      ...SAMPLE_INDICES.map((index) => `inclusion ok ${index}`),
      ...log.heads.map(({ size, root }) => `consistency ok ${size}:${toBase64(root)}`),
      "ACCEPTED",
    ],
  },
  {
    about: "Tessera's fsck",
    program: "fsck",
    tool: await findTool("go-tessera"),
    args: () => [],
    says: () => ["ACCEPTED"],
  },
];

describe.each(checkers)("a log of 70,000 entries, read by $about", ({ program, tool, args, says }) => {
  const check = async (more: readonly string[]) =>
    run(await buildGoProgram(program, tool!), [`-dir=${log.directory}`, `-vkey=${log.vkey}`, ...more]);

  test.skipIf(tool === undefined)("is accepted", async () => {
    const { status, stdout, stderr } = await check(args());
    expect({ status, stderr: stderr.match(/REJECTED.*/)?.[0] }).toEqual({ status: 0, stderr: undefined });
    expect(stdout.trimEnd().split("\n")).toEqual(expect.arrayContaining(says()));
  });

  test.skipIf(tool === undefined)("is rejected with any one byte changed", async () => {
    for (const path of await finalFiles(log)) {
      const file = join(log.directory, path);
      const bytes = await readFile(file);
      const position = (path.length * 7919) % bytes.length;
      const changed = Uint8Array.from(bytes);
      changed[position]! ^= 1;
      await writeFile(file, changed);
      const { status, stderr } = await check([]);
      await writeFile(file, bytes);
      expect({ path, position, status, stderr }).toMatchObject({
        status: 1,
        stderr: expect.stringContaining("REJECTED:"),
      });
    }
    expect((await check([])).status).toBe(0);
  });

  test.skipIf(tool === undefined)("is rejected under another key", async () => {
    const other = "builder.example/log+df1c0a35+AYI5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU";
    const { status } = await run(await buildGoProgram(program, tool!), [
      `-dir=${log.directory}`,
      `-vkey=${other}`,
    ]);
    expect(status).toBe(1);
  });
});

/** The checkpoint and a few of the files of each kind that the log of full size is made of. */
async function finalFiles({ directory }: SampleLog): Promise<readonly string[]> {
  const full = await readdir(join(directory, "tile/0"));
  expect(full).toContain("272");
  return [
    "checkpoint",
    "tile/0/000",
    "tile/0/137",
    "tile/0/272",
    "tile/0/273.p/112",
    "tile/1/000",
    "tile/1/001.p/17",
    "tile/2/000.p/1",
    "tile/entries/000",
    "tile/entries/101",
    "tile/entries/272",
    "tile/entries/273.p/112",
  ];
}
