// Who agrees with whom, what the estimate says of each builder and how sure it is, and which paths weigh most.

import { useSignal } from "@preact/signals";
import type { BuilderJson, BuildersJson, SuspicionJson } from "trustix/src/http/insight-schema.ts";
import { useAnswer } from "../api/use-answer.ts";
import { hrefTo } from "../router.ts";
import { formatCount, formatList, formatProbability, visible } from "../text.ts";
import { Command, Loading, Notice, Panel, PathLink, Time } from "../ui/basics.tsx";
import { PageHeading } from "../ui/heading.tsx";
import { Interval } from "../ui/interval.tsx";
import { Matrix } from "../ui/matrix.tsx";
import { InsightFailure, NoSubscription } from "../ui/no-subscription.tsx";
import { Scroll } from "../ui/scroll.tsx";
import { describeCounts, StatusBar } from "../ui/status-bar.tsx";
import { verdictMeaning } from "../words.ts";

/** All builders. */
export function BuildersPage() {
  const { data, error } = useAnswer<BuildersJson>("/api/v1/builders");
  return (
    <>
      <PageHeading title="Builders">
        A package that does not build reproducibly differs at every builder; a builder that deviates differs
        where the others agree. The estimate tells the two apart.
      </PageHeading>
      {error !== undefined && <InsightFailure error={error} what="builders" />}
      {data === undefined && error === undefined && <Loading rows={14} />}
      {data !== undefined && <Builders builders={data} />}
    </>
  );
}

function Builders({
  builders: { builders, matrix, suspicions, estimatedAt },
}: {
  readonly builders: BuildersJson;
}) {
  if (builders.length === 0) {
    return <NoSubscription />;
  }
  return (
    <>
      {suspicions.map((suspicion) => (
        <Suspicion suspicion={suspicion} key={suspicion.operators.join(" ")} />
      ))}
      <div class="grid builders">
        {builders.map((builder) => (
          <Builder builder={builder} key={builder.operator} />
        ))}
      </div>
      {builders.length > 1 && (
        <Panel title="Agreement" note="of the paths that both have built, the share with the same result">
          <Matrix names={builders.map(({ operator }) => operator)} {...matrix} />
        </Panel>
      )}
      <Panel title="What the estimate assumes">
        <p>
          Each package is reproducible or flaky, and flaky ones come out differently by chance; each builder
          builds reproducible packages like the others unless it deviates, alone or together with a few. From
          all claims at once it is worked out how probable each of these is, so a flaky package does not smear
          a builder and a rare deviation is not hidden by volume; it cannot see a deviation that all builders
          share.
        </p>
        <p class="dim">
          {estimatedAt === null ? (
            "There is no estimate yet."
          ) : (
            <>
              Estimated <Time at={estimatedAt} />.
            </>
          )}{" "}
          The model is described in <code>docs/reports.md</code> of the program.
        </p>
      </Panel>
    </>
  );
}

/** Paths of a suspicion that are shown before the reader asks for all. */
const FIRST_EVIDENCE = 10;

