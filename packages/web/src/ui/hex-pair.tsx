// Bytes of both sides around the first difference.
import { formatCount } from "../text.ts";
import { Scroll } from "./scroll.tsx";

const MAX_BYTES = 64;

/** Two rows of bytes, those that differ marked. */
export function HexPair({
  excerpt,
  at,
}: {
  readonly excerpt: { readonly from: number; readonly before: string; readonly after: string };
  /** Offset of the first difference. */
  readonly at: number;
}) {
  const one = bytesOf(excerpt.before);
  const other = bytesOf(excerpt.after);
  const row = (bytes: readonly string[], against: readonly string[]) =>
    bytes.map((byte, index) => {
      const key = excerpt.from + index;
      return byte === against[index] ? <span key={key}>{byte} </span> : <mark key={key}>{byte} </mark>;
    });
  return (
    <Scroll label={`Bytes around offset ${formatCount(at)}`}>
      <pre class="hex">
        <span class="dim">from {formatCount(excerpt.from)}</span>
        {"\n"}
        {row(one, other)}
        {"\n"}
        {row(other, one)}
      </pre>
    </Scroll>
  );
}

const bytesOf = (hex: string): readonly string[] => hex.slice(0, MAX_BYTES * 2).match(/[0-9a-f]{2}/g) ?? [];
