// The local Nix, asked through its own commands: the one interface that is the same for root and for a member of the
// daemon's group, with a daemon and without, and in every version and dialect.
//
// `nix-store --dump-db`, `--check-validity`, `-q` are old and stable. Only which paths were built here ("ultimate")
// needs a newer command: `nix path-info --sigs`, whose text says it the same way since 2.0, while its JSON has had
// five shapes. Nix's SQLite file would be faster still, but is not readable in WAL mode without write access to its
// directory; the commands cost about 10 (dump-db) and 20 (path-info) microseconds a path.

import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  type ContentAddress,
  type DumpDbEntry,
  equalHash,
  formatHash,
  type Hash,
  isDerivationPath,
  isStorePath,
  NixError,
  parseContentAddress,
  parseDumpDb,
  parsePathInfoJson,
  parseStoreDir,
  type StorePath,
} from "@trustix/nix";
import { hashPath } from "@trustix/nix/fs";
import { TrustixError } from "../errors.ts";
import { MAX_DERIVATION_BYTES, systemOfDerivation } from "./derivation.ts";
import { commandFailed, type NixCommand, type RunNix, runNix, streamNixLines } from "./run.ts";

/** Where the local Nix is and how long it may take. */
export interface LocalNixOptions {
  /**
   * The `nix-store` program; a bare name is looked up in `PATH` of `env`. The `nix` program is the one beside it.
   * Default `nix-store`.
   */
  readonly nixStore?: string | undefined;
  /** Default: `NIX_STORE_DIR` of `env`, otherwise `/nix/store`. */
  readonly storeDir?: string | undefined;
  /** Environment of the commands, for example the daemon's own; `NIX_REMOTE` and the like work as ever. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A command that is silent for this long is killed. Default 120,000: a large store is listed after a long pause. */
  readonly timeoutMs?: number | undefined;
  /** Runs the queries. Default {@link runNix}. */
  readonly run?: RunNix | undefined;
}

/** A path of a listing. */
export interface ListedPath {
  readonly path: StorePath;
  /** Built by this Nix, and neither substituted nor copied here from elsewhere. */
  readonly isUltimate: boolean;
  /** Its content address, where Nix has registered one. */
  readonly contentAddress?: ContentAddress | undefined;
}

/** The version of the local Nix. */
export interface NixVersion {
  /** `Nix`, or the name that a fork gives itself, such as `Lix, like Nix`. */
  readonly name: string;
  /** Such as `2.8.0`. */
  readonly version: string;
}

/** Paths of one command line: half of the smallest limit in use for all arguments (macOS, 256 KiB). */
const MAX_PATHS_PER_COMMAND = 500;

/** Largest answer to a query: 500 paths of 2,000 references each. */
const MAX_QUERY_OUTPUT_BYTES = 128 * 1024 * 1024;

/** Largest listing: 10 million paths with signatures. */
const MAX_LIST_OUTPUT_BYTES = 8 * 1024 * 1024 * 1024;

/** Longest line of a listing: a path, and signatures without number. */
const MAX_LINE_BYTES = 1024 * 1024;

/** Paths may go invalid while we ask for them (garbage collection); then we ask again for the rest. */
const MAX_ATTEMPTS = 5;

/** No query may wait for a substituter, and none needs to. */
const OFFLINE = ["--option", "substitute", "false"];

/** Asks the local Nix. Holds no state and no resource. */
export class LocalNix {
  /** The store directory, such as `/nix/store`. */
  readonly storeDir: string;
  readonly #options: LocalNixOptions;
  readonly #nixStore: string;
  readonly #run: RunNix;
  readonly #timeoutMs: number;

  /** @throws NixError `STORE_PATH_INVALID` when the store directory is unusable */
  constructor(options: LocalNixOptions) {
    this.storeDir = parseStoreDir(options.storeDir ?? (options.env.NIX_STORE_DIR || "/nix/store"));
    this.#options = options;
    this.#nixStore = options.nixStore ?? "nix-store";
    this.#run = options.run ?? runNix;
    this.#timeoutMs = options.timeoutMs ?? 120_000;
  }

  /**
   * The version of `nix-store`.
   * @throws TrustixError `NIX_UNAVAILABLE`, `NIX_OUTPUT_INVALID`
   */
  async version(signal?: AbortSignal): Promise<NixVersion> {
    const text = await this.#query(["--version"], signal);
    const found = /^\S+ \(([^()\n]{1,64})\) ([0-9][0-9A-Za-z.+_-]{0,63})$/.exec(text.trim());
    if (found === null) throw new TrustixError("NIX_OUTPUT_INVALID", "nix-store --version shows no version");
    return { name: found[1]!, version: found[2]! };
  }

