// What is wider or taller than its place: it scrolls by itself, and the keyboard can scroll it.
import type { ComponentChildren } from "preact";

/** A part that scrolls. */
export function Scroll({
  label,
  children,
}: {
  readonly label: string;
  readonly children: ComponentChildren;
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: without focus, its hidden part is out of the keyboard's reach
    <section class="scroll" aria-label={label} tabIndex={0}>
      {children}
    </section>
  );
}
