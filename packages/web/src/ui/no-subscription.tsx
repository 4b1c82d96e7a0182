// What to do on a node that listens to nobody, which has nothing to show.
import type { ApiError } from "../api/client.ts";
import { Command, Failure, Notice } from "./basics.tsx";

/** How to begin. */
export function NoSubscription() {
  return (
    <Notice tone="info" title="This node listens to nobody yet">
      <p>Subscribe to a builder, and what it built appears here:</p>
      <Command>trustix subscribe https://builder.example.org/</Command>
      <p>
        Two or three independent builders are enough to see what is reproducible. A signed cache counts too,
        as one voice that cannot prove that it built.
      </p>
    </Notice>
  );
}

/** Why there is no answer about all paths or builders: a node that listens to nobody has none. */
export function InsightFailure({ error, what }: { readonly error: ApiError; readonly what: string }) {
  return error.code === "NOT_FOUND" ? <NoSubscription /> : <Failure error={error} what={what} />;
}
