// Small parts that every page is made of.
import type { ComponentChildren } from "preact";
import type { PathClassName, PathStatusName } from "trustix/src/http/insight-schema.ts";
import type { ApiError } from "../api/client.ts";
import { hrefTo } from "../router.ts";
import { formatAgo, formatTime, visible } from "../text.ts";
import { CLASS, STATUS } from "../words.ts";

/** A part of a page with a heading of its own. */
export function Panel({
  title,
  note,
  children,
  wide = false,
  tone,
}: {
  readonly title: string;
  /** Beside the heading. */
  readonly note?: ComponentChildren;
  readonly children: ComponentChildren;
  /** Over the whole width of a grid. */
  readonly wide?: boolean;
  readonly tone?: Tone;
}) {
  return (
    <section class={`panel${wide ? " wide" : ""}${tone === undefined ? "" : ` ${tone}`}`}>
      <div class="panel-head">
        <h2>{title}</h2>
        {note !== undefined && <div class="note">{note}</div>}
      </div>
      {children}
    </section>
  );
}

/** How loud a notice is. */
export type Tone = "info" | "good" | "warn" | "bad";

/** Something that the reader should know. */
export function Notice({
  tone,
  title,
  children,
  isAlert = false,
}: {
  readonly tone: Tone;
  readonly title: string;
  readonly children?: ComponentChildren;
  /** Announced at once by screen readers. */
  readonly isAlert?: boolean;
}) {
  return (
    <div class={`notice ${tone}`} role={isAlert ? "alert" : "note"}>
      <strong>{title}</strong>
      {children !== undefined && <div>{children}</div>}
    </div>
  );
}

/** Why an answer is missing, and what helps. */
export function Failure({ error, what }: { readonly error: ApiError; readonly what: string }) {
  const hint = error.hint === "" ? "" : ` ${visible(error.hint, 1000)}`;
  return (
    <Notice tone="bad" title={`No ${what}: ${visible(error.message, 1000)}`} isAlert>
      <p>
        {hint} <code>{visible(error.code, 60)}</code>
      </p>
    </Notice>
  );
}

/** In the place of what is on its way, of about its height. */
export function Loading({ rows = 6 }: { readonly rows?: number }) {
  return (
    <div class="loading" aria-busy="true">
      <span class="sr-only">Loading</span>
      {Array.from({ length: rows }, (_, row) => (
        <div class="bone" key={row} />
      ))}
    </div>
  );
}

/** How a path counts. */
export function StatusBadge({ status }: { readonly status: PathStatusName }) {
  const { label, meaning } = STATUS[status] ?? { label: visible(String(status), 20), meaning: "" };
  return (
    <span class={`badge ${status in STATUS ? status : ""}`} title={meaning}>
      {label}
    </span>
  );
}

/** What the claims on a path say together. */
export function ClassName({ kind }: { readonly kind: PathClassName }) {
  const { label, meaning } = CLASS[kind] ?? { label: visible(String(kind), 20), meaning: "" };
  return <span title={meaning}>{label}</span>;
}

/** A point in time, relative; in full when pointed at. */
export function Time({ at }: { readonly at: string | number }) {
  const atMs = typeof at === "number" ? at : Date.parse(at);
  if (Number.isNaN(atMs)) return <span>?</span>;
  return (
    <time dateTime={new Date(atMs).toISOString()} title={formatTime(atMs)}>
      {formatAgo(atMs, Date.now())}
    </time>
  );
}

/** Names of operators. */
export function Operators({
  names,
  empty = "none",
}: {
  readonly names: readonly string[];
  readonly empty?: string;
}) {
  if (names.length === 0) return <span class="dim">{empty}</span>;
  return (
    <span class="operators">
      {names.map((name) => (
        <span class="operator" key={name}>
          {visible(name, 64)}
        </span>
      ))}
    </span>
  );
}

/** A link to a path's page, by its name. */
export function PathLink({ path }: { readonly path: { readonly hashPart: string; readonly name: string } }) {
  return (
    <a class="path" href={hrefTo(["path", path.hashPart])}>
      <span class="path-name">{visible(path.name, 211)}</span>
      <span class="path-hash">{visible(path.hashPart.slice(0, 8), 16)}</span>
    </a>
  );
}

/** A command for a terminal. */
export function Command({ children }: { readonly children: string }) {
  return (
    <pre class="command">
      <code>{children}</code>
    </pre>
  );
}
