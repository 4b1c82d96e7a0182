// The documentation site: the Markdown files of the repository as they are, with navigation and search.
//
// A link that leads to no page or file of the repository fails the build, and so does a page that the sidebar does not
// list. Links to files that are no pages, such as sources, lead to the repository's host where the build knows one
// (GitHub's CI does), and are plain text elsewhere.

import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { type DefaultTheme, defineConfig, type MarkdownOptions } from "vitepress";

const ROOT = resolve(import.meta.dirname, "../..");

/** Pages that do not lie below docs/. */
const PAGES: Readonly<Record<string, string>> = {
  "README.md": "index.md",
  "CHANGELOG.md": "changelog.md",
  "CONTRIBUTING.md": "contributing.md",
  "SECURITY.md": "security.md",
  "STYLE.md": "style.md",
  "bench/RESULTS.md": "measurements.md",
};

/** The page in the site that is made from a Markdown file of the repository. */
const pageOf = (path: string): string =>
  PAGES[path] ?? path.replace(/^docs\//, "").replace(/^packages\/([^/]+)\/README\.md$/, "packages/$1.md");

const { GITHUB_SERVER_URL, GITHUB_REPOSITORY, GITHUB_SHA } = process.env;
const SOURCES =
  GITHUB_REPOSITORY === undefined
    ? undefined
    : `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}/blob/${GITHUB_SHA}`;

type MarkdownIt = Parameters<NonNullable<MarkdownOptions["config"]>>[0];

/** Follows links as they are meant in the repository: to the page of a Markdown file, or to a source. */
function resolveLinks(md: MarkdownIt): void {
  md.core.ruler.push("repository-links", ({ tokens, env }) => {
    for (const { children } of tokens) {
      let isPlain = false;
      for (const token of children ?? []) {
        if (token.type === "link_open") {
          const target = targetOf(token.attrGet("href") ?? "", env.realPath ?? env.path);
          isPlain = target === PLAIN;
          if (target !== undefined) token.attrSet("href", target);
        }
        if (isPlain && token.type.startsWith("link_")) {
          isPlain = token.type === "link_open";
          Object.assign(token, { type: "text", tag: "", content: "" });
        }
      }
    }
  });
}

/** What stands for the address of a source when that is not known. */
const PLAIN = "";

/** Where a link on the page made from `file` leads in the site; undefined when it is right as it is, or dead. */
function targetOf(href: string, file: string): string | undefined {
  const [, path = "", fragment = ""] = /^([^#]*)(#.*)?$/.exec(href) ?? [];
  if (path === "" || /^([a-z]+:|\/)/i.test(path)) return undefined;
  const absolute = resolve(dirname(file), decodeURI(path));
  if (!absolute.startsWith(`${ROOT}/`) || !existsSync(absolute)) return undefined;
  const inRepository = absolute.slice(ROOT.length + 1);
  if (inRepository.endsWith(".md"))
    return `/${pageOf(inRepository).replace(/(^index)?\.md$/, "")}${fragment}`;
  return SOURCES === undefined ? PLAIN : `${SOURCES}/${inRepository}${fragment}`;
}

const SIDEBAR: DefaultTheme.SidebarItem[] = [
  { text: "Start", link: "/" },
  {
    text: "Guides",
    items: [
      { text: "Builders: run a builder", link: "/guides/run-a-builder" },
      { text: "Users: use it as a substituter", link: "/guides/use-as-substituter" },
      { text: "Users: policies", link: "/guides/policies" },
      { text: "Users: find out who to trust", link: "/guides/find-out-who-to-trust" },
      { text: "Auditors: audit a log", link: "/guides/audit-a-log" },
    ],
  },
  {
    text: "Reference",
    items: [
      { text: "Configuration", link: "/reference/configuration" },
      { text: "Errors", link: "/reference/errors" },
      { text: "API", link: "/reference/api" },
      { text: "Evidence", link: "/reference/evidence" },
      { text: "The subscriber", link: "/reference/subscriber" },
      { text: "The substituter", link: "/substituter" },
    ],
  },
  {
    text: "In use",
    items: [
      { text: "Reports", link: "/reports" },
      { text: "What differs", link: "/differences" },
      { text: "Operations", link: "/operations" },
    ],
  },
  {
    text: "Background",
    items: [
      { text: "Design", link: "/design" },
      { text: "Threat model", link: "/security" },
      { text: "Measurements", link: "/measurements" },
    ],
  },
  {
    text: "Packages",
    items: [
      { text: "trustix", link: "/packages/trustix" },
      { text: "@trustix/tlog", link: "/packages/tlog" },
      { text: "@trustix/nix", link: "/packages/nix" },
      { text: "@trustix/web", link: "/packages/web" },
    ],
  },
  {
    text: "Project",
    items: [
      { text: "Contributing", link: "/contributing" },
      { text: "Style", link: "/style" },
      { text: "Changelog", link: "/changelog" },
    ],
  },
];

/** @throws Error when readers do not find a page by the sidebar */
function requireInSidebar(pages: readonly string[]): void {
  const links = new Set(
    SIDEBAR.flatMap(({ link, items }) => [link, ...(items ?? []).map((item) => item.link)]),
  );
  const missing = pages.filter((page) => !links.has(`/${page.replace(/(^index)?\.md$/, "")}`));
  if (missing.length > 0)
    throw new Error(`not in the sidebar of docs/.vitepress/config.ts: ${missing.join(", ")}`);
}

export default defineConfig({
  title: "Trustix",
  description: "Build transparency for Nix",
  srcDir: ROOT,
  srcExclude: ["**/node_modules/**", ".*/**", "**/dist/**", "vectors/**"],
  outDir: join(ROOT, "docs/.vitepress/dist"),
  cacheDir: join(ROOT, "node_modules/.cache/vitepress"),
  rewrites: pageOf,
  cleanUrls: true,
  // The address is not known here, and the pages must work below any prefix that the host names.
  base: (process.env.DOCS_BASE ?? "/") as `/${string}/`,
  markdown: { config: resolveLinks },
  buildEnd: ({ pages, rewrites }) => requireInSidebar(pages.map((page) => rewrites.map[page] ?? page)),
  themeConfig: {
    search: { provider: "local" },
    outline: [2, 3],
    nav: [
      { text: "Start", link: "/" },
      { text: "Use it", link: "/guides/use-as-substituter" },
      { text: "Run a builder", link: "/guides/run-a-builder" },
      { text: "Reference", link: "/reference/configuration" },
      { text: "Security", link: "/security" },
    ],
    sidebar: SIDEBAR,
  },
});
