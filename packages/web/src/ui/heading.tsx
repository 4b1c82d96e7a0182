// The heading of a page, where focus goes when the reader comes to it.
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";

/** A page's title, which the window has too, and what the page is about in a line. */
export function PageHeading({
  title,
  children,
}: {
  readonly title: string;
  readonly children?: ComponentChildren;
}) {
  useEffect(() => {
    document.title = `${title} · Trustix`;
  }, [title]);
  return (
    <div class="page-head">
      <h1 tabIndex={-1}>{title}</h1>
      {children !== undefined && <div class="lead">{children}</div>}
    </div>
  );
}
