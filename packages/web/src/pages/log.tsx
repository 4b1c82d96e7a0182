// One log that this node listens to: how it fares, what it signed, what is in it; all of it verified here.
import { useSignal } from "@preact/signals";
import type { CheckpointsJson, EntriesJson } from "trustix/src/http/insight-schema.ts";
import { type ListenedLog, useSubscriptions } from "../api/node.ts";
import { useAnswer } from "../api/use-answer.ts";
import { hrefTo } from "../router.ts";
import { formatBytes, formatCount, visible } from "../text.ts";
import { Command, Failure, Loading, Notice, Panel, Time } from "../ui/basics.tsx";
import { CheckpointCheck } from "../ui/checkpoint-check.tsx";
import { ClaimCheck } from "../ui/claim-check.tsx";
import { EntryText } from "../ui/entry-text.tsx";
import { PageHeading } from "../ui/heading.tsx";
import { Health } from "../ui/health.tsx";
import { LogKey } from "../ui/log-key.tsx";
import { subscriptionId } from "../verify/claim.ts";
import { attributeLines } from "../verify/shown.ts";
import { HEALTH } from "../words.ts";
import type { PageProps } from "./index.tsx";

const PAGE_SIZE = 20;

/** The page of a subscription to a log. */
export function LogPage({ segments: [name = ""], query }: PageProps) {
  const base = `/api/v1/subscriptions/${encodeURIComponent(name)}`;
  const subscriptions = useSubscriptions();
  const checkpoints = useAnswer<CheckpointsJson>(`${base}/checkpoints`);
  const subscription = subscriptions.data?.subscriptions.find(
    (each): each is ListenedLog => each.kind === "log" && each.subscription === name,
  );
  const before = /^\d{1,16}$/.test(query.get("before") ?? "") ? (query.get("before") ?? "") : undefined;
  const log = checkpoints.data && {
    id: subscriptionId(name),
    origin: checkpoints.data.origin,
    vkey: checkpoints.data.vkey,
  };
  return (
    <>
      <PageHeading title={`Log ${visible(name, 64)}`}>
        {checkpoints.data !== undefined && <code>{visible(checkpoints.data.origin, 300)}</code>}
      </PageHeading>
      {checkpoints.error !== undefined && <Failure error={checkpoints.error} what="such log" />}
      <div class="grid">
        {subscription !== undefined && <State of={subscription} />}
        {log !== undefined && (
          <Panel title="Key">
            <LogKey log={log} />
          </Panel>
        )}
      </div>
      {checkpoints.data === undefined && checkpoints.error === undefined && <Loading rows={12} />}
      {checkpoints.data !== undefined && <Entries name={name} base={base} before={before} />}
      {log !== undefined && checkpoints.data !== undefined && (
        <Checkpoints name={name} log={log} checkpoints={checkpoints.data.checkpoints} />
      )}
      <p class="note">
        What no browser can see alone: whether the log shows this same history to everybody else. Witnesses,
        or the same page on somebody else's node, tell.
      </p>
    </>
  );
}

function State({ of }: { readonly of: ListenedLog }) {
  const { health, operator, address, size, lag, claims, fault, lastError } = of;
  return (
    <Panel title="State" note={<Health health={health} />}>
      <p>{HEALTH[health]?.meaning}</p>
      {fault !== undefined && (
        <Notice tone="bad" title={`It does not count: ${visible(fault.reason, 400)}`}>
          <p>
            Noticed <Time at={fault.atMs} />. What it signed is kept as{" "}
            <a href={hrefTo(["evidence"])}>evidence</a>. Ask its operator; when you know why and want it to
            count again:
          </p>
          <Command>{`trustix clear ${visible(of.subscription, 64)}`}</Command>
        </Notice>
      )}
      <dl class="facts">
        <dt>Operator</dt>
        <dd>{visible(operator, 64)}</dd>
        {address !== undefined && (
          <>
            <dt>Address</dt>
            <dd>{visible(address, 300)}</dd>
          </>
        )}
        <dt>Entries</dt>
        <dd>
          {formatCount(size)}
          <span class="dim">{lag === 0 ? ", all read" : `, ${formatCount(lag)} of them not read yet`}</span>
        </dd>
        <dt>Claims</dt>
        <dd>
          {formatCount(claims)} <span class="dim">{formatBytes(of.statementBytes)} of statements</span>
        </dd>
        {of.unreadableEntries > 0 && (
          <>
            <dt>Unreadable</dt>
            <dd>{formatCount(of.unreadableEntries)} entries are no claims</dd>
          </>
        )}
        <dt>Newest</dt>
        <dd>{of.lastNewAtMs === undefined ? "nothing yet" : <Time at={of.lastNewAtMs} />}</dd>
        {lastError !== undefined && (
          <>
            <dt>Last failure</dt>
            <dd>
              <Time at={lastError.atMs} />: {visible(lastError.message, 300)}
            </dd>
          </>
        )}
      </dl>
    </Panel>
  );
}

function Entries({
  name,
  base,
  before,
}: {
  readonly name: string;
  readonly base: string;
  readonly before: string | undefined;
}) {
  const path = `${base}/entries?limit=${PAGE_SIZE}${before === undefined ? "" : `&before=${before}`}`;
  const { data, error, isOld } = useAnswer<EntriesJson>(path, { keepOld: true });
  const last = data?.entries.at(-1)?.index ?? 0;
  return (
    <Panel title={before === undefined ? "Newest entries" : "Entries"}>
      {error !== undefined && <Failure error={error} what="entries" />}
      {data === undefined && error === undefined && <Loading rows={10} />}
      {data?.entries.length === 0 && <p class="dim">The log is empty.</p>}
      <ol class={isOld ? "entries old" : "entries"}>
        {data?.entries.slice(0, PAGE_SIZE).map(({ index, statement, attributes }) => (
          <li key={index}>
            <EntryText index={index} statement={statement} attributes={attributeLines(attributes)} />
            <ClaimCheck claim={{ subscription: name, index, statement, attributes }} />
          </li>
        ))}
      </ol>
      <nav class="paging" aria-label="Pages of entries">
        {before === undefined ? <span /> : <a href={hrefTo(["log", name])}>← Newest</a>}
        {last > 0 && <a href={hrefTo(["log", name], { before: String(last) })}>Older →</a>}
      </nav>
    </Panel>
  );
}

const FIRST_CHECKPOINTS = 5;

function Checkpoints({
  name,
  log,
  checkpoints,
}: {
  readonly name: string;
  readonly log: { readonly id: string; readonly origin: string; readonly vkey: string };
  readonly checkpoints: CheckpointsJson["checkpoints"];
}) {
  const shown = useSignal(FIRST_CHECKPOINTS);
  return (
    <Panel title="Checkpoints" note="what the log signed, newest first">
      {checkpoints.length === 0 && <p class="dim">None was accepted yet.</p>}
      <ol class="entries">
        {checkpoints.slice(0, shown.value).map((checkpoint) => (
          <li key={`${checkpoint.size} ${checkpoint.root}`}>
            <p>
              <b>{formatCount(checkpoint.size)}</b> entries, root <code>{visible(checkpoint.root, 60)}</code>
              <span class="dim">
                , seen <Time at={checkpoint.seen} />
              </span>
            </p>
            <CheckpointCheck subscription={name} log={log} checkpoint={checkpoint} />
          </li>
        ))}
      </ol>
      {checkpoints.length > shown.value && (
        <button
          type="button"
          onClick={() => {
            shown.value += 10;
          }}
        >
          Show and verify more
        </button>
      )}
    </Panel>
  );
}
