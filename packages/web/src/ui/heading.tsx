// The heading of a page, where focus goes when the reader comes to it.
import type { ComponentChildren } from "preact";

/** A page's title, and what it is about in a line. */
export function PageHeading({
  title,
  children,
}: {
  readonly title: ComponentChildren;
  readonly children?: ComponentChildren;
}) {
  return (
    <div class="page-head">
      <h1 tabIndex={-1}>{title}</h1>
      {children !== undefined && <div class="lead">{children}</div>}
    </div>
  );
}
