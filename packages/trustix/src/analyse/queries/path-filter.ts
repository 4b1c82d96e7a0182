// Which paths a query is about. All but the system follows from the pattern, of which there are few.
import type { PathClassName, PathStatusName } from "../../http/insight-schema.ts";
import type { Catalogue, KnownPattern } from "./catalogue.ts";
import type { PathColumns } from "./path-columns.ts";

/** What a path must be. */
export interface Selection {
  readonly status?: PathStatusName | undefined;
  readonly kind?: PathClassName | undefined;
  readonly system?: string | undefined;
  /** It has a claim on the path. */
  readonly operator?: string | undefined;
  /** Whether more than half of those with a claim agree on something else than the operator. */
  readonly outlier?: boolean | undefined;
}

/** Any system. */
const ANY = -2;

/** Tells whether a path, by number, is what it must be. */
export class PathFilter {
  readonly #columns: PathColumns;
  /** By pattern. */
  readonly #mask: Uint8Array;
  readonly #system: number;
  /** The share of all paths that pass. */
  readonly share: number;

  constructor(selection: Selection, catalogue: Catalogue, columns: PathColumns) {
    this.#columns = columns;
    this.#system = selection.system === undefined ? ANY : catalogue.systemNamed(selection.system);
    this.#mask = new Uint8Array(catalogue.patternsEnd);
    for (let id = 1; id < this.#mask.length; id++) {
      const known = catalogue.pattern(id);
      if (known !== undefined && acceptsPattern(selection, catalogue, known)) this.#mask[id] = 1;
    }
    let [passing, all] = [0, 0];
    for (const { pattern, system, paths } of columns.totals()) {
      all += paths;
      if (this.#mask[pattern] === 1 && (this.#system === ANY || system === this.#system)) passing += paths;
    }
    this.share = all === 0 ? 0 : passing / all;
  }

  accepts(id: number): boolean {
    const { pattern, system } = this.#columns;
    return this.#mask[pattern[id]!] === 1 && (this.#system === ANY || system[id] === this.#system);
  }
}

function acceptsPattern(selection: Selection, catalogue: Catalogue, known: KnownPattern): boolean {
  if (selection.status !== undefined && known.status !== selection.status) return false;
  if (selection.kind !== undefined && known.kind !== selection.kind) return false;
  if (selection.operator === undefined) return true;
  const operator = catalogue.operatorNamed(selection.operator);
  const { agreeing, outliers } = known;
  const isOutlier = outliers.includes(operator);
  if (!isOutlier && !agreeing.includes(operator)) return false;
  const isAgainstMost = isOutlier && agreeing.length > outliers.length;
  return selection.outlier === undefined || selection.outlier === isAgainstMost;
}
