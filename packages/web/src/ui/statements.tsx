// What was stated of a path, and by whom; each logged claim is verified.
import type { PathDetailJson } from "trustix/src/http/insight-schema.ts";
import { hrefTo } from "../router.ts";
import { formatBytes, formatCount, plural, visible } from "../text.ts";
import type { Outcome } from "../verify/check.ts";
import { statedPath } from "../verify/shown.ts";
import { Operators, Panel, Time } from "./basics.tsx";
import { ClaimCheck } from "./claim-check.tsx";
import { Copy } from "./copy.tsx";

type StatementJson = PathDetailJson["statements"][number];
type ClaimJson = StatementJson["claims"][number];

/** Letters that stand for statements, where most agree first. */
export const labelOf = (index: number): string =>
  index < 26
    ? String.fromCharCode(0x41 + index)
    : `${labelOf(Math.floor(index / 26) - 1)}${labelOf(index % 26)}`;

/** Claims that are shown and verified; a log with more of them on one path is the reader's problem in itself. */
const MAX_CLAIMS = 40;

/** Every statement with its claims. */
export function Statements({
  hashPart,
  path,
  onOutcome,
}: {
  /** What the reader asked for. */
  readonly hashPart: string;
  readonly path: PathDetailJson;
  readonly onOutcome: (claim: string, outcome: Outcome) => void;
}) {
  return (
    <Panel
      title={
        path.statements.length === 1 ? "What is stated" : `${path.statements.length} different statements`
      }
      note="Each claim is checked against its builder's log, here in your browser."
    >
      {path.statements.length === 0 && <p class="dim">Nobody states anything.</p>}
      {path.statements.slice(0, MAX_CLAIMS).map((statement, index) => (
        <StatementPart
          key={statement.statement}
          statement={statement}
          index={index}
          hashPart={hashPart}
          path={path}
          onOutcome={onOutcome}
        />
      ))}
    </Panel>
  );
}

/** What a statement says, taken from its text, which is what is verified: `1;<path>;<hash>;<size>;<references>`. */
function factsOf(statement: string): {
  readonly narHash: string;
  readonly narSize: number;
  readonly references: string;
} {
  const [, , narHash = "?", narSize = "", references = ""] = statement.split(";");
  const isDigest = references.startsWith("#");
  const count = references === "" ? 0 : references.split(",").length;
  return {
    narHash,
    narSize: /^\d{1,15}$/.test(narSize) ? Number(narSize) : 0,
    references: isDigest ? "more references than a statement holds" : plural(count, "reference"),
  };
}

function StatementPart({
  statement,
  index,
  hashPart,
  path,
  onOutcome,
}: {
  readonly statement: StatementJson;
  readonly index: number;
  readonly hashPart: string;
  readonly path: PathDetailJson;
  readonly onOutcome: (claim: string, outcome: Outcome) => void;
}) {
  const { claims } = statement;
  const { narHash, narSize, references } = factsOf(statement.statement);
  const operators = [...new Set(claims.map(({ operator }) => operator))];
  const stated = statedPath(statement.statement);
  const [most] = path.statements;
  const mostHash = most === undefined ? undefined : factsOf(most.statement).narHash;
  const unlisted = claims.length - MAX_CLAIMS;
  return (
    <section class="statement" aria-label={`Statement ${labelOf(index)}`}>
      <h3>
        <span class="label">{labelOf(index)}</span> <Operators names={operators} />
      </h3>
      <dl class="facts">
        {stated !== path.storePath && (
          <>
            <dt>
              <span class="badge warn">Another name</span>
            </dt>
            <dd>
              <code>{visible(stated, 400)}</code>
            </dd>
          </>
        )}
        <dt>NAR hash</dt>
        <dd>
          <code>{visible(narHash, 100)}</code> <Copy text={narHash} what="the NAR hash" />{" "}
          {mostHash !== undefined && mostHash !== narHash && (
            <a href={hrefTo(["diff", path.hashPart], { before: mostHash, after: narHash })}>compare with A</a>
          )}
        </dd>
        <dt>Size</dt>
        <dd>
          {formatBytes(narSize)}, {references}
        </dd>
      </dl>
      <details>
        <summary>The statement in full</summary>
        <pre class="command">
          <code>{visible(statement.statement, 70_000)}</code>
        </pre>
      </details>
      <ul class="claims">
        {claims.slice(0, MAX_CLAIMS).map((claim) => (
          <li key={`${claim.subscription} ${claim.index}`}>
            <ClaimLine claim={claim} />
            {claim.index !== null && (
              <ClaimCheck
                claim={{
                  subscription: claim.subscription,
                  index: claim.index,
                  statement: statement.statement,
                  hashPart,
                }}
                onOutcome={(outcome) =>
                  onOutcome(`${claim.subscription} ${claim.index} ${statement.statement}`, outcome)
                }
              />
            )}
          </li>
        ))}
        {unlisted > 0 && <li class="dim">{`${plural(unlisted, "more claim")}, not shown.`}</li>}
      </ul>
    </section>
  );
}

function ClaimLine({ claim: { operator, subscription, index, seen } }: { readonly claim: ClaimJson }) {
  return (
    <p>
      <b>{visible(operator, 64)}</b>{" "}
      {index === null ? (
        <>
          <span class="badge warn" title="A signature cannot tell built from copied, and is not in a log.">
            signature only
          </span>{" "}
          in {visible(subscription, 64)}
        </>
      ) : (
        <>
          at index {formatCount(index)} of log{" "}
          <a href={hrefTo(["log", subscription], { before: String(index + 1) })}>
            {visible(subscription, 64)}
          </a>
        </>
      )}
      <span class="dim">
        , seen <Time at={seen} />
      </span>
    </p>
  );
}