function Suspicion({ suspicion }: { readonly suspicion: SuspicionJson }) {
  const isWhole = useSignal(false);
  const { operators, probability, rate, paths, evidence } = suspicion;
  const names = formatList(operators.map((name) => visible(name, 64)));
  const together = operators.length > 1 ? " together" : "";
  return (
    <Panel title={`Suspicion: ${names}`} note={`probability ${formatProbability(probability)}`} tone="bad">
      <p>
        {names} {operators.length > 1 ? "deviate" : "deviates"}
        {together} on about <b>{formatCount(Math.round(paths))}</b> reproducible paths, that is{" "}
        <Interval
          interval={rate}
          max={Math.max(rate.high * 1.1, 0.001)}
          label="Share of reproducible paths"
        />
      </p>
      <Scroll label={`Paths that weigh most against ${names}`}>
        <table>
          <caption class="sr-only">Paths that weigh most against {names}</caption>
          <thead>
            <tr>
              <th scope="col">Path</th>
              <th scope="col" class="number">
                Deviation
              </th>
              <th scope="col">Other versions of the package</th>
              <th scope="col">Changed</th>
            </tr>
          </thead>
          <tbody>
            {(isWhole.value ? evidence : evidence.slice(0, FIRST_EVIDENCE)).map((path) => (
              <tr key={path.hashPart}>
                <th scope="row">
                  <PathLink path={path} />
                </th>
                <td class="number">{formatProbability(path.probability)}</td>
                <td class="dim">{CONTEXT[path.context] ?? ""}</td>
                <td class="dim">
                  <Time at={path.changed} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {!isWhole.value && evidence.length > FIRST_EVIDENCE && (
        <p>
          <button
            type="button"
            onClick={() => {
              isWhole.value = true;
            }}
          >
            Show all {evidence.length} that weigh most
          </button>
        </p>
      )}
    </Panel>
  );
}

const CONTEXT: Readonly<Record<SuspicionJson["evidence"][number]["context"], string>> = {
  unknown: "none that two have built",
  agreed: "all agree there",
  outliers: "single builders differ there, too",
  disputed: "disputed as well",
};

function Builder({ builder }: { readonly builder: BuilderJson }) {
  const { operator, subscriptions, counts, outlier, alone, torn, assessment, quarantine } = builder;
  const verdict = assessment === null ? undefined : verdictMeaning(assessment);
  const tone =
    assessment?.verdict === "suspect" ? "bad" : assessment?.verdict === "faithful" ? "good" : "info";
  return (
    <Panel
      title={visible(operator, 64)}
      note={verdict === undefined ? "not assessed yet" : <span class={`badge ${tone}`}>{verdict.label}</span>}
    >
      {quarantine !== null && (
        <Notice tone="warn" title="In quarantine: it does not count">
          <p>
            Since <Time at={quarantine.since} />: {visible(quarantine.reason, 300)}. To let it count again:
          </p>
          <Command>{`trustix quarantine release ${/^[a-z0-9][a-z0-9._-]*$/.test(operator) ? operator : "OPERATOR"}`}</Command>
        </Notice>
      )}
      {verdict !== undefined && <p>{verdict.meaning}</p>}
      <StatusBar counts={counts} label={`${visible(operator, 64)}: ${describeCounts(counts)}`} />
      <dl class="facts">
        <dt>Paths</dt>
        <dd>
          <a href={hrefTo(["packages"], { operator })}>{formatCount(counts.paths)}</a>{" "}
          <span class="dim">{describeCounts(counts)}</span>
        </dd>
        <dt>Against most</dt>
        <dd>
          <a href={hrefTo(["packages"], { operator, outlier: "true" })}>{formatCount(outlier)}</a>
          <span class="dim"> where more than half agree on something else</span>
        </dd>
        <dt>Alone</dt>
        <dd>
          {formatCount(alone)} <span class="dim">of these with nobody on its side</span>
        </dd>
        {torn > 0 && (
          <>
            <dt>Contradictions</dt>
            <dd>
              {formatCount(torn)} <span class="dim">where it says two different things</span>
            </dd>
          </>
        )}
        {assessment !== null && assessment.reproduciblePaths >= 1 && (
          <>
            <dt>Deviation</dt>
            <dd>
              <Interval
                interval={assessment.deviation}
                max={Math.max(0.002, assessment.deviation.high * 1.15)}
                label="Deviation"
              />
              <span class="dim">
                {" "}
                of {formatCount(Math.round(assessment.reproduciblePaths))} reproducible paths that others
                built
              </span>
            </dd>
            <dt>Suspicion</dt>
            <dd>
              {formatProbability(assessment.suspicion)}{" "}
              <span class="dim">that it deviates, alone or with others</span>
            </dd>
          </>
        )}
        <dt>Known from</dt>
        <dd>{subscriptions.map((name) => visible(name, 64)).join(", ") || "no subscription any more"}</dd>
      </dl>
    </Panel>
  );
}
