// The dashboard as static files for /ui/: no inline script or style, which the node's Content-Security-Policy refuses, and
// no address but the node's own.
import { defaultClientConditions, defineConfig } from "vite";

export default defineConfig({
  base: "/ui/",
  resolve: { conditions: ["@trustix/source", ...defaultClientConditions] },
  build: {
    target: "es2023",
    cssTarget: "esnext",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // Those of what is bundled; it is in the package, and not served.
    license: { fileName: "licenses.md" },
    rolldownOptions: {
      output: { codeSplitting: { groups: [{ name: "uplot", test: /node_modules\/uplot\// }] } },
    },
  },
});
