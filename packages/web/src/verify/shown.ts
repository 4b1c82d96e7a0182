// Whether what a page shows of a claim is what its entry says. The entry is proven; all else comes from the node.
import { encodeUtf8, equalBytes } from "@trustix/tlog";
import { visible } from "../text.ts";
import { CheckFailed } from "./check.ts";

/** What a page shows of an entry. */
export interface Shown {
  /** Statement, as text; null when the page shows none, because the entry is no claim. */
  readonly statement: string | null;
  /** Hash part of the store path that the page is about. */
  readonly hashPart?: string | undefined;
  /** Where the page shows them: every attribute by name, a line for each of several with one name. */
  readonly attributes?: Readonly<Record<string, string>> | undefined;
}

/** Attributes as the lines of an entry, `<name> <value>`. */
export function attributeLines(attributes: Readonly<Record<string, string>>): string[] {
  return Object.entries(attributes).flatMap(([name, values]) =>
    String(values)
      .split("\n")
      .map((value) => `${name} ${value}`),
  );
}

/** The store path that a statement of protocol `nix` is about; empty for any other text. */
export function statedPath(statement: string): string {
  const [version, path = ""] = statement.split(";", 2);
  return version === "1" ? path : "";
}

const LF = 0x0a;

/**
 * Compares an entry with what is shown of it.
 * @returns what was found, in words
 * @throws CheckFailed when it says something else
 */
export function checkShown(entry: Uint8Array, { statement, hashPart, attributes }: Shown): string {
  const end = entry.indexOf(LF);
  const first = end < 0 ? entry : entry.subarray(0, end);
  if (statement === null) {
    const begin = visible(new TextDecoder().decode(first), 300);
    return `The node takes it for no claim, and shows none. It begins: ${begin}`;
  }
  if (!equalBytes(first, encodeUtf8(statement)))
    throw new CheckFailed("the entry in the log states something else than what the node shows");
  const path = statedPath(statement);
  if (hashPart !== undefined && !path.slice(path.lastIndexOf("/") + 1).startsWith(`${hashPart}-`))
    throw new CheckFailed("the entry in the log is about another path than this page");
  if (attributes !== undefined) {
    const lines = new TextDecoder().decode(entry).split("\n").slice(1).filter(Boolean);
    if (lines.sort().join("\n") !== attributeLines(attributes).sort().join("\n"))
      throw new CheckFailed("the entry in the log has other attributes than the node shows");
  }
  return "Byte for byte.";
}