  /**
   * What Nix has registered of the given paths, in their order and each once; invalid ones (never built, or garbage
   * collected) are left out.
   * @throws TrustixError `NIX_UNAVAILABLE`, `NIX_OUTPUT_INVALID`, `INVALID_ARGUMENT` for a path outside of the store
   */
  async queryPathInfo(paths: readonly StorePath[], signal?: AbortSignal): Promise<DumpDbEntry[]> {
    const infos: DumpDbEntry[] = [];
    for (const batch of this.#batches(paths)) infos.push(...(await this.#dumpDb(batch, signal)));
    return infos;
  }

  /**
   * Those of the given paths that are valid, in their order and each once.
   * @throws TrustixError as {@link LocalNix.queryPathInfo}
   */
  async filterValid(paths: readonly StorePath[], signal?: AbortSignal): Promise<StorePath[]> {
    const valid: StorePath[] = [];
    for (const batch of this.#batches(paths)) {
      const invalid = new Set(
        this.#parsePaths(await this.#query(["--check-validity", "--print-invalid", ...batch], signal)),
      );
      for (const path of batch) if (!invalid.has(path)) valid.push(path);
    }
    return valid;
  }

  /**
   * The outputs of a derivation that are valid; none when the derivation itself is gone, or when Nix cannot tell its
   * outputs (content-addressed ones, on old versions).
   * @throws TrustixError as {@link LocalNix.queryPathInfo}
   */
  async validOutputsOf(drvPath: StorePath, signal?: AbortSignal): Promise<StorePath[]> {
    this.#check(drvPath);
    const { exitCode, stdout } = await this.#run(
      this.#storeCommand([...OFFLINE, "-q", "--outputs", drvPath], signal),
    );
    const outputs = exitCode === 0 ? this.#parsePaths(latin1(stdout)) : [];
    // Asked in any case: a Nix that is out of order throws here.
    const valid = await this.filterValid(outputs.length > 0 ? outputs : [drvPath], signal);
    return outputs.length > 0 ? valid : [];
  }

  /**
   * When each of the given valid paths entered the store, in seconds since 1970; paths that went invalid are left out.
   * @throws TrustixError as {@link LocalNix.queryPathInfo}
   */
  async registrationTimes(
    paths: readonly StorePath[],
    signal?: AbortSignal,
  ): Promise<Map<StorePath, number>> {
    const times = new Map<StorePath, number>();
    for (const batch of this.#batches(paths)) {
      const plain = await this.#run(this.#nixCommand(["path-info", "--json", ...batch], signal));
      // Nix 2.33 announced that it will insist on a format, which older ones do not know.
      const formatted = ["path-info", "--json", "--json-format", "1", ...batch];
      const json = plain.exitCode === 0 ? plain.stdout : await this.#ask(this.#nixCommand(formatted, signal));
      for (const info of this.#parse("nix path-info --json", () => parsePathInfoJson(json, this)).valid) {
        if (info.registrationTime !== undefined) times.set(info.storePath, info.registrationTime);
      }
    }
    return times;
  }

  /** The system that a derivation is for; undefined when its `.drv` file is gone or unreadable. */
  async systemOf(drvPath: StorePath): Promise<string | undefined> {
    this.#check(drvPath);
    if (!isDerivationPath(drvPath)) return undefined;
    try {
      await using file = await open(
        drvPath,
        constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
      );
      const stat = await file.stat();
      if (!stat.isFile() || stat.size > MAX_DERIVATION_BYTES) return undefined;
      return systemOfDerivation(await file.readFile("latin1"));
    } catch {
      return undefined;
    }
  }

  /**
   * What differs between a path's contents on disk and what Nix registered; undefined when nothing does. Reads all.
   * @throws NixError as `hashPath`, when the contents cannot be read or have changed meanwhile
   */
  async findDamage(registered: DumpDbEntry): Promise<string | undefined> {
    this.#check(registered.storePath);
    const { sha256, sizeBytes } = await hashPath(registered.storePath);
    const onDisk: Hash = { algorithm: "sha256", bytes: sha256 };
    if (sizeBytes === registered.narSize && equalHash(onDisk, registered.narHash)) return undefined;
    const show = (hash: Hash, size: number): string => `${formatHash(hash)} of ${size} bytes`;
    return `on disk ${show(onDisk, sizeBytes)}, registered ${show(registered.narHash, registered.narSize)}`;
  }

  /**
   * Every valid path, or only the closure of some, with dependencies before dependents, as Nix lists them. Nothing is
   * held in memory; leaving the loop early ends the command.
   * @param roots whose closure to list; `undefined` lists the whole store
   * @throws TrustixError as {@link LocalNix.queryPathInfo}; also when a root is not valid
   */
  async *list(roots: readonly StorePath[] | undefined, signal?: AbortSignal): AsyncGenerator<ListedPath> {
    if (roots?.length === 0) return;
    for (const path of roots ?? []) this.#check(path);
    const what = roots === undefined ? ["--all"] : ["--recursive", ...roots];
    const command = this.#nixCommand(["path-info", "--sigs", ...what], signal);
    const lines = streamNixLines({ ...command, maxOutputBytes: MAX_LIST_OUTPUT_BYTES }, MAX_LINE_BYTES);
    for await (const line of lines) yield this.#parseListed(line);
  }

