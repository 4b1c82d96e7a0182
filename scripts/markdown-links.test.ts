// Every link of a Markdown file in this repository leads to a file that is in it, and every fragment to a heading.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "..");

const files = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"], {
  cwd: ROOT,
  encoding: "utf8",
})
  .split("\0")
  .filter((file) => file !== "" && existsSync(join(ROOT, file)));

/** The text without code, line by line: what looks like a link in code is none. */
function proseLines(markdown: string): readonly string[] {
  let fence: string | undefined;
  return markdown.split("\n").map((line) => {
    const marker = /^\s*(`{3,}|~{3,})/.exec(line)?.[1];
    if (fence !== undefined) {
      if (marker?.startsWith(fence)) fence = undefined;
      return "";
    }
    fence = marker;
    return marker === undefined
      ? line.replace(/(`+)(?!`).*?[^`]\1(?!`)/g, (code) => "`".repeat(code.length))
      : "";
  });
}

/** The fragments that GitHub and the documentation site both make of a file's headings. */
function fragmentsOf(markdown: string): ReadonlySet<string> {
  const fragments = new Set<string>();
  const lines = markdown.split("\n");
  for (const [i, prose] of proseLines(markdown).entries()) {
    if (!/^#{1,6} /.test(prose)) continue;
    const text = (lines[i] ?? "").replace(/^#+\s+/, "").replace(/\[([^\]]*)\]\([^)]*\)/g, "$1");
    const slug = text
      .trim()
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replace(/\s/g, "-");
    let unique = slug;
    for (let n = 1; fragments.has(unique); n++) unique = `${slug}-${n}`;
    fragments.add(unique);
  }
  return fragments;
}

/** Links and images, inline or as reference definitions, with the line that each is on. */
function linksOf(markdown: string): readonly { readonly line: number; readonly target: string }[] {
  const pattern = /\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)|^\s*\[[^\]]+\]:\s*<?(\S+?)>?\s*$/g;
  return proseLines(markdown).flatMap((line, i) =>
    [...line.matchAll(pattern)].map(([, inline, definition]) => ({
      line: i + 1,
      target: inline ?? definition ?? "",
    })),
  );
}

/** What is wrong with a link, or `undefined`. */
function faultOf(file: string, target: string): string | undefined {
  if (/^(https?|mailto):/i.test(target)) return undefined;
  const [path = "", fragment] = target.split("#", 2);
  const absolute = path === "" ? join(ROOT, file) : resolve(ROOT, dirname(file), decodeURI(path));
  if (relative(ROOT, absolute).startsWith("..")) return "leads out of the repository";
  if (!existsSync(absolute)) return "leads to no file";
  if (fragment === undefined) return undefined;
  if (!absolute.endsWith(".md") || statSync(absolute).isDirectory())
    return "has a fragment, but leads to no page";
  return fragmentsOf(readFileSync(absolute, "utf8")).has(fragment) ? undefined : "leads to no heading";
}

describe("Markdown links", () => {
  test("are found, but not in code", () => {
    const text = "[a](b.md#c) `[x](y)`\n```\n[x](y)\n```\n![d](e.svg)\n[f]: g.md\n``[`x`](y)``\n";
    expect(linksOf(text)).toEqual([
      { line: 1, target: "b.md#c" },
      { line: 5, target: "e.svg" },
      { line: 6, target: "g.md" },
    ]);
  });

  test("to headings are spelled as GitHub does", () => {
    const text = "# A `b-c`, [d](e)!\n## Same\n## Same\n```sh\n# no heading\n```\n";
    expect([...fragmentsOf(text)]).toEqual(["a-b-c-d", "same", "same-1"]);
  });

  test("that lead nowhere are noticed", () => {
    expect(faultOf("README.md", "docs/missing.md")).toBe("leads to no file");
    expect(faultOf("README.md", "CONTRIBUTING.md#missing")).toBe("leads to no heading");
    expect(faultOf("README.md", "../elsewhere.md")).toBe("leads out of the repository");
    expect(faultOf("README.md", "CONTRIBUTING.md#a-change")).toBeUndefined();
  });

  test.each(files)("of %s lead somewhere", (file) => {
    const markdown = readFileSync(join(ROOT, file), "utf8");
    const faults = linksOf(markdown).flatMap(({ line, target }) => {
      const fault = faultOf(file, target);
      return fault === undefined ? [] : [`${file}:${line}: ${target} ${fault}`];
    });
    expect(faults).toEqual([]);
  });
});
