import { expect, test } from "vitest";
import { TrustixError } from "../errors.ts";
import { errorFor, explanationFor, textFor } from "./audience.ts";

const REASON = "alice: file:///srv/private/log/checkpoint: ELOOP (tried unix:/run/private/a.sock:/x, twice)";
const SHOWN = "alice: file: ELOOP (tried unix:, twice)";

test("the operator sees local addresses, the public their schemes", () => {
  expect(textFor("operator", REASON)).toBe(REASON);
  expect(textFor("public", REASON)).toBe(SHOWN);
  const there = "https://file.example.org/unix:1 is unreachable";
  expect(textFor("public", there)).toBe(there);
});

test("errors keep code, hint and time to wait; those that are no answers tell the public nothing", () => {
  const error = new TrustixError("PEER_UNREACHABLE", REASON, { hint: REASON, retryAfterMs: 5 });
  expect(errorFor("operator", error)).toBe(error);
  expect(errorFor("public", error)).toMatchObject({
    code: "PEER_UNREACHABLE",
    message: SHOWN,
    hint: SHOWN,
    retryAfterMs: 5,
  });
  const failed = new TrustixError("STORAGE_FAILED", "/srv/private/x cannot be written");
  expect(errorFor("public", failed)).toMatchObject({ code: "INTERNAL", message: "internal error" });
  expect(errorFor("operator", failed)).toBe(failed);
});

test("why somebody does not answer is told without paths, and all else as it is", () => {
  const explanation = {
    accepted: false,
    votes: [
      { operator: "alice", vote: "unreachable", reason: REASON },
      { operator: "bob", vote: "absent", reason: null },
    ],
  };
  expect(explanationFor("operator", explanation)).toBe(explanation);
  expect(explanationFor("public", explanation)).toEqual({
    accepted: false,
    votes: [
      { operator: "alice", vote: "unreachable", reason: SHOWN },
      { operator: "bob", vote: "absent", reason: null },
    ],
  });
});
