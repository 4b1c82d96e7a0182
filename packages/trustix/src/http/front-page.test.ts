import { expect, test } from "vitest";
import { frontPage } from "./front-page.ts";
import { foundRoute, routeFinder } from "./route.ts";

const route = (path: string) => foundRoute(path, () => ({ status: 200, text: path }));
const request = { method: "GET", headers: {} };

test("the root leads to the dashboard when there is one", () => {
  const found = frontPage([route("/"), route("/ui/")]).find?.(request, "");
  expect(found).toMatchObject({ status: 302, headers: { location: "/ui/" } });
});

test("else it says what there is", () => {
  const paths = ["/healthz", "/version", "/trustix.json", "/log/nix/", "/cache/", "/"];
  const page = frontPage(paths.map(route)).find?.(request, "");
  expect(page).toMatchObject({ status: 200, text: expect.stringContaining("This is a Trustix node") });
  for (const path of ["/log/nix/checkpoint", "/cache/nix-cache-info", "/nix-cache-info", "/trustix.json"])
    expect(page).toMatchObject({ text: expect.stringContaining(`\n  ${path} `) });
});

test("it stands for the root alone: whatever is below stays where it was", () => {
  const cache = route("/");
  const page = frontPage([cache]);
  for (const routes of [
    [cache, page],
    [page, cache],
  ]) {
    const find = routeFinder(routes);
    expect(find("/")).toBe(page);
    expect(find("/nix-cache-info")).toBe(cache);
    expect(find("/nar/")).toBe(cache);
  }
  expect(routeFinder([page])("/nix-cache-info")).toBeUndefined();
});
