// The schema of `trustix.toml`. The descriptions here are the reference: docs/reference/configuration.md is generated
// from them (reference.ts), so each says what the option does, and what happens at its limits.
import * as z from "zod";
import { dashboardSchema } from "./dashboard.ts";
import { diffSchema } from "./diff.ts";
import { address, duration, name, path, size } from "./fields.ts";
import { operatorSchema, policySchema } from "./policy.ts";
import { subscribeSchema, subscriptionSchema } from "./subscribe.ts";
import { substituteSchema, upstreamSchema } from "./substitute.ts";

const node = z
  .strictObject({
    "state-dir": path({
      description:
        "Directory of everything this node must not lose: logs, index, spool. One daemon at a time may use it. Relative to the configuration file.",
      example: "/var/lib/trustix",
    }),
    operator: name(
      "What this node calls its operator when others ask (`/trustix.json`); they may use another name.",
      "alice",
    ).optional(),
    listen: z
      .array(address({ description: "An address to listen on." }))
      .min(1)
      .max(16)
      .prefault(["127.0.0.1:8484"])
      .meta({
        kind: "addresses",
        description:
          "Addresses of the public listener, which serves logs and the binary cache: `host:port`, `[ipv6]:port`, `unix:/path`, or `systemd` for sockets passed by systemd (`systemd:NAME` picks them by `FileDescriptorName`; the plain form means `trustix`).",
      }),
    "admin-socket": path({
      description:
        "Unix socket of the admin API. Whoever can open the file may submit claims. At most 107 bytes. Relative to the state directory.",
    }).default("admin.sock"),
    "admin-socket-mode": z
      .enum(["0600", "0660"])
      .default("0600")
      .meta({ description: "Permissions of the admin socket; `0660` lets the group of the daemon submit." }),
    "shutdown-grace": duration(0, 600_000, {
      description:
        "How long requests in flight may take to finish after SIGTERM or SIGINT before they are cut off.",
    }).prefault("10s"),
    "max-connections": z.int().min(1).max(100_000).default(1024).meta({
      description: "Connections of the public listener at one time; further ones are closed at once.",
    }),
    "max-connections-per-client": z.int().min(1).max(100_000).default(256).meta({
      description:
        "Connections of the public listener that one client may have at one time; further ones are closed at once. A client is an IPv4 address or an IPv6 network of 64 bits. Connections from this machine are not counted; raise it when a proxy on another machine stands before the node.",
    }),
    "log-level": z
      .enum(["debug", "info", "warn", "error"])
      .default("info")
      .meta({ description: "The least severe message that is written." }),
    "log-format": z.enum(["auto", "json", "text"]).default("auto").meta({
      description:
        "`json` writes one JSON object a line, `text` one readable line; `auto` is `text` on a terminal.",
    }),
  })
  .meta({ description: "The node itself." });

const log = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "must be lower-case letters, digits and `-`, at most 63")
      .meta({
        kind: "name",
        description:
          "Name of the log in paths and commands: lower-case letters, digits and `-`. Served at `/log/<name>/`.",
        example: "nix",
      }),
    protocol: z.enum(["nix", "raw"]).meta({
      description: "What entries mean: `nix` = statements on store paths, `raw` = any key and value.",
    }),
    origin: z
      .string()
      .regex(
        /^[^\s+\p{Cc}]{1,255}$/u,
        "must be a URL without its scheme: no spaces, no `+`, at most 255 characters",
      )
      .meta({
        kind: "text",
        description:
          "The log's name in its checkpoints, for ever: a URL without its scheme, no spaces and no `+`. A changed origin is another log.",
        example: "builder.example.org/nix",
      }),
    "key-file": path({
      description:
        "File with the log's private key (`trustix keygen log`), readable by the daemon only. Relative to the configuration file.",
      example: "keys/nix.key",
    }),
    "public-url": z
      .string()
      .regex(/^https?:\/\/[^\s?#]{1,1000}\/$/, "must be an http or https URL that ends in `/`")
      .optional()
      .meta({
        kind: "url",
        description:
          "Where others read this log, ending in `/`. When set, the daemon compares it with its own state at start, and refuses to run from a restored backup that is older than what it once published.",
        example: "https://builder.example.org/log/nix/",
      }),
    batch: duration(1, 60_000, {
      description:
        "How long the log collects claims before it signs the next checkpoint. Longer means fewer and fuller tiles, shorter means earlier publication.",
    }).prefault("250ms"),
    "max-pending": z.int().min(1).max(10_000_000).default(65_536).meta({
      description: "Claims that may wait for publication; further submissions are told to come back (503).",
    }),
  })
  .meta({ description: "A log that this node writes. Repeat the section for each log." });

