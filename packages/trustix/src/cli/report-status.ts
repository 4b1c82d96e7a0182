// What a report means for a script, in the statuses of `trustix check-closure`.
import { InvalidArgumentError } from "commander";
import type { StatusCountsJson } from "../http/insight-schema.ts";

/** What a report may fail on. */
const FAILURES = ["disputed", "single", "unchecked"] as const;
export type ReportFailure = (typeof FAILURES)[number];

/** `disputed,single` */
export function parseFailures(text: string): readonly ReportFailure[] {
  return text.split(",").map((word) => {
    const found = FAILURES.find((each) => each === word);
    if (found === undefined)
      throw new InvalidArgumentError(`Give some of ${FAILURES.join(", ")}, with commas between.`);
    return found;
  });
}

/**
 * - 4: a path is disputed, and that is a failure: what somebody states of it is false.
 * - 1: a path is single or unchecked, and that is a failure: nothing speaks against it, and too little for it.
 * - 0: otherwise.
 */
export function reportExitStatus(total: StatusCountsJson, failures: readonly ReportFailure[]): 0 | 1 | 4 {
  const fails = (status: ReportFailure): boolean => failures.includes(status) && total[status] > 0;
  if (fails("disputed")) return 4;
  return fails("single") || fails("unchecked") ? 1 : 0;
}
