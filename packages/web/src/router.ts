// Addresses of the dashboard, with the History API. Links are plain `<a href>`: a click on one that stays in the dashboard
// changes the page without loading it anew.
import { signal } from "@preact/signals";

/** Where the dashboard is served. */
const BASE = "/ui/";

/** What the address says. */
export interface Place {
  /** Segments below the base, decoded: `/ui/path/abc` is `["path", "abc"]`. */
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
  /** Pages of a list that the reader came through to this one. */
  readonly depth: number;
}

/** Where the reader is. */
export const place = signal<Place>({ segments: [], query: new URLSearchParams(), depth: 0 });

/** Grows when the reader goes to another page: focus moves to its heading then. */
export const visits = signal(0);

/** The address of a page. Empty values are left out of the query. */
export function hrefTo(
  segments: readonly string[],
  query: Readonly<Record<string, string | undefined>> = {},
): string {
  const path = BASE + segments.map(encodeURIComponent).join("/");
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value) params.set(name, value);
  const search = params.toString();
  return search === "" ? path : `${path}?${search}`;
}

/** Goes to an address of the dashboard. `replace` changes the present entry of the history instead of adding one. */
export function go(
  href: string,
  options: { readonly replace?: boolean; readonly depth?: number } = {},
): void {
  const state = { depth: options.depth ?? 0 };
  if (options.replace) {
    history.replaceState(state, "", href);
  } else {
    keepScroll();
    history.pushState(state, "", href);
  }
  arrive(!options.replace);
  if (!options.replace) scrollTo(0, 0);
}

/** Follows the address bar, the back button and clicks on links. */
export function startRouter(): void {
  // The browser would restore the place before there is anything to scroll to.
  history.scrollRestoration = "manual";
  addEventListener("scrollend", keepScroll);
  addEventListener("popstate", () => {
    arrive(true);
    restoreScroll();
  });
  document.addEventListener("click", onClick);
  arrive(false);
  restoreScroll();
}

function onClick(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  if (link === null || link.target !== "" || link.hasAttribute("download")) return;
  if (link.origin !== location.origin || !link.pathname.startsWith(BASE)) return;
  // A link within the page: the browser knows how.
  if (link.hash !== "" && link.pathname === location.pathname) return;
  event.preventDefault();
  go(link.pathname + link.search, { depth: Number(link.dataset.depth ?? 0) });
}

function arrive(isVisit: boolean): void {
  const before = place.peek().segments.join("/");
  const segments = location.pathname.slice(BASE.length).split("/").filter(Boolean).map(decode);
  const state: unknown = history.state;
  const depth = typeof state === "object" && state !== null && "depth" in state ? Number(state.depth) : 0;
  place.value = {
    segments,
    query: new URLSearchParams(location.search),
    depth: Number.isSafeInteger(depth) ? depth : 0,
  };
  if (!isVisit || before === segments.join("/")) return;
  visits.value += 1;
}

/** A page that has not come that far until then never does. */
const RESTORE_MS = 3000;
let restoring: AbortController | undefined;

/** Notes in the history how far down the reader is. */
function keepScroll(): void {
  if (restoring === undefined) history.replaceState({ ...history.state, top: Math.round(scrollY) }, "");
}

/** Scrolls to where the reader was, as soon as the page is that long, unless the reader scrolls before that. */
function restoreScroll(): void {
  restoring?.abort();
  const { top = 0 } = (history.state ?? {}) as { readonly top?: unknown };
  const goal = typeof top === "number" ? top : 0;
  const controller = new AbortController();
  const { signal } = controller;
  restoring = controller;
  const stop = (): void => {
    controller.abort();
    restoring = undefined;
  };
  for (const type of ["wheel", "touchstart", "keydown", "pointerdown"]) {
    addEventListener(type, stop, { signal, passive: true });
  }
  const endMs = performance.now() + RESTORE_MS;
  const attempt = (): void => {
    if (signal.aborted) return;
    scrollTo(0, goal);
    if (scrollY >= goal - 1 || performance.now() > endMs) stop();
    else requestAnimationFrame(attempt);
  };
  attempt();
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