const nix = z
  .strictObject({
    "store-dir": z
      .string()
      .regex(/^(\/[^/\p{Cc}]+)+$/u, "must be an absolute path without a slash at its end")
      .default("/nix/store")
      .meta({ kind: "path", description: "The Nix store directory." }),
    "nix-store": path({
      description: "The `nix-store` program; a bare name is looked up on the PATH.",
    }).default("nix-store"),
  })
  .meta({ description: "The local Nix." });

const publish = z
  .strictObject({
    enabled: z.boolean().default(true).meta({
      description: "Publish what this machine builds. Takes effect once there is a log of protocol `nix`.",
    }),
    log: z.string().optional().meta({
      kind: "text",
      description: "Name of the log that results go to.",
      fallback: "the first log of protocol `nix`",
    }),
    "spool-dir": path({
      description:
        "Directory where the post-build hook leaves its notes. The hook runs as root. Relative to the state directory; `trustix hook install` writes the absolute path into the hook.",
    }).default("spool"),
    "reconcile-interval": duration(60_000, 30 * 86_400_000, {
      description:
        "How often the store is searched for locally built paths that never came through the hook.",
    }).prefault("1h"),
    "verify-before-claim": z.boolean().default(false).meta({
      description:
        "Read and hash every path once more before it is claimed. Nix has just done so; this finds what was changed in the store since, at the cost of reading everything twice.",
    }),
  })
  .meta({ description: "The publisher: from the post-build hook to the log." });

const cache = z
  .strictObject({
    enabled: z.boolean().default(false).meta({
      description:
        "Serve this machine's store as a Nix binary cache at `/cache/`, and at `/`, too, unless the substituter is there.",
    }),
    "key-file": path({
      description:
        "File with the secret key that signs narinfos (`trustix keygen cache`). Needed when the cache is enabled. Relative to the configuration file.",
      example: "keys/cache.key",
    }).optional(),
    priority: z.int().min(0).max(1_000_000).default(30).meta({
      description:
        "`Priority` in `/nix-cache-info`: Nix asks caches with a lower number first (cache.nixos.org has 40).",
    }),
    "want-mass-query": z
      .boolean()
      .default(true)
      .meta({ description: "`WantMassQuery` in `/nix-cache-info`." }),
    "verify-before-send": size(0, 2 ** 30, {
      description:
        "NARs up to this size are hashed before the first byte is sent. Larger ones are hashed while they are sent, and the connection is cut before the end when the hash is wrong.",
    }).prefault("16MiB"),
  })
  .meta({ description: "The local store as a binary cache." });

const api = z
  .strictObject({
    listen: address({
      description:
        "Address of the admin API for other machines, protected by bearer tokens (`trustix token`). Plain HTTP: keep it on a private network or behind a TLS proxy. Off when absent.",
      example: "10.0.0.1:8485",
    }).optional(),
    "tokens-file": path({
      description: "File with the hashes of the bearer tokens. Relative to the state directory.",
    }).default("tokens.json"),
    "claims-per-second": z.int().min(1).max(1_000_000).default(10_000).meta({
      description:
        "Claims that one token, or the admin socket, may submit per second; bursts of ten seconds' worth are fine.",
    }),
    "max-body": size(1024, 64 * 2 ** 20, { description: "Largest accepted request body." }).prefault("8MiB"),
  })
  .meta({ description: "The JSON API for submissions." });

const metrics = z
  .strictObject({
    enabled: z
      .boolean()
      .default(true)
      .meta({ description: "Collect metrics and serve them at `/metrics` of the admin API." }),
    public: z.boolean().default(false).meta({ description: "Serve `/metrics` at the public listener, too." }),
  })
  .meta({ description: "Prometheus metrics." });

/** The whole file. Sections that are absent have their defaults. */
export const configSchema = z.strictObject({
  node,
  log: z
    .array(log)
    .max(64)
    .default([])
    .meta({ description: log.meta()?.description ?? "" }),
  operator: z
    .array(operatorSchema)
    .max(256)
    .default([])
    .meta({ description: operatorSchema.meta()?.description ?? "" }),
  policy: policySchema.prefault({}),
  subscription: z
    .array(subscriptionSchema)
    .max(256)
    .default([])
    .meta({ description: subscriptionSchema.meta()?.description ?? "" }),
  subscribe: subscribeSchema.prefault({}),
  upstream: z
    .array(upstreamSchema)
    .max(64)
    .default([])
    .meta({ description: upstreamSchema.meta()?.description ?? "" }),
  substitute: substituteSchema.prefault({}),
  nix: nix.prefault({}),
  publish: publish.prefault({}),
  cache: cache.prefault({}),
  diff: diffSchema.prefault({}),
  dashboard: dashboardSchema.prefault({}),
  api: api.prefault({}),
  metrics: metrics.prefault({}),
});

/** What {@link configSchema} yields: keys as in the file. */
export type RawConfig = z.output<typeof configSchema>;