  async #dumpDb(
    batch: readonly StorePath[],
    signal: AbortSignal | undefined,
  ): Promise<readonly DumpDbEntry[]> {
    let asked = batch;
    for (let attempt = 1; asked.length > 0; attempt++) {
      const command = this.#storeCommand(["--dump-db", ...asked], signal);
      const { exitCode, stdout, stderr } = await this.#run(command);
      if (exitCode === 0) return this.#parseDump(stdout, asked);
      // Nix stops at the first invalid path, and says which only to people.
      const valid = await this.filterValid(asked, signal);
      if (attempt === MAX_ATTEMPTS) throw commandFailed(command, exitCode, stderr);
      asked = valid;
    }
    return [];
  }

  #parseDump(stdout: Uint8Array, asked: readonly StorePath[]): readonly DumpDbEntry[] {
    const infos = this.#parse("nix-store --dump-db", () => parseDumpDb(stdout, this));
    if (infos.length !== asked.length || infos.some((info, i) => info.storePath !== asked[i])) {
      throw new TrustixError(
        "NIX_OUTPUT_INVALID",
        "nix-store --dump-db wrote of other paths than it was asked for",
      );
    }
    return infos;
  }

  #parseListed(line: string): ListedPath {
    const tab = line.indexOf("\t");
    const path = (tab < 0 ? line : line.slice(0, tab)).trimEnd();
    if (!isStorePath(path, this.storeDir)) {
      throw new TrustixError(
        "NIX_OUTPUT_INVALID",
        "nix path-info wrote a line that begins with no store path",
      );
    }
    const facts = tab < 0 ? [] : line.slice(tab + 1).split(" ");
    const contentAddress = facts.find((fact) => fact.startsWith("ca:"))?.slice("ca:".length);
    return {
      path,
      isUltimate: facts.includes("ultimate"),
      ...(contentAddress === undefined ? {} : { contentAddress: readContentAddress(contentAddress) }),
    };
  }

  #parsePaths(text: string): StorePath[] {
    const lines = text.split("\n").filter((line) => line !== "");
    return lines.map((line) => {
      if (isStorePath(line, this.storeDir)) return line;
      throw new TrustixError("NIX_OUTPUT_INVALID", "nix-store wrote a line that is no store path");
    });
  }

  #parse<T>(what: string, parse: () => T): T {
    try {
      return parse();
    } catch (cause) {
      throw new TrustixError("NIX_OUTPUT_INVALID", `cannot read what ${what} wrote`, { cause });
    }
  }

  async #query(args: readonly string[], signal: AbortSignal | undefined): Promise<string> {
    return latin1(await this.#ask(this.#storeCommand(args, signal)));
  }

  async #ask(command: NixCommand): Promise<Uint8Array> {
    const { exitCode, stdout, stderr } = await this.#run(command);
    if (exitCode !== 0) throw commandFailed(command, exitCode, stderr);
    return stdout;
  }

  #storeCommand(args: readonly string[], signal: AbortSignal | undefined): NixCommand {
    const { env } = this.#options;
    const file = this.#nixStore;
    return { file, args, env, timeoutMs: this.#timeoutMs, maxOutputBytes: MAX_QUERY_OUTPUT_BYTES, signal };
  }

  #nixCommand(args: readonly string[], signal: AbortSignal | undefined): NixCommand {
    const file = this.#nixStore.includes("/") ? join(dirname(this.#nixStore), "nix") : "nix";
    const general = ["--extra-experimental-features", "nix-command", ...OFFLINE];
    return { ...this.#storeCommand([...general, ...args], signal), file };
  }

  /** Distinct paths in handfuls. Never an empty one: without paths, `--dump-db` dumps everything. */
  *#batches(paths: readonly StorePath[]): Generator<readonly StorePath[]> {
    const distinct = [...new Set(paths)];
    for (const path of distinct) this.#check(path);
    for (let i = 0; i < distinct.length; i += MAX_PATHS_PER_COMMAND) {
      yield distinct.slice(i, i + MAX_PATHS_PER_COMMAND);
    }
  }

  /** A checked path begins with `/`, so that no command can take it for an option. */
  #check(path: string): void {
    if (!isStorePath(path, this.storeDir)) {
      throw new TrustixError(
        "INVALID_ARGUMENT",
        `not a path in ${this.storeDir}: ${JSON.stringify(path.slice(0, 300))}`,
      );
    }
  }
}

/** Text of which every byte is a character: store paths are ASCII and are checked as such. */
function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

/** A content address; undefined for a kind that a newer Nix knows. */
function readContentAddress(text: string): ContentAddress | undefined {
  try {
    return parseContentAddress(text);
  } catch (error) {
    if (error instanceof NixError) return undefined;
    throw error;
  }
}
