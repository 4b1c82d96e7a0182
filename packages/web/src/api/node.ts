// What the node tells of itself and of what it listens to, from routes that have no schema of their own.
import type { ListenedStatus } from "trustix/src/daemon/decisions.ts";
import type { NodeStatus } from "trustix/src/daemon/status.ts";
import { type Answer, useAnswer } from "./use-answer.ts";

/** A status as JSON carries it: what is undefined here is absent there. */
export type Listened = ListenedStatus;
/** A subscription to a log. */
export type ListenedLog = Extract<Listened, { readonly kind: "log" }>;

/** Every subscription, logs first. */
export const useSubscriptions = (): Answer<{ readonly subscriptions: readonly Listened[] }> =>
  useAnswer("/api/v1/subscriptions");

/** The node. */
export const useStatus = (): Answer<NodeStatus> => useAnswer("/api/v1/status");
