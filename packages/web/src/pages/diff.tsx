// What differs between two outputs that were stated for one path.
import type { PathDiffJson } from "trustix/src/http/diff-schema.ts";
import { useAnswer } from "../api/use-answer.ts";
import { hrefTo } from "../router.ts";
import { formatBytes, plural, visible } from "../text.ts";
import { Failure, Loading, Notice, Operators, Panel, Time } from "../ui/basics.tsx";
import { Differences } from "../ui/differences.tsx";
import { PageHeading } from "../ui/heading.tsx";
import type { PageProps } from "./index.tsx";

/** The comparison of two outputs. */
export function DiffPage({ segments: [hashPart = ""], query }: PageProps) {
  const params = new URLSearchParams();
  for (const side of ["before", "after"]) {
    const value = query.get(side);
    if (value !== null) params.set(side, value);
  }
  const path = `/api/v1/paths/${encodeURIComponent(hashPart)}/diff${params.size === 0 ? "" : `?${params}`}`;
  const { data, error } = useAnswer<PathDiffJson>(path, { isFixed: true });
  const title =
    data === undefined ? "What differs" : `What differs in ${visible(nameOf(data.before.storePath), 211)}`;
  return (
    <>
      <PageHeading title={title}>
        <a href={hrefTo(["path", hashPart])}>To the path, its claims and their proofs</a>
      </PageHeading>
      {error !== undefined && <Failure error={error} what="comparison" />}
      {data === undefined && error === undefined && (
        <>
          <Notice tone="info" title="Comparing">
            The node downloads both outputs, checks them against what was stated, and compares file by file.
            For large ones that takes minutes; the result is kept.
          </Notice>
          <Loading rows={8} />
        </>
      )}
      {data !== undefined && <Diff diff={data} />}
    </>
  );
}

const nameOf = (storePath: string): string => storePath.slice(storePath.lastIndexOf("/") + 34);

function Diff({ diff }: { readonly diff: PathDiffJson }) {
  const { before, after, differences, unlisted, comparedAt } = diff;
  return (
    <>
      <div class="grid">
        <Side title="One side" side={before} />
        <Side title="The other side" side={after} />
      </div>
      <Panel
        title={plural(differences.length + unlisted, "difference")}
        note={
          <>
            compared <Time at={comparedAt} />; neither side is older or right by itself
          </>
        }
      >
        {differences.length === 0 ? (
          <p>The files are the same, byte for byte; what was stated differs elsewhere, in the references.</p>
        ) : (
          <Differences differences={differences} unlisted={unlisted} />
        )}
      </Panel>
    </>
  );
}

function Side({ title, side }: { readonly title: string; readonly side: PathDiffJson["before"] }) {
  return (
    <Panel title={title} note={<Operators names={side.operators} empty="nobody any more" />}>
      <dl class="facts">
        <dt>NAR hash</dt>
        <dd>
          <code>{visible(side.narHash, 100)}</code>
        </dd>
        <dt>Size</dt>
        <dd>
          {formatBytes(side.narSize)}, {plural(side.references.length, "reference")}
        </dd>
      </dl>
    </Panel>
  );
}
