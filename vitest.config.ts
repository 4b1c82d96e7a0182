import { defineConfig } from "vitest/config";

/** Tests run on the sources, so that a stale build can never pass. */
const conditions = ["@trustix/source"];
const resolve = { conditions };
const ssr = { resolve: { conditions } };

export default defineConfig({
  test: {
    projects: [
      {
        resolve,
        ssr,
        test: {
          name: "pure",
          include: ["packages/{tlog,nix}/src/**/*.test.ts", "scripts/**/*.test.ts"],
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
    ],
  },
});
