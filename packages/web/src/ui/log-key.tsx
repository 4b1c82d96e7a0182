// The key that a log is checked with: where it comes from, and how to pin another.
import { useSignal } from "@preact/signals";
import { parseVerifierKey, TlogError } from "@trustix/tlog";
import { visible } from "../text.ts";
import type { NamedLog } from "../verify/log.ts";
import {
  forgetKey,
  forgetTree,
  keyChanges,
  rememberedKey,
  rememberedTree,
  rememberKey,
} from "../verify/memory.ts";
import { Notice, Time } from "./basics.tsx";
import { Copy } from "./copy.tsx";

/** The key of a log, and a field to pin one. */
export function LogKey({ log }: { readonly log: NamedLog }) {
  // Read so that a change is shown.
  keyChanges.value;
  const known = rememberedKey(log.id);
  const differs = known !== undefined && (known.vkey !== log.vkey || known.origin !== log.origin);
  const tree = known === undefined ? undefined : rememberedTree(known.origin, known.vkey);
  return (
    <div class="log-key">
      {differs && (
        <Notice tone="bad" title="The node names another key than the one that you know" isAlert>
          <p>
            Either its configuration was changed on purpose, or it shows you another log. The node now names{" "}
            <code>{visible(log.vkey, 300)}</code> of <code>{visible(log.origin, 300)}</code>.
          </p>
          <button type="button" onClick={() => forgetKey(log.id)}>
            I know why: take the key that the node names
          </button>
        </Notice>
      )}
      <dl class="facts">
        <dt>Key</dt>
        <dd>
          <code>{visible(known?.vkey ?? log.vkey, 300)}</code>{" "}
          <Copy text={known?.vkey ?? log.vkey} what="the key" />
        </dd>
        <dt>Comes from</dt>
        <dd>
          {known === undefined && "the node; this browser has not verified anything with it yet"}
          {known?.by === "first-use" && (
            <>
              the node, and kept by this browser since <Time at={known.sinceMs} />
            </>
          )}
          {known?.by === "reader" && (
            <>
              you: pinned <Time at={known.sinceMs} />
            </>
          )}
        </dd>
        <dt>Verified here</dt>
        <dd>
          {tree === undefined ? (
            "no tree yet"
          ) : (
            <>
              a tree of {tree.size} entries, <Time at={tree.atMs} />
            </>
          )}
        </dd>
      </dl>
      <PinForm log={log} />
      {known !== undefined && (
        <button
          type="button"
          class="small"
          onClick={() => {
            forgetTree(known.origin, known.vkey);
            forgetKey(log.id);
          }}
        >
          Forget what this browser knows of the log
        </button>
      )}
    </div>
  );
}

function PinForm({ log }: { readonly log: NamedLog }) {
  const text = useSignal("");
  const problem = useSignal("");
  const pin = (): void => {
    const vkey = text.value.trim();
    try {
      parseVerifierKey(vkey);
      const isKept = rememberKey(log.id, { origin: log.origin, vkey, by: "reader", sinceMs: Date.now() });
      problem.value = isKept ? "" : "This browser keeps nothing for web pages, so the key cannot be pinned.";
      if (isKept) text.value = "";
    } catch (error) {
      if (!(error instanceof TlogError)) throw error;
      problem.value = `That is no verifier key: ${error.message}. It looks like ${log.origin}+1a2b3c4d+AbCd…`;
    }
  };
  return (
    <form
      class="pin"
      onSubmit={(event) => {
        event.preventDefault();
        pin();
      }}
    >
      <label>
        <span>Pin a key that you have from the operator, not from this node</span>
        <input
          type="text"
          value={text.value}
          maxLength={1024}
          autoComplete="off"
          spellcheck={false}
          aria-invalid={problem.value !== ""}
          onInput={({ currentTarget: { value } }) => {
            text.value = value;
          }}
        />
      </label>
      <button type="submit">Pin</button>
      <p class="problem" role="status">
        {problem.value}
      </p>
    </form>
  );
}
