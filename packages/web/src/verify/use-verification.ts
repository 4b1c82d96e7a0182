// Verification as components use it: made once for what is shown, and anew when a key changes or the reader asks.
import { useSignal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { keyDecisions } from "./memory.ts";

/**
 * Runs a verification; undefined until it is done.
 * @param identity of what is verified: the result for another one is not shown
 * @param version when it grows, the verification is made anew, and the result before it stays meanwhile
 */
export function useVerification<T>(
  identity: string,
  verify: (signal: AbortSignal) => Promise<T>,
  version = 0,
): { readonly result: T | undefined; readonly again: () => void } {
  const [state, setState] = useState<{ readonly identity: string; readonly result: T } | undefined>(
    undefined,
  );
  const runs = useSignal(0);
  const run = `${identity} ${keyDecisions.value} ${runs.value} ${version}`;
  useEffect(() => {
    const withdrawn = new AbortController();
    verify(withdrawn.signal).then(
      (result) => {
        if (!withdrawn.signal.aborted) setState({ identity, result });
      },
      () => {
        // It only rejects when nobody wants the result any more.
      },
    );
    return () => withdrawn.abort();
  }, [run]);
  return {
    result: state?.identity === identity ? state.result : undefined,
    again: () => {
      runs.value += 1;
    },
  };
}
