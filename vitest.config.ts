import { join } from "node:path";
import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";

/** Tests run on the sources, so that a stale build can never pass. */
const conditions = ["@trustix/source"];
const resolve = { conditions };
const ssr = { resolve: { conditions } };

/** Tests of the pure packages. They run in a browser too, but for those of what is made for Node. */
const PURE = "packages/{tlog,nix,web}/src/**/*.test.ts";
const NODE_ONLY = ["packages/nix/src/nar-fs/**", "packages/tlog/src/**/node-*.test.ts"];

/** The browser to drive: `npm test` finds one and names it here. */
const { CHROMIUM: executablePath } = process.env;

export default defineConfig({
  test: {
    projects: [
      {
        resolve,
        ssr,
        test: {
          name: "pure",
          include: [PURE, "scripts/**/*.test.ts", "fuzz/**/*.test.ts"],
          pool: "threads",
          isolate: false,
          testTimeout: 60_000,
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: "trustix",
          include: ["packages/trustix/src/**/*.test.ts"],
          pool: "forks",
          testTimeout: 60_000,
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: "interop",
          include: ["interop/**/*.test.ts"],
          pool: "forks",
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: "e2e",
          include: ["e2e/**/*.test.ts"],
          pool: "forks",
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
      {
        resolve: {
          ...resolve,
          alias: { "node:fs": join(import.meta.dirname, "scripts/test/browser-fs.ts") },
        },
        test: {
          name: "browser",
          include: [PURE],
          exclude: NODE_ONLY,
          testTimeout: 120_000,
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({
              launchOptions: executablePath === undefined ? {} : { executablePath, args: ["--no-sandbox"] },
            }),
            instances: [{ browser: "chromium" }],
          },
        },
      },
    ],
  },
});
