// Follows the node's stream of changes while the reader looks, and says when there is something new.
import { signal } from "@preact/signals";
import type { LiveEventJson } from "trustix/src/http/insight-schema.ts";

/** How the stream is. `paused`: nobody looks. */
export type Connection = "connecting" | "live" | "paused" | "lost";

/** How the stream is. */
export const connection = signal<Connection>("connecting");
/** What it last said. */
export const latest = signal<LiveEventJson | undefined>(undefined);
/** Grows when pages should ask again. */
export const changes = signal(0);

/** Pages ask again at most this often. */
const REFRESH_MS = 2000;
const RETRY_MS = [1000, 2000, 5000, 10_000, 30_000];

/** Begins to follow; ends with the page. */
export function startLive(): void {
  let source: EventSource | undefined;
  let failures = 0;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let refresh: ReturnType<typeof setTimeout> | undefined;

  const close = (): void => {
    source?.close();
    source = undefined;
    clearTimeout(retry);
    clearTimeout(refresh);
    refresh = undefined;
  };
  const askAgain = (): void => {
    refresh ??= setTimeout(() => {
      refresh = undefined;
      changes.value += 1;
    }, REFRESH_MS);
  };
  const open = (): void => {
    close();
    connection.value = "connecting";
    const opened = new EventSource("/api/v1/events");
    source = opened;
    opened.onopen = () => {
      // What happened while nobody listened is not told again.
      if (failures > 0) askAgain();
      failures = 0;
      connection.value = "live";
    };
    opened.addEventListener("change", ({ data }) => {
      const event = parseEvent(String(data));
      if (event === undefined || event.version === latest.peek()?.version) return;
      const isFirst = latest.peek() === undefined;
      latest.value = event;
      if (!isFirst) askAgain();
    });
    opened.onerror = () => {
      // The browser's own attempts give up on some answers, and do not wait longer each time.
      close();
      connection.value = "lost";
      const waitMs = RETRY_MS[Math.min(failures, RETRY_MS.length - 1)];
      failures += 1;
      retry = setTimeout(open, waitMs);
    };
  };
  const followSight = (): void => {
    if (document.hidden) {
      close();
      connection.value = "paused";
    } else if (source === undefined) {
      if (connection.peek() === "paused") changes.value += 1;
      open();
    }
  };
  document.addEventListener("visibilitychange", followSight);
  followSight();
}

const FIELDS = ["version", "claims", "behind", "paths", "disputed"] as const;

function parseEvent(text: string): LiveEventJson | undefined {
  if (text.length > 10_000) return undefined;
  try {
    const event = JSON.parse(text) as LiveEventJson;
    return FIELDS.every((field) => Number.isSafeInteger(event[field])) ? event : undefined;
  } catch {
    return undefined;
  }
}
