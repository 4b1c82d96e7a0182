// `npm run screenshots`: pictures of the dashboard for the documentation, light and dark, into docs/images/. They are taken from the
// demo, so that anyone can look at the same pages, but for dates and keys.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Browser } from "playwright";
import { PACKAGES } from "../demo/lib/cast.ts";
import { openCast, openFolder } from "../demo/lib/open-cast.ts";
import { Stage } from "../demo/lib/stage.ts";
import { Story } from "../demo/story.ts";
import { CHROMIUM, openBrowser, openPage } from "../e2e/dashboard-browser.ts";
import { ensureDashboard } from "./dashboard.ts";

const IMAGES = join(import.meta.dirname, "../docs/images");
const WIDTH = 1280;
/** Of the highest pictures; what comes below is cut off. */
const MAX_HEIGHT = 1000;

/** Pages by the name of their picture. */
function pagesOf(hashPart: string): Readonly<Record<string, string>> {
  return {
    overview: "",
    builders: "builders",
    disputes: "disputes",
    path: `path/${hashPart}`,
    diff: `diff/${hashPart}`,
  };
}

/** Takes the pictures of a node's dashboard in one colour scheme. */
async function takePictures(
  browser: Browser,
  node: string,
  pages: Readonly<Record<string, string>>,
  colorScheme: "light" | "dark",
): Promise<void> {
  await using opened = await openPage(browser, { colorScheme, viewport: { width: WIDTH, height: 600 } });
  const { page } = opened;
  for (const [name, path] of Object.entries(pages)) {
    await page.goto(new URL(`/ui/${path}`, node).href);
    await page.locator("h1").waitFor();
    await page.waitForFunction(() => document.querySelector("[aria-busy]") === null);
    if (name === "overview") await page.locator("canvas").nth(1).waitFor();
    // What was checked of the last claim, which is the one that stands alone.
    if (name === "path") {
      const checks = page.locator("details").filter({ hasText: "Verified in your browser" });
      await checks.last().evaluate((details: HTMLDetailsElement) => {
        details.open = true;
      });
    }
    const high = await page.evaluate(() => document.documentElement.scrollHeight);
    await page.setViewportSize({ width: WIDTH, height: Math.min(high, MAX_HEIGHT) });
    const file = join(IMAGES, `dashboard-${name}-${colorScheme}.png`);
    await page.screenshot({ path: file });
    await page.setViewportSize({ width: WIDTH, height: 600 });
    console.log(file);
  }
}

if (CHROMIUM === undefined) throw new Error("no Chromium: install one, or name it in CHROMIUM");
await ensureDashboard();
await mkdir(IMAGES, { recursive: true });
await using stack = new AsyncDisposableStack();
const stage = new Stage(process.stdout);
const directory = await openFolder(stack);
const cast = await openCast(stage, { directory, stack, signal: new AbortController().signal }, false);
const story = new Story(stage, cast);
for (const act of story.acts) await act();
if (!stage.allHeld) throw new Error("the demo is not as it should be");
const { paths } = (await cast.user.node.ask(`/api/v1/store-paths?name=${PACKAGES.hello}`)) as {
  readonly paths: readonly string[];
};
await using browser = await openBrowser();
const pages = pagesOf(paths[0]!.slice("/nix/store/".length).slice(0, 32));
for (const scheme of ["light", "dark"] as const) await takePictures(browser, cast.user.url, pages, scheme);
