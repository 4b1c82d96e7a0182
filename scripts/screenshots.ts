// `npm run screenshots`: pictures of the dashboard for the documentation, light and dark, into docs/images/. The node is the one
// of the browser tests, so that anyone gets the same pictures, but for dates and keys.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { CHROMIUM, openBrowser, openPage } from "../e2e/dashboard-browser.ts";
import { COMPARED, openWorld } from "../e2e/dashboard-world.ts";
import { ensureDashboard } from "./dashboard.ts";

const IMAGES = join(import.meta.dirname, "../docs/images");
const WIDTH = 1200;
const HEIGHT = 860;

if (CHROMIUM === undefined) throw new Error("no Chromium: install one, or name it in CHROMIUM");
await ensureDashboard();
await mkdir(IMAGES, { recursive: true });
await using world = await openWorld();
await using browser = await openBrowser();

/** Pages by the name of their picture. */
const PAGES: Readonly<Record<string, string>> = {
  overview: "",
  builders: "builders",
  packages: "packages?q=perl",
  path: `path/${world.hashPartOf(COMPARED)}`,
  diff: `diff/${world.hashPartOf(COMPARED)}`,
  log: "log/alice",
};

for (const colorScheme of ["light", "dark"] as const) {
  await using opened = await openPage(browser, { colorScheme, viewport: { width: WIDTH, height: HEIGHT } });
  const { page } = opened;
  for (const [name, path] of Object.entries(PAGES)) {
    await page.goto(new URL(`/ui/${path}`, world.node.url).href);
    await page.locator("h1").waitFor();
    await page.waitForFunction(() => document.querySelector("[aria-busy]") === null);
    if (name === "overview") await page.locator("canvas").nth(1).waitFor();
    const file = join(IMAGES, `dashboard-${name}-${colorScheme}.png`);
    await page.screenshot({ path: file });
    console.log(file);
  }
}
