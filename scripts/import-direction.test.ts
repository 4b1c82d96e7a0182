// Arrows point downwards: what may import what, as a table, checked on every source file.

import { glob, readFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "..");

/** The daemon's layers that every role may use; none of them knows a role. */
const LOWER = [
  "errors",
  "sleep",
  "terminal",
  "threads",
  "turnstile",
  "version",
  "store",
  "nix",
  "http",
  "fetch",
  "config",
  "votes",
];
/** Where roles are put together. */
const COMPOSERS = ["daemon", "cli"];

interface Rule {
  readonly name: string;
  /** Files the rule is about. */
  readonly from: RegExp;
  /** Files among them that it does not bind. */
  readonly except?: RegExp;
  /** Whether such a file may import the target: a repository path, `node:x`, or a package name. */
  readonly allows: (target: string, file: string) => boolean;
}

/** The part of packages/tlog for Node: its entry, and the files named after it. */
const TLOG_NODE = /^packages\/tlog\/src\/(node\.ts|.*\/node-[^/]+\.ts)$/;

const TESTS = /\.test(\.\w+)?\.ts$/;

/** What the dashboard may import: of the daemon only types, which the build leaves out; see below. */
const DASHBOARD =
  /^(packages\/web\/src\/|@trustix\/tlog$|preact(\/|$)|@preact\/signals$|uplot$|trustix\/src\/(http\/[a-z]+-schema|policy\/(explain|quorum)|daemon\/(status|decisions))\.ts$)/;

const LOWER_FILES = new RegExp(`^packages/trustix/src/(${LOWER.join("|")})(/|\\.ts$)`);

const RULES: readonly Rule[] = [
  {
    name: "packages/tlog imports nothing but itself",
    from: /^packages\/tlog\/src\//,
    except: TESTS,
    allows: (target, file) =>
      target.startsWith("packages/tlog/src/") || (TLOG_NODE.test(file) && isNodeModule(target)),
  },
  {
    name: "packages/nix imports nothing but itself, and node: only where it touches the file system",
    from: /^packages\/nix\/src\//,
    except: TESTS,
    allows: (target, file) =>
      target.startsWith("packages/nix/src/") ||
      (/^packages\/nix\/src\/(fs\.ts|nar-fs\/)/.test(file) && isNodeModule(target)),
  },
  {
    name: "the pure core of a package does not reach for its own entry that does I/O",
    from: /^packages\/(tlog|nix)\/src\//,
    except: /\.test(\.\w+)?\.ts$|^packages\/nix\/src\/(fs\.ts|nar-fs\/)|^packages\/tlog\/src\/node\.ts/,
    allows: (target) => !TLOG_NODE.test(target) && !/^packages\/nix\/src\/(fs\.ts|nar-fs\/)/.test(target),
  },
  {
    name: "a role of the daemon imports lower layers, never another role",
    from: /^packages\/trustix\/src\/[^/]+\//,
    except: LOWER_FILES,
    allows: (target, file) => {
      const [from, to] = [folderOf(file), folderOf(target)];
      return (
        from === undefined ||
        to === undefined ||
        from === to ||
        COMPOSERS.includes(from) ||
        LOWER.includes(to)
      );
    },
  },
  {
    name: "lower layers of the daemon do not know who uses them",
    from: LOWER_FILES,
    allows: (target) => {
      const to = folderOf(target);
      return to === undefined || LOWER.includes(to);
    },
  },
  {
    name: "the dashboard imports proofs, what draws it, and the shapes of the daemon's answers",
    from: /^packages\/web\/src\//,
    except: TESTS,
    allows: (target) => DASHBOARD.test(target),
  },
  {
    name: "nothing shipped imports scripts, tests or benches",
    from: /^packages\/[^/]+\/src\//,
    except: TESTS,
    allows: (target) => !/^(scripts|interop|e2e|bench|fuzz)\/|\.test(\.\w+)?\.ts$/.test(target),
  },
];

function isNodeModule(target: string): boolean {
  return target.startsWith("node:");
}

/** The first folder (or file) below packages/trustix/src, without extension. */
function folderOf(path: string): string | undefined {
  return /^packages\/trustix\/src\/([^/.]+)/.exec(path)?.[1];
}

/** What a source file imports, exports from, or loads later; relative paths as repository paths. */
function importsOf(file: string, source: string): string[] {
  const found = source.matchAll(
    /^\s*import\s*["']([^"']+)["']|^\s*(?:import|export)\b[^"';=()]*\bfrom\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)/gm,
  );
  return [...found].map((match) => {
    const target = (match[1] ?? match[2] ?? match[3])!;
    return target.startsWith(".") ? relative(ROOT, join(ROOT, dirname(file), target)) : target;
  });
}

function violations(file: string, source: string): string[] {
  const bound = RULES.filter(({ from, except }) => from.test(file) && !except?.test(file));
  return importsOf(file, source).flatMap((target) =>
    bound
      .filter((rule) => !rule.allows(target, file))
      .map((rule) => `${file} imports ${target}: ${rule.name}`),
  );
}

test("every import points downwards", async () => {
  const broken: string[] = [];
  let files = 0;
  for await (const file of glob("packages/*/src/**/*.{ts,tsx}", { cwd: ROOT })) {
    files++;
    broken.push(...violations(file, await readFile(join(ROOT, file), "utf8")));
  }
  expect(files).toBeGreaterThan(10);
  expect(broken).toEqual([]);
});

test("the dashboard takes nothing but types from the daemon", async () => {
  for await (const file of glob("packages/web/src/**/*.{ts,tsx}", { cwd: ROOT })) {
    const source = await readFile(join(ROOT, file), "utf8");
    const statements = source.match(/^import\b[^;]*["']trustix\/[^;]*;/gm) ?? [];
    expect(statements.filter((statement) => !statement.startsWith("import type "))).toEqual([]);
  }
});

test.each([
  ["packages/web/src/a.tsx", `import { x } from "zod";`],
  ["packages/web/src/a.tsx", `import type { X } from "trustix/src/analyse/model.ts";`],
  ["packages/tlog/src/a.ts", `import { x } from "node:fs";`],
  ["packages/tlog/src/a.ts", `import {\n  x,\n} from "@trustix/nix";`],
  ["packages/tlog/src/a.ts", `export { x } from "./node.ts";`],
  ["packages/nix/src/a.ts", `const x = await import("node:fs");`],
  ["packages/nix/src/a.ts", `import { x } from "./nar-fs/write.ts";`],
  ["packages/trustix/src/log/a.ts", `import type { X } from "../subscribe/x.ts";`],
  ["packages/trustix/src/store/a.ts", `import "../log/x.ts";`],
  ["packages/trustix/src/log/a.ts", `import "../daemon/x.ts";`],
  ["packages/trustix/src/log/a.ts", `import "../../../../scripts/x.ts";`],
])("the table refuses what it should: %s %s", (file, source) => {
  expect(violations(file, source)).toHaveLength(1);
});

test.each([
  ["packages/tlog/src/node.ts", `import { x } from "node:fs";`],
  ["packages/tlog/src/a.test.ts", `import { x } from "vitest";`],
  ["packages/nix/src/nar-fs/a.ts", `import { x } from "node:fs";\nimport { y } from "../nar/y.ts";`],
  ["packages/trustix/src/log/a.ts", `import { x } from "../store/x.ts";\nimport { y } from "@trustix/tlog";`],
  ["packages/trustix/src/daemon/a.ts", `import { x } from "../log/x.ts";`],
])("the table allows what it should: %s %s", (file, source) => {
  expect(violations(file, source)).toEqual([]);
});
