// The substituter in `trustix.toml`: the binary cache of what the policy accepts, and the caches that its NARs come from.
import * as z from "zod";
import { duration, name, path, size } from "./fields.ts";
import type { PolicyProblem } from "./policy.ts";
import { peerUrl, publicKeys } from "./subscribe.ts";

/** `[[upstream]]` */
export const upstreamSchema = z
  .strictObject({
    name: name("Name of the cache in reports.", "nixos"),
    url: peerUrl(
      "Root of the cache: `https://host/prefix/`, `http://…`, `unix:/path/of.sock`, or `file:///directory`.",
      "https://cache.nixos.org/",
    ),
    priority: z.int().min(0).max(1000).default(50).meta({
      description:
        "Whose NARs are preferred, among the caches that have what was accepted and do their part: lower comes first. Of equals the fastest is taken, and at first the one that stands first in this file.",
    }),
    "public-keys": publicKeys.default([]).meta({
      kind: "list of public keys",
      description:
        "Signatures by these keys are passed on beside our own, once they are verified. What is served does not depend on them.",
    }),
    "nar-origins": z
      .union([z.literal("public"), z.array(z.string().regex(/^https?:\/\/[^/\s?#@]+$/)).max(64)], {
        error: 'must be "public", or a list of origins such as ["https://files.example.org"]',
      })
      .default([])
      .meta({
        kind: 'list of origins, or `"public"`',
        description:
          "Where, besides its own host, the cache may keep its files or redirect to. `public` allows every host on the public Internet; hosts of your own network are never reached through it.",
        example: ["https://files.example.org"],
      }),
  })
  .meta({
    description:
      "A binary cache that NARs are downloaded from. It is not trusted: only bytes that the policy accepted are served, whoever delivers them. All are asked at once, and of those that have the binary the one that does best is taken. Repeat the section for each.",
  });

/** `[substitute]` */
export const substituteSchema = z
  .strictObject({
    enabled: z.boolean().default(false).meta({
      description: "Serve what the policy accepts as a Nix binary cache at `/`.",
    }),
    "key-file": path({
      description:
        "File with the secret key that signs what the policy accepted (`trustix keygen cache`). Needed when the substituter is enabled, and not the key of `[cache]`. Relative to the configuration file.",
      example: "keys/substitute.key",
    }).optional(),
    priority: z.int().min(0).max(1_000_000).default(20).meta({
      description:
        "`Priority` in `/nix-cache-info`: Nix asks caches with a lower number first (cache.nixos.org has 40).",
    }),
    "want-mass-query": z
      .boolean()
      .default(true)
      .meta({ description: "`WantMassQuery` in `/nix-cache-info`." }),
    "self-proving": z.boolean().default(true).meta({
      description:
        "Serve paths whose own name proves their contents (sources with a known hash) though nobody has a vote on them.",
    }),
    budget: duration(100, 60_000, {
      description:
        "Longest time for a decision and for finding a cache that has the binary; then the answer is 404.",
    }).prefault("5s"),
    "verify-before-send": size(0, 2 ** 28, {
      description:
        "NARs up to this size are verified before the first byte is sent. Larger ones are verified while they are sent, and the connection is cut before the end when they are wrong.",
    }).prefault("1MiB"),
    "max-downloads": z.int().min(1).max(10_000).default(64).meta({
      description: "NARs that are downloaded at one time; further ones wait.",
    }),
    memory: size(2 ** 20, 2 ** 34, { description: "Memory for narinfos and small NARs." }).prefault("64MiB"),
    "netrc-file": path({
      description:
        "File with logins for upstream caches, as curl and Nix read it. Relative to the configuration file.",
      example: "/etc/nix/netrc",
    }).optional(),
  })
  .meta({ description: "The substituter: a binary cache of what enough operators agree on." });

type RawUpstream = z.output<typeof upstreamSchema>;
type RawSubstitute = z.output<typeof substituteSchema>;

/** All that is wrong with a substituter whose options are each right. */
export function substituteProblems(
  substitute: RawSubstitute,
  upstreams: readonly RawUpstream[],
  cacheKeyFile: string | undefined,
): PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  const names = upstreams.map(({ name }) => name);
  for (const [index, upstream] of names.entries()) {
    if (names.indexOf(upstream) < index) {
      const message = "is the name of an earlier upstream, too: rename one";
      problems.push({ path: ["upstream", index, "name"], message });
    }
  }
  const keyFile = substitute["key-file"];
  if (substitute.enabled && keyFile === undefined) {
    const message = "is missing: an enabled substituter signs; make a key with `trustix keygen cache`";
    problems.push({ path: ["substitute", "key-file"], message });
  }
  if (keyFile !== undefined && keyFile === cacheKeyFile) {
    const message =
      "is that of [cache], too: one key says what this machine has, the other what the policy accepts; make a second key";
    problems.push({ path: ["substitute", "key-file"], message });
  }
  return problems;
}
