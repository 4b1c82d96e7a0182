/** Finds the store path inside a statement of protocol `nix`, without reading the rest: it is asked for each vote of each decision. */

/** `1;`, the store path, `;`. */
const PATH_START = 2;
/** Hash part and its dash. */
const NAME_START = 33;

/**
 * The store path that a statement is about; undefined for text that is no such statement. Statements were parsed when they came
 * in; this only finds the path, and never takes a part of another field for it.
 */
export function storePathOf(statement: string): string | undefined {
  if (!statement.startsWith("1;/")) return undefined;
  const end = statement.indexOf(";", PATH_START);
  if (end < 0) return undefined;
  const path = statement.slice(PATH_START, end);
  const base = path.lastIndexOf("/") + 1;
  return path.length - base > NAME_START && path.charCodeAt(base + NAME_START - 1) === 0x2d
    ? path
    : undefined;
}
