// Files that show what a log did: what each is, what it proves, and how to check it without this node.
import { useSignal } from "@preact/signals";
import { useAnswer } from "../api/use-answer.ts";
import { formatTime, visible } from "../text.ts";
import { Command, Failure, Loading, Panel } from "../ui/basics.tsx";
import { PageHeading } from "../ui/heading.tsx";

const KINDS: Readonly<Record<string, readonly [string, string]>> = {
  fork: [
    "Two histories",
    "The log signed two trees of which neither begins with the other. That is proof by itself: no honest log does it.",
  ],
  rollback: [
    "Went back",
    "The log signed a tree, and a smaller one was served later. A reason to ask, no proof: old checkpoints are genuine, and whoever served one need not be the log.",
  ],
  contradiction: [
    "Says two things of one path",
    "Two entries of one log state different results for one path. It is proven that it says both; a package that does not build reproducibly, built twice, is an innocent cause.",
  ],
};

const kindOf = (kind: string): readonly [string, string] | undefined =>
  Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;

/** The list of evidence. */
export function EvidencePage() {
  const { data, error } = useAnswer<{ readonly evidence: readonly string[] }>("/api/v1/evidence");
  return (
    <>
      <PageHeading title="Evidence">
        What logs signed and should not have, kept so that anyone can check it offline with the log's key.
      </PageHeading>
      {error !== undefined && <Failure error={error} what="evidence" />}
      {data === undefined && error === undefined && <Loading rows={6} />}
      {data?.evidence.length === 0 && (
        <p class="nothing">No log has been caught: none has forked or gone back while this node looked.</p>
      )}
      {data !== undefined && data.evidence.length > 0 && (
        <Panel title="Files">
          <ul class="entries">
            {data.evidence.slice(0, 500).map((file) => (
              <EvidenceFile file={file} key={file} />
            ))}
          </ul>
        </Panel>
      )}
      <Panel title="Check it yourself">
        <p>
          A file needs neither this node nor the network. Compare the key that the check prints with the one
          you know.
        </p>
        <Command>trustix evidence verify FILE</Command>
      </Panel>
    </>
  );
}

interface EvidenceJson {
  readonly kind?: unknown;
  readonly origin?: unknown;
  readonly key?: unknown;
  readonly found?: unknown;
}

function EvidenceFile({ file }: { readonly file: string }) {
  const isOpen = useSignal(false);
  const path = `/api/v1/evidence/${encodeURIComponent(file)}`;
  const { data, error } = useAnswer<EvidenceJson>(isOpen.value ? path : undefined, { isFixed: true });
  const kind = kindOf(String(data?.kind));
  // Files are named after what they show.
  const named = kindOf(file.slice(0, file.indexOf("-")));
  const text = (value: unknown): string => (typeof value === "string" ? visible(value, 400) : "?");
  return (
    <li>
      <p>
        {named !== undefined && <b>{named[0]}</b>} <code>{visible(file, 220)}</code>{" "}
        <a href={path} download={file}>
          Download
        </a>
      </p>
      <details
        onToggle={({ currentTarget }) => {
          isOpen.value = currentTarget.open;
        }}
      >
        <summary>What it shows</summary>
        {error !== undefined && <Failure error={error} what="file" />}
        {data !== undefined && (
          <dl class="facts">
            <dt>{kind?.[0] ?? "Unknown kind"}</dt>
            <dd>{kind?.[1] ?? "A newer version of the program wrote it; check it with that."}</dd>
            <dt>Log</dt>
            <dd>{text(data.origin)}</dd>
            <dt>Key</dt>
            <dd>
              <code>{text(data.key)}</code>
            </dd>
            <dt>Found</dt>
            <dd>{typeof data.found === "string" ? formatTime(Date.parse(data.found)) : "?"}</dd>
          </dl>
        )}
      </details>
    </li>
  );
}
