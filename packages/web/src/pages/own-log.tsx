// One log of this node, read by this browser as by anyone else: checkpoint and tiles, all verified.
import { decodeUtf8, TlogError } from "@trustix/tlog";
import { changes } from "../api/live.ts";
import { useStatus } from "../api/node.ts";
import { hrefTo } from "../router.ts";
import { formatCount, visible } from "../text.ts";
import { Failure, Loading, Notice, Panel } from "../ui/basics.tsx";
import { Checks } from "../ui/checks.tsx";
import { EntryText } from "../ui/entry-text.tsx";
import { PageHeading } from "../ui/heading.tsx";
import { LogKey } from "../ui/log-key.tsx";
import type { NamedLog } from "../verify/log.ts";
import { type ReadEntry, readOwnLog } from "../verify/own-log.ts";
import { useVerification } from "../verify/use-verification.ts";
import type { PageProps } from "./index.tsx";

const PAGE_SIZE = 20;

/** The page of a log of this node. */
export function OwnLogPage({ segments: [name = ""], query }: PageProps) {
  const { data, error } = useStatus();
  const log = data?.logs.find((each) => each.name === name);
  const text = query.get("before") ?? "";
  const before = /^\d{1,15}$/.test(text) ? Number(text) : undefined;
  return (
    <>
      <PageHeading title={`Log ${visible(name, 64)}`}>
        A log of this node, read and verified by your browser as anyone can.
        {log !== undefined && (
          <>
            {" "}
            <code>{visible(log.origin, 300)}</code>
          </>
        )}
      </PageHeading>
      {error !== undefined && <Failure error={error} what="status" />}
      {data === undefined && error === undefined && <Loading rows={10} />}
      {data !== undefined && log === undefined && <Notice tone="bad" title="This node has no such log" />}
      {log !== undefined && (
        <OwnLog name={name} log={{ id: `own ${name}`, origin: log.origin, vkey: log.vkey }} before={before} />
      )}
    </>
  );
}

function OwnLog({
  name,
  log,
  before,
}: {
  readonly name: string;
  readonly log: NamedLog;
  readonly before: number | undefined;
}) {
  const identity = `${name} ${log.origin} ${log.vkey} ${before ?? ""}`;
  const { result, again } = useVerification(
    identity,
    (signal) => readOwnLog(name, log, { before, limit: PAGE_SIZE, signal }),
    before === undefined ? changes.value : 0,
  );
  const last = result?.entries.at(-1)?.index ?? 0;
  return (
    <>
      <div class="grid">
        <Panel title="Verification" note={result === undefined ? "" : `${formatCount(result.size)} entries`}>
          <Checks verification={result?.verification} onAgain={again}>
            <pre class="command">
              <code>{visible(result?.note ?? "", 4000).replaceAll("\\u{a}", "\n")}</code>
            </pre>
          </Checks>
        </Panel>
        <Panel title="Key">
          <LogKey log={log} />
        </Panel>
      </div>
      <Panel title={before === undefined ? "Newest entries" : "Entries"}>
        {result?.entries.length === 0 && <p class="dim">Nothing that is verified.</p>}
        <ol class="entries">
          {result?.entries.map((entry) => (
            <li key={entry.index}>
              <Entry entry={entry} />
            </li>
          ))}
        </ol>
        <nav class="paging" aria-label="Pages of entries">
          {before === undefined ? <span /> : <a href={hrefTo(["own", name])}>← Newest</a>}
          {last > 0 && <a href={hrefTo(["own", name], { before: String(last) })}>Older →</a>}
        </nav>
      </Panel>
    </>
  );
}

function Entry({ entry: { index, bytes } }: { readonly entry: ReadEntry }) {
  const text = textOf(bytes);
  const [statement = null, ...attributes] = text === undefined ? [] : text.split("\n").filter(Boolean);
  return <EntryText index={index} statement={statement} attributes={attributes} />;
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return decodeUtf8(bytes);
  } catch (error) {
    if (error instanceof TlogError) return undefined;
    throw error;
  }
}
