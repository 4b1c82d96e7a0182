// What a user's node listens to, in `trustix.toml`: logs to mirror and signed caches to ask, each the word of an operator.
import { parsePublicKey } from "@trustix/nix";
import { createVerifier } from "@trustix/tlog";
import * as z from "zod";
import { parsePeerAddress } from "../fetch/peer-address.ts";
import { checkedText, duration, name, path, size } from "./fields.ts";
import type { PolicyProblem } from "./policy.ts";
import { nearest } from "./suggest.ts";

const MAX_KEYS = 16;

/** Where a log or a cache is. */
export function peerUrl(description: string, example: string) {
  return checkedText(parsePeerAddress, { kind: "url", description, example });
}

/** Keys of a signed cache. */
export const publicKeys = z
  .array(checkedText(parsePublicKey, { kind: "public key", description: "A public key, `name:base64`." }))
  .max(MAX_KEYS);

/** `[[subscription]]` */
export const subscriptionSchema = z
  .strictObject({
    name: name("Name of the log or cache in commands and reports.", "alice"),
    operator: z.string().min(1).max(64).meta({
      kind: "name of an operator",
      description:
        "Whose word it is. Several subscriptions may be of one operator: it has one vote all the same.",
      example: "alice",
    }),
    url: peerUrl(
      "Where it is: `https://host/prefix/`, `http://…`, `unix:/path/of.sock` (or `unix:/path/of.sock:/prefix/`) for HTTP over a unix socket, or `file:///directory`. Of a log the prefix that has `checkpoint` in it, of a cache the root.",
      "https://alice.example.org/log/nix/",
    ),
    vkey: checkedText(createVerifier, {
      kind: "vkey",
      description:
        "The log's verifier key. Makes this the subscription to a log, which is mirrored and verified.",
      example: "alice.example.org/nix+9e4c3c25+AV9V…",
    }).optional(),
    origin: z.string().min(1).max(255).optional().meta({
      kind: "text",
      description: "First line of the log's checkpoints.",
      fallback: "the name in the vkey",
    }),
    protocol: z.enum(["nix", "raw"]).optional().meta({
      description: "What the log's entries mean.",
      fallback: '`"nix"`',
    }),
    "witness-policy": path({
      description:
        "File with a witness policy (C2SP `tlog-policy`): a checkpoint counts only when a quorum of these witnesses has cosigned it. Its `log` lines are not looked at. Relative to the configuration file.",
    }).optional(),
    "public-keys": publicKeys
      .min(1)
      .optional()
      .meta({
        kind: "list of public keys",
        description:
          "Makes this the subscription to a signed binary cache: a narinfo with a valid signature by any of these keys is the operator's vote. Such a vote is labelled *signature only*: it cannot tell built from copied.",
        example: ["cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="],
      }),
  })
  .meta({
    description:
      "A log (with `vkey`) or a signed cache (with `public-keys`) that this node listens to. `trustix subscribe` writes this section. Repeat it for each.",
  });

/** `[subscribe]` */
export const subscribeSchema = z
  .strictObject({
    "poll-interval": duration(100, 86_400_000, {
      description: "How often each log is looked at, give or take a fifth.",
    }).prefault("30s"),
    silence: duration(1000, 30 * 86_400_000, {
      description:
        "A log that could not be looked at for this long is not taken at its silence any more: a path that it has no claim on counts as `unreachable`, not as `absent`.",
    }).prefault("10m"),
    "max-log-size": size(2 ** 20, 2 ** 40, {
      description: "Bytes of statements that one log may bring; reading stops there.",
    }).prefault("4GiB"),
    "cache-timeout": duration(10, 60_000, {
      description: "How long a signed cache may take for one narinfo.",
    }).prefault("5s"),
    "ask-budget": duration(10, 60_000, {
      description:
        "How long a decision waits for signed caches; who has not answered by then is `unreachable`.",
    }).prefault("2s"),
  })
  .meta({ description: "How this node listens to its subscriptions." });

type RawSubscription = z.output<typeof subscriptionSchema>;

/** All that is wrong with subscriptions whose options are each right. */
export function subscriptionProblems(
  subscriptions: readonly RawSubscription[],
  operators: readonly string[],
): PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  const names = subscriptions.map(({ name }) => name);
  const logs = subscriptions.map(({ vkey, protocol = "nix" }) => vkey && `${vkey} ${protocol}`);
  for (const [index, each] of subscriptions.entries()) {
    const add = (key: string, message: string): void => {
      problems.push({ path: ["subscription", index, key], message });
    };
    if (names.indexOf(each.name) < index)
      add("name", "is the name of an earlier subscription, too: rename one");
    if (!operators.includes(each.operator)) {
      const guess = nearest(each.operator, operators);
      const fix = guess === undefined ? "add an [[operator]] of that name" : `did you mean "${guess}"?`;
      add("operator", `is no operator: ${JSON.stringify(each.operator)}; ${fix}`);
    }
    const keys = each["public-keys"];
    if (each.vkey === undefined && keys === undefined) {
      add("vkey", "is missing: add the vkey of a log, or the public-keys of a signed cache");
    } else if (each.vkey !== undefined && keys !== undefined) {
      add(
        "public-keys",
        "is for signed caches, and vkey is for logs: make two subscriptions of the same operator",
      );
    } else if (logs[index] !== undefined && logs.indexOf(logs[index]) < index) {
      add("vkey", "is that of an earlier subscription, too: one log is listened to once");
    }
    if (each.vkey !== undefined) continue;
    for (const key of ["origin", "protocol", "witness-policy"] as const) {
      if (each[key] !== undefined) add(key, "is for logs only: remove it");
    }
  }
  return problems;
}
