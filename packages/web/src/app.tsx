// The frame around every page: skip link, navigation, live indicator, theme, and the page that the address names.
import { Component, type ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { connection, latest } from "./api/live.ts";
import { PAGES, pageOf } from "./pages/index.tsx";
import { hrefTo, place, visits } from "./router.ts";
import { plural } from "./text.ts";
import { type Theme, theme } from "./theme.ts";
import { Notice } from "./ui/basics.tsx";
import { PageHeading } from "./ui/heading.tsx";

/** The dashboard. */
export function App() {
  const { segments, query, depth } = place.value;
  const page = pageOf(segments);
  const main = useRef<HTMLElement>(null);
  const visit = visits.value;
  useEffect(() => {
    if (visit > 0) main.current?.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true });
  }, [visit]);
  return (
    <>
      <a class="skip" href="#main">
        Skip to the page
      </a>
      <header>
        <a class="brand" href={hrefTo([])} aria-label="Trustix, overview">
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <rect width="32" height="32" rx="7" />
            <path d="M8 17l5.5 5.5L24 10" />
          </svg>
          Trustix
        </a>
        <nav aria-label="Pages">
          <ul>
            {PAGES.filter(({ within }) => within === undefined).map(({ title, segment }) => (
              <li key={title}>
                <a
                  href={hrefTo(segment === "" ? [] : [segment])}
                  aria-current={
                    page.segment === segment ? "page" : page.within === segment ? "true" : undefined
                  }
                >
                  {title}
                </a>
              </li>
            ))}
          </ul>
        </nav>
        <div class="tools">
          <LiveIndicator />
          <ThemeSwitch />
        </div>
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        <Guard key={segments.join("/")}>
          <page.View segments={segments.slice(1)} query={query} depth={depth} />
        </Guard>
      </main>
      <footer>
        <p>
          Everything here comes from this node; what builders logged is verified in your browser where it says
          so. <a href="/api/v1/openapi.json">API of this node</a>
        </p>
      </footer>
    </>
  );
}

const CONNECTION = {
  connecting: "connecting",
  live: "live",
  paused: "paused",
  lost: "not live",
} as const;

function LiveIndicator() {
  const state = connection.value;
  const behind = latest.value?.behind ?? 0;
  return (
    <span
      class={`live ${state}`}
      title={behind > 0 ? `${plural(behind, "claim")} not analysed yet` : "Pages follow the node"}
    >
      <span class="dot" />
      {CONNECTION[state]}
    </span>
  );
}

const THEMES: readonly Theme[] = ["system", "light", "dark"];

function ThemeSwitch() {
  return (
    <label class="theme">
      <span class="sr-only">Colours</span>
      <select
        value={theme.value}
        onChange={({ currentTarget }) => {
          theme.value = THEMES.find((each) => each === currentTarget.value) ?? "system";
        }}
      >
        <option value="system">Auto</option>
        <option value="light">Light</option>
        <option value="dark">Dark</option>
      </select>
    </label>
  );
}

/** Keeps an answer of an unexpected shape from taking the rest of the dashboard with it. */
class Guard extends Component<{ readonly children: ComponentChildren }, { readonly broken: boolean }> {
  override state = { broken: false };

  static override getDerivedStateFromError(): { readonly broken: boolean } {
    return { broken: true };
  }

  override render() {
    if (!this.state.broken) return this.props.children;
    return (
      <>
        <PageHeading title="This page cannot be shown" />
        <Notice tone="bad" title="The node's answer has another shape than this dashboard expects" isAlert>
          <p>If the node was updated, load the page anew.</p>
        </Notice>
      </>
    );
  }
}
