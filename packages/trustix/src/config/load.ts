// Reads trustix.toml. Every error names the file, the line, the key and the fix.
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { parse, TomlError } from "smol-toml";
import type * as z from "zod";
import { TrustixError } from "../errors.ts";
import { locateKey, type Step } from "./locate.ts";
import { policyProblems } from "./policy.ts";
import { configSchema, type RawConfig } from "./schema.ts";
import { subscriptionProblems } from "./subscribe.ts";
import { substituteProblems } from "./substitute.ts";
import { nearest } from "./suggest.ts";

/** Configuration files are small; a larger one is a mistake. */
const MAX_CONFIG_BYTES = 1 << 20;

/** What sockaddr_un holds on Linux. */
const MAX_SOCKET_PATH_BYTES = 107;

type CamelCase<S extends string> = S extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : S;
type CamelKeys<T> = T extends readonly (infer Item)[]
  ? readonly CamelKeys<Item>[]
  : T extends { readonly kind: string }
    ? T
    : T extends object
      ? { readonly [K in keyof T as K extends string ? CamelCase<K> : never]: CamelKeys<T[K]> }
      : T;

/**
 * A valid configuration: `state-dir` is `stateDir` and so on, paths are absolute, durations are milliseconds and sizes
 * are bytes. The options are described in `schema.ts`.
 */
export type Config = CamelKeys<RawConfig> & {
  /** The file this came from. */
  readonly file: string;
};

/** One thing that is wrong with a configuration file. */
export interface ConfigProblem {
  readonly line: number;
  /** The option, such as `log[0].origin`. */
  readonly key: string;
  readonly message: string;
}

/** A configuration file that cannot be used; `code` is `CONFIG_INVALID`, `problems` has every reason with its line. */
export class ConfigError extends TrustixError {
  readonly problems: readonly ConfigProblem[];

  constructor(file: string, problems: readonly ConfigProblem[]) {
    const ordered = problems.toSorted((a, b) => a.line - b.line);
    const lines = ordered.map((p) => `${file}:${p.line}: ${p.key === "" ? "" : `${p.key} `}${p.message}`);
    super("CONFIG_INVALID", lines.join("\n"), {
      hint: "Correct the file and run `trustix config check`; docs/reference/configuration.md describes every option.",
    });
    this.name = "ConfigError";
    this.problems = ordered;
  }
}

function camel(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(camel);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      camel(inner),
    ]),
  );
}

function showKey(path: readonly Step[]): string {
  return path.reduce<string>(
    (text, step) => (typeof step === "number" ? `${text}[${step}]` : text === "" ? step : `${text}.${step}`),
    "",
  );
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

function valueAt(document: unknown, path: readonly Step[]): unknown {
  let value = document;
  for (const step of path) value = (value as Record<Step, unknown> | undefined)?.[step];
  return value;
}

/** The keys that the table at `path` may have. */
function knownKeys(path: readonly Step[]): string[] {
  let schema: z.core.$ZodType = configSchema;
  for (const step of [...path, undefined]) {
    let def = schema._zod.def as { type: string; innerType?: z.core.$ZodType; element?: z.core.$ZodType };
    while (def.innerType !== undefined) {
      schema = def.innerType;
      def = schema._zod.def as typeof def;
    }
    if (step === undefined) break;
    const next: z.core.$ZodType | undefined =
      typeof step === "number" ? def.element : (schema as z.ZodObject).shape?.[step];
    if (next === undefined) return [];
    schema = next;
  }
  return Object.keys((schema as z.ZodObject).shape ?? {});
}

function quoteList(values: readonly unknown[]): string {
  return values.map((value) => JSON.stringify(value)).join(" or ");
}

/** Turns one zod issue into sentences: an unknown key gives one problem for each key. */
function problemsOf(issue: z.core.$ZodIssue, text: string, document: unknown): ConfigProblem[] {
  const path = issue.path.filter((step): step is Step => typeof step !== "symbol");
  const at = (steps: readonly Step[], message: string): ConfigProblem => ({
    line: locateKey(text, steps),
    key: showKey(steps),
    message,
  });
  const value = valueAt(document, path);
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => {
        const known = knownKeys(path);
        const guess = nearest(key, known);
        const fix =
          guess === undefined ? `; known here: ${known.join(", ")}` : `; did you mean \`${guess}\`?`;
        return at([...path, key], `is not an option${fix}`);
      });
    case "invalid_type":
      if (value === undefined)
        return [at(path, `is missing: add it to ${path.length > 1 ? "this section" : "the file"}`)];
      return [
        at(
          path,
          `must be ${issue.expected === "object" ? "a table" : `of type ${issue.expected}`}, not ${show(value)}`,
        ),
      ];
    case "invalid_value":
      if (value === undefined) return [at(path, `is missing: write ${quoteList(issue.values)}`)];
      return [at(path, `must be ${quoteList(issue.values)}, not ${show(value)}`)];
    case "too_small":
      return [
        at(
          path,
          `must be at least ${issue.minimum}${issue.origin === "string" ? " characters long" : ""}, not ${show(value)}`,
        ),
      ];
    case "too_big":
      return [
        at(
          path,
          `must be at most ${issue.maximum}${issue.origin === "string" ? " characters long" : ""}, not ${show(value)}`,
        ),
      ];
    default:
      return [at(path, `${issue.message}, not ${show(value)}`)];
  }
}

