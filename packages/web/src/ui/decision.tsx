// What the policy of this node decides, and every vote that it counted or did not.
import type { ExplainedVote, Explanation } from "trustix/src/policy/explain.ts";
import type { Answer } from "../api/use-answer.ts";
import { visible } from "../text.ts";
import { Failure, Loading, Notice, Panel, Time } from "./basics.tsx";
import { Quorum } from "./quorum.tsx";
import { Scroll } from "./scroll.tsx";
import { labelOf } from "./statements.tsx";

/** The decision of this node on a path. */
export function DecisionPanel({
  decision: { data, error },
  order,
}: {
  readonly decision: Answer<Explanation>;
  /** Statements in the order in which the page has them: they get the same letters here. */
  readonly order: readonly string[];
}) {
  return (
    <Panel title="Decision of this node">
      {error !== undefined && <Failure error={error} what="decision" />}
      {data === undefined && error === undefined && <Loading rows={5} />}
      {data !== undefined && <Decision explanation={relabel(data, order)} />}
    </Panel>
  );
}

/** The explanation with the letters of the page, which knows statements that were not asked about just now. */
function relabel(explanation: Explanation, order: readonly string[]): Explanation {
  const statements = [...order, ...explanation.statements.map(({ statement }) => statement)];
  const letters = new Map<string, string>();
  for (const { label, statement } of explanation.statements) {
    letters.set(label, labelOf(statements.indexOf(statement)));
  }
  const letter = (label: string): string => letters.get(label) ?? label;
  const verdict = <T extends { readonly label: string | null }>(given: T): T => ({
    ...given,
    label: given.label === null ? null : letter(given.label),
  });
  return {
    ...verdict(explanation),
    enforced: verdict(explanation.enforced),
    votes: explanation.votes.map((vote) => ({
      ...vote,
      labels: vote.labels.map(letter),
      sources: vote.sources.map(verdict),
    })),
  };
}

function Decision({ explanation }: { readonly explanation: Explanation }) {
  const { rule, mode, quorum, votes, enforced } = explanation;
  return (
    <>
      <Verdict verdict={explanation} />
      {mode === "report" && (
        <p>
          The policy only reports. Enforcing it would mean: {enforced.accepted ? "accepted" : "refused"},{" "}
          {visible(enforced.explanation, 600)}
        </p>
      )}
      <p class="dim">
        Rule <b>{visible(rule.name, 100)}</b> applies because {visible(rule.because, 300)}.
      </p>
      {quorum !== null && <Quorum outcome={quorum} />}
      <Votes votes={votes} />
    </>
  );
}

function Verdict({ verdict }: { readonly verdict: Explanation["enforced"] }) {
  const { accepted, label, basis, reason, explanation } = verdict;
  const title = accepted
    ? `Accepted${label === null ? "" : `: statement ${label}`}`
    : `Refused${reason === null ? "" : `: ${visible(reason.replaceAll("-", " "), 60)}`}`;
  return (
    <Notice tone={accepted ? "good" : "bad"} title={title}>
      <p>
        {visible(explanation, 1000)}
        {accepted && basis !== null && basis !== "quorum" && <span class="dim"> ({visible(basis, 60)})</span>}
      </p>
    </Notice>
  );
}

function Votes({ votes }: { readonly votes: readonly ExplainedVote[] }) {
  if (votes.length === 0) return null;
  return (
    <Scroll label="Votes of all operators">
      <table>
        <caption class="sr-only">Votes of all operators</caption>
        <thead>
          <tr>
            <th scope="col">Operator</th>
            <th scope="col">Vote</th>
            <th scope="col">Known from</th>
            <th scope="col">Seen</th>
          </tr>
        </thead>
        <tbody>
          {votes.map((vote) => (
            <tr key={vote.operator}>
              <th scope="row">
                {visible(vote.operator, 64)}{" "}
                {!vote.counts && <span class="dim">(not asked by the rule)</span>}
              </th>
              <td>
                <VoteWord vote={vote} />
              </td>
              <td>
                <ul>
                  {vote.sources.map((source) => (
                    <li key={`${source.subscription} ${source.index} ${source.label}`}>
                      {source.evidence === "logged"
                        ? `log ${visible(source.subscription, 64)}, index ${source.index}`
                        : `signature only: ${visible(source.keyName ?? "", 100)} in ${visible(source.subscription, 64)}`}
                    </li>
                  ))}
                </ul>
              </td>
              <td>
                {vote.sources.map(
                  ({ seenAt, index, subscription }) =>
                    seenAt !== null && (
                      <div key={`${subscription} ${index}`}>
                        <Time at={seenAt} />
                      </div>
                    ),
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function VoteWord({ vote: { vote, labels, reason } }: { readonly vote: ExplainedVote }) {
  const stated = labels.map((label) => visible(label, 8)).join(", ");
  switch (vote) {
    case "statement":
      return <b>{stated}</b>;
    case "conflicting":
      return <span class="badge bad">{stated}: contradicts itself</span>;
    case "absent":
      return <span class="dim">has not built it</span>;
    case "unreachable":
      return <span class="badge warn">unreachable: {visible(reason ?? "", 300)}</span>;
    case "quarantined":
      return (
        <span class="badge warn">
          {stated === "" ? "" : `${stated}, `}in quarantine: {visible(reason ?? "", 300)}
        </span>
      );
    default:
      vote satisfies never;
      return <span>{visible(String(vote), 40)}</span>;
  }
}
