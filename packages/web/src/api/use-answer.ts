// An answer of the node as a component uses it: kept while it is asked for again, and asked for again after changes.
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, askJson } from "./client.ts";
import { changes } from "./live.ts";

/** What there is of an answer. */
export interface Answer<T> {
  /** Undefined before the first answer. */
  readonly data: T | undefined;
  /** Why the last question failed; what was known before stays in `data`. */
  readonly error: ApiError | undefined;
  /** Whether `data` is the answer to another question than the present one. */
  readonly isOld: boolean;
}

interface State<T> {
  readonly path: string | undefined;
  readonly data: T | undefined;
  readonly error: ApiError | undefined;
}

/**
 * Asks for the JSON at a path.
 * @param path undefined asks nothing
 * @param options.keepOld show the answer to the question before until the new one is there
 * @param options.isFixed do not ask again after changes
 */
export function useAnswer<T>(
  path: string | undefined,
  options: { readonly keepOld?: boolean; readonly isFixed?: boolean } = {},
): Answer<T> {
  const { keepOld = false, isFixed = false } = options;
  const [state, setState] = useState<State<T>>({ path: undefined, data: undefined, error: undefined });
  const version = isFixed ? 0 : changes.value;
  const latest = useRef(state);
  useEffect(() => {
    if (path === undefined) return;
    const withdrawn = new AbortController();
    const set = (next: State<T>): void => {
      latest.current = next;
      setState(next);
    };
    askJson<T>(path, { signal: withdrawn.signal }).then(
      (data) => {
        const { current } = latest;
        if (current.path !== path || current.data !== data || current.error !== undefined)
          set({ path, data, error: undefined });
      },
      (error: unknown) => {
        if (withdrawn.signal.aborted) return;
        const { current } = latest;
        const typed =
          error instanceof ApiError ? error : new ApiError("UNREADABLE", "the node's answer cannot be read");
        set({ path, data: current.path === path ? current.data : undefined, error: typed });
      },
    );
    return () => withdrawn.abort();
  }, [path, version]);
  const isOld = state.path !== path;
  const data = isOld && !keepOld ? undefined : state.data;
  return { data, error: isOld ? undefined : state.error, isOld };
}