/** Rules that span several options, checked once each option alone is right. */
function crossCheck(config: RawConfig, text: string): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const add = (path: readonly Step[], message: string): void => {
    problems.push({ line: locateKey(text, path), key: showKey(path), message });
  };
  for (const field of ["name", "origin", "key-file"] as const) {
    const seen = new Map<string, number>();
    for (const [index, log] of config.log.entries()) {
      const first = seen.get(log[field]);
      if (first === undefined) seen.set(log[field], index);
      else add(["log", index, field], `is the same as in log[${first}]: each log needs its own`);
    }
  }
  const target = config.publish.log;
  if (target !== undefined) {
    const log = config.log.find(({ name }) => name === target);
    if (log === undefined) add(["publish", "log"], `names no log: ${show(target)}`);
    else if (log.protocol !== "nix")
      add(["publish", "log"], `must name a log of protocol "nix"; ${show(target)} is "raw"`);
  }
  if (config.cache.enabled && config.cache["key-file"] === undefined) {
    add(["cache", "key-file"], "is missing: an enabled cache signs; make a key with `trustix keygen cache`");
  }
  const policy = camel(config.policy) as CamelKeys<RawConfig["policy"]>;
  const operators = config.operator.map(({ name }) => name);
  for (const { path, message } of [
    ...policyProblems(policy, operators),
    ...subscriptionProblems(config.subscription, operators),
    ...substituteProblems(config.substitute, config.upstream, config.cache["key-file"]),
  ]) {
    add(path, message);
  }
  return problems;
}

/** A section with some of its paths, where it has them, made absolute. */
function withPaths<T extends object>(section: T, here: string, ...keys: readonly (keyof T & string)[]): T {
  const paths = keys.flatMap((key) => {
    const path = section[key];
    return typeof path === "string" ? [[key, resolve(here, path)] as const] : [];
  });
  return { ...section, ...Object.fromEntries(paths) };
}

/**
 * Checks the text of a configuration file and resolves its paths against the file's directory.
 * @param file absolute path, for messages and for relative paths.
 * @throws {ConfigError} with every problem found.
 */
export function parseConfig(text: string, file: string): Config {
  let document: unknown;
  try {
    document = parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const reason = error.message.split("\n")[0]?.replace("Invalid TOML document: ", "") ?? "";
    throw new ConfigError(file, [
      { line: error.line, key: "", message: `is not TOML (column ${error.column}): ${reason}` },
    ]);
  }
  const parsed = configSchema.safeParse(document);
  if (!parsed.success) {
    throw new ConfigError(
      file,
      parsed.error.issues.flatMap((issue) => problemsOf(issue, text, document)),
    );
  }
  const problems = crossCheck(parsed.data, text);
  if (problems.length > 0) throw new ConfigError(file, problems);
  const config = camel(parsed.data) as CamelKeys<RawConfig>;
  const here = dirname(file);
  const stateDir = resolve(here, config.node.stateDir);
  const adminSocket = resolve(stateDir, config.node.adminSocket);
  if (Buffer.byteLength(adminSocket) > MAX_SOCKET_PATH_BYTES) {
    const key = ["node", "admin-socket"];
    const message = `is longer than the ${MAX_SOCKET_PATH_BYTES} bytes of a unix socket's path: ${adminSocket}`;
    throw new ConfigError(file, [{ line: locateKey(text, key), key: showKey(key), message }]);
  }
  return {
    ...config,
    file,
    node: { ...config.node, stateDir, adminSocket },
    log: config.log.map((log) => withPaths(log, here, "keyFile")),
    publish: { ...config.publish, spoolDir: resolve(stateDir, config.publish.spoolDir) },
    cache: withPaths(config.cache, here, "keyFile"),
    policy: {
      ...config.policy,
      script: config.policy.script && withPaths(config.policy.script, here, "file"),
    },
    subscription: config.subscription.map((each) => withPaths(each, here, "witnessPolicy")),
    substitute: withPaths(config.substitute, here, "keyFile", "netrcFile"),
    api: { ...config.api, tokensFile: resolve(stateDir, config.api.tokensFile) },
  };
}

/**
 * Reads and checks a configuration file.
 * @throws {TrustixError} `CONFIG_MISSING` when there is no such file, or it cannot be read.
 * @throws {ConfigError} with every problem found.
 */
export async function loadConfig(path: string): Promise<Config> {
  const file = resolve(path);
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    throw new TrustixError(
      "CONFIG_MISSING",
      `${file}: cannot be read (${(cause as NodeJS.ErrnoException).code})`,
      {
        hint: "Name the file with --config FILE or TRUSTIX_CONFIG, or write a new one with `trustix init`.",
        cause,
      },
    );
  }
  if (bytes.length > MAX_CONFIG_BYTES) {
    throw new ConfigError(file, [{ line: 1, key: "", message: `is larger than ${MAX_CONFIG_BYTES} bytes` }]);
  }
  return parseConfig(new TextDecoder().decode(bytes), file);
}
