// Which paths a query is about. All but the system follows from the pattern, of which there are few.
import type { PathClassName, PathStatusName } from "../../http/insight-schema.ts";
import type { Catalogue, KnownPattern } from "./catalogue.ts";
import type { PathColumns } from "./path-columns.ts";

/** What a path must be. */
export interface PathFilter {
  readonly status?: PathStatusName | undefined;
  readonly kind?: PathClassName | undefined;
  readonly system?: string | undefined;
  /** It has a claim on the path. */
  readonly operator?: string | undefined;
  /** Whether more than half of those with a claim agree on something else than the operator. */
  readonly outlier?: boolean | undefined;
}

/** Whether a path, by number, is what it must be. */
export function acceptsPath(
  filter: PathFilter,
  catalogue: Catalogue,
  { pattern, system }: PathColumns,
): (id: number) => boolean {
  const wantedSystem = filter.system === undefined ? undefined : catalogue.systemNamed(filter.system);
  if (wantedSystem === -1) return () => false;
  const mask = new Uint8Array(catalogue.patternsEnd);
  for (let id = 1; id < mask.length; id++) {
    const known = catalogue.pattern(id);
    if (known !== undefined && acceptsPattern(filter, catalogue, known)) mask[id] = 1;
  }
  if (wantedSystem === undefined) return (id) => mask[pattern[id]!] === 1;
  return (id) => mask[pattern[id]!] === 1 && system[id] === wantedSystem;
}

function acceptsPattern(filter: PathFilter, catalogue: Catalogue, known: KnownPattern): boolean {
  if (filter.status !== undefined && known.status !== filter.status) return false;
  if (filter.kind !== undefined && known.kind !== filter.kind) return false;
  if (filter.operator === undefined) return true;
  const operator = catalogue.operatorNamed(filter.operator);
  const { agreeing, outliers } = known;
  const isOutlier = outliers.includes(operator);
  if (!isOutlier && !agreeing.includes(operator)) return false;
  return filter.outlier === undefined || filter.outlier === (isOutlier && agreeing.length > outliers.length);
}
