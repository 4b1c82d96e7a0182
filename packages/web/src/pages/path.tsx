// One path: what it is, what everybody says of it, what the policy makes of that, and proof of each claim.
import { useSignal } from "@preact/signals";
import type { OverviewJson, PathDetailJson } from "trustix/src/http/insight-schema.ts";
import type { Explanation } from "trustix/src/policy/explain.ts";
import { useAnswer } from "../api/use-answer.ts";
import { hrefTo } from "../router.ts";
import { formatProbability, visible } from "../text.ts";
import { ClassName, Failure, Loading, Notice, Panel, StatusBadge, Time } from "../ui/basics.tsx";
import { Copy } from "../ui/copy.tsx";
import { DecisionPanel } from "../ui/decision.tsx";
import { PageHeading } from "../ui/heading.tsx";
import { PathTable } from "../ui/path-table.tsx";
import { Statements } from "../ui/statements.tsx";
import { CLASS } from "../words.ts";
import type { PageProps } from "./index.tsx";

/** The page of a path, by its hash part. */
export function PathPage({ segments: [hashPart = ""] }: PageProps) {
  const path = `/api/v1/paths/${encodeURIComponent(hashPart)}`;
  const { data, error } = useAnswer<PathDetailJson>(path);
  const decision = useAnswer<Explanation>(`/api/v1/decisions/${encodeURIComponent(hashPart)}`);
  const failed = useSignal<ReadonlySet<string>>(new Set());
  return (
    <>
      <PageHeading
        title={
          data === undefined
            ? visible(hashPart, 40)
            : visible(baseOf(data.storePath).slice(HASH_LENGTH + 1), 211)
        }
      >
        {data !== undefined && (
          <>
            <code class="store-path">{visible(data.storePath, 400)}</code>{" "}
            <Copy text={data.storePath} what="the store path" />
          </>
        )}
      </PageHeading>
      {failed.value.size > 0 && (
        <Notice tone="bad" title="Not everything here is what the logs say" isAlert>
          <p>
            {failed.value.size === 1
              ? "A claim on this page is"
              : `${failed.value.size} claims on this page are`}{" "}
            not backed by the log that is named for it. Do not rely on it: see the failed check below, and ask
            another node.
          </p>
        </Notice>
      )}
      {data !== undefined && !isAbout(data.storePath, hashPart) && (
        <Notice tone="bad" title="The node answers about another path than was asked for" isAlert />
      )}
      {error !== undefined && <Failure error={error} what="such path" />}
      {data === undefined && error === undefined && <Loading rows={14} />}
      {data !== undefined && (
        <>
          <Summary path={data} />
          <Statements
            hashPart={hashPart}
            path={data}
            onOutcome={(claim, outcome) => {
              const isNew = outcome === "failed" && !failed.value.has(claim);
              const isGone = outcome !== "failed" && failed.value.has(claim);
              if (!isNew && !isGone) return;
              const next = new Set(failed.value);
              if (isNew) next.add(claim);
              else next.delete(claim);
              failed.value = next;
            }}
          />
        </>
      )}
      <DecisionPanel decision={decision} order={data?.statements.map(({ statement }) => statement) ?? []} />
      {data !== undefined && (
        <>
          <HistoryPanel path={data} />
          {data.related.length > 0 && (
            <Panel
              title={`Other paths of ${visible(data.package, 100)}`}
              note={<a href={hrefTo(["package", data.package])}>The package, with all votes</a>}
            >
              <PathTable paths={data.related} caption={`Other paths of ${visible(data.package, 100)}`} />
            </Panel>
          )}
        </>
      )}
    </>
  );
}

const HASH_LENGTH = 32;

const baseOf = (storePath: string): string => storePath.slice(storePath.lastIndexOf("/") + 1);

/** Whether a store path has a hash part. */
function isAbout(storePath: string, hashPart: string): boolean {
  return baseOf(storePath).startsWith(`${hashPart}-`);
}

function Summary({ path }: { readonly path: PathDetailJson }) {
  const meaning = CLASS[path.kind]?.meaning ?? "";
  const [first, second] = path.statements;
  return (
    <div class="summary">
      <StatusBadge status={path.status} />
      <span>
        <ClassName kind={path.kind} />: {meaning}
      </span>
      <span class="dim">
        package <a href={hrefTo(["package", path.package])}>{visible(path.package, 100)}</a>,{" "}
        {path.system === null ? "system not stated" : visible(path.system, 64)}, first seen{" "}
        <Time at={path.firstSeen} />
      </span>
      <Reproducibility path={path} />
      {first !== undefined && second !== undefined && first.narHash !== second.narHash && (
        <a
          class="button"
          href={hrefTo(["diff", path.hashPart], { before: first.narHash, after: second.narHash })}
        >
          See what differs
        </a>
      )}
    </div>
  );
}

/** Paths that two operators or more must have built until the estimate has learned enough to speak of a single one. */
const ENOUGH_PATHS = 300;
/** How sure the estimate has to be to be quoted either way. */
const SURE = 0.8;

/** What the estimate takes the path for, if it has seen enough. */
function Reproducibility({ path }: { readonly path: PathDetailJson }) {
  const { reproducibility: probability, status } = path;
  const overview = useAnswer<OverviewJson>("/api/v1/overview").data;
  const shared = (overview?.total.reproducible ?? 0) + (overview?.total.disputed ?? 0);
  if (probability === null || shared < ENOUGH_PATHS) return null;
  return (
    <span class="dim">
      {probability >= SURE
        ? `The estimate takes it for reproducible (${formatProbability(probability)} sure)${status === "disputed" ? ": whoever differs deviates" : ""}.`
        : probability <= 1 - SURE
          ? `The estimate takes it for flaky (${formatProbability(1 - probability)} sure): that builders differ says nothing of them.`
          : "The estimate cannot tell whether it is flaky or a builder deviates."}
    </span>
  );
}

/** What a class was, as a sentence. */
const WAS: Readonly<Record<PathDetailJson["kind"], string>> = {
  unchecked: "No claim on it counted.",
  single: "A single operator had built it.",
  unanimous: "All operators who had built it agreed.",
  majority: "More than half of the operators agreed, others stated something else.",
  split: "Operators disagreed, and no result had more than half of them.",
  conflicting: "An operator contradicted itself, so it counted for nobody.",
};

function HistoryPanel({ path: { history } }: { readonly path: PathDetailJson }) {
  return (
    <Panel title="History">
      <ol class="history">
        {history.changes.map(({ at, kind }, index) => (
          // Two changes may be in the same second, and the list only grows at its end.
          <li key={index}>
            <Time at={at} /> <span>{WAS[kind] ?? visible(String(kind), 20)}</span>
          </li>
        ))}
      </ol>
      {history.disputed !== null && (
        <p>
          Disputed since <Time at={history.disputed} />
          {history.healed !== null && (
            <>
              , agreed again since <Time at={history.healed} />
            </>
          )}
          .
        </p>
      )}
    </Panel>
  );
}
