// What a person gets who opens the public listener's address in a browser. Nix and subscribers never ask for it.
import { VERSION } from "../version.ts";
import { DASHBOARD_PATH } from "./dashboard.ts";
import type { Notice } from "./representation.ts";
import { foundRoute, type Route } from "./route.ts";

/** Somewhere to go below a route, and what is there. */
function describe(path: string): readonly [path: string, what: string] {
  switch (path) {
    case "/":
      return ["/nix-cache-info", "a Nix binary cache, at this address"];
    case "/cache/":
      return ["/cache/nix-cache-info", "a Nix binary cache of what this machine has"];
    case "/trustix.json":
      return [path, "what `trustix subscribe` reads"];
    case "/healthz":
      return [path, "whether all is well"];
    case "/version":
      return [path, "which version this is"];
    case "/metrics":
      return [path, "figures for Prometheus"];
    default:
      return path.startsWith("/log/") ? [`${path}checkpoint`, "a transparency log"] : [path, ""];
  }
}

function listing(routes: readonly Route[]): Notice {
  const lines = routes.map(({ path }) => {
    const [where, what] = describe(path);
    return `  ${where.padEnd(28)}  ${what}`.trimEnd();
  });
  const head = `This is a Trustix node, version ${VERSION}: build transparency for Nix. Here are:`;
  return { status: 200, text: [head, "", ...lines.sort()].join("\n") };
}

/** `/` itself: leads to the dashboard if that is among the routes, and else lists them. */
export function frontPage(routes: readonly Route[]): Route {
  const isDashboardOn = routes.some(({ path }) => path === DASHBOARD_PATH);
  const page: Notice = isDashboardOn
    ? { status: 302, text: DASHBOARD_PATH, headers: { location: DASHBOARD_PATH } }
    : listing(routes);
  return { ...foundRoute("/", () => page), isExact: true };
}
