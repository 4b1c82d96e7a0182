// A log for tests: in memory, signed, served over HTTP, and as hostile as a test wants it.

import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { formatNixEntry, parseFingerprint } from "@trustix/nix";
import {
  createPrivateKey,
  createSigner,
  deriveVerifierKey,
  encodeUtf8,
  formatCheckpoint,
  formatVerifierKey,
  KEY_TYPE_ED25519,
  type KeySigner,
  signNote,
  TreeBuilder,
} from "@trustix/tlog";
import type { LogSubscription } from "./options.ts";

const ALPHABET = "0123456789abcdfghijklmnpqrsvwxyz";

/** The hash part of sample path number `n`. */
export function sampleHashPart(n: number): string {
  let text = "";
  for (let rest = n, i = 0; i < 8; i++, rest = Math.floor(rest / 32)) text = ALPHABET[rest % 32] + text;
  return text.padStart(32, "0");
}

/** The statement of an honest builder on sample path `n`; another `output` is another statement. */
export function sampleStatement(n: number, output = 0): string {
  const nar = ALPHABET[output]!.padEnd(51, "a");
  return `1;/nix/store/${sampleHashPart(n)}-package-${n};sha256:0${nar};${1000 + n};/nix/store/${sampleHashPart(n)}-package-${n}`;
}

/** A log entry that makes that statement. */
export function sampleEntry(n: number, output = 0): Uint8Array {
  return formatNixEntry(parseFingerprint(sampleStatement(n, output)), {
    system: "x86_64-linux",
    kind: "built",
  });
}

/** `count` sample entries from number `from` on. */
export function sampleEntries(from: number, count: number, output = 0): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => sampleEntry(from + i, output));
}

/** A log that grows. Its files are in memory; checkpoints are signed by one key. */
export class TestLog {
  readonly origin: string;
  readonly key: string;
  readonly signer: KeySigner;
  readonly files = new Map<string, Uint8Array>();
  #builder = TreeBuilder.empty();

  private constructor(origin: string, signer: KeySigner, key: string) {
    this.origin = origin;
    this.signer = signer;
    this.key = key;
  }

  static async create(origin: string): Promise<TestLog> {
    const key = await createPrivateKey(origin, KEY_TYPE_ED25519);
    return new TestLog(origin, await createSigner(key), formatVerifierKey(await deriveVerifierKey(key)));
  }

  /** The same log, key and all, with a life of its own from now on: what a fork is. */
  twin(): TestLog {
    const twin = new TestLog(this.origin, this.signer, this.key);
    twin.#builder = this.#builder.fork();
    for (const [path, bytes] of this.files) twin.files.set(path, bytes);
    return twin;
  }

  get size(): number {
    return this.#builder.size;
  }

  /** Appends entries and publishes a checkpoint. */
  async append(entries: readonly Uint8Array[]): Promise<void> {
    for (const { path, bytes } of this.#builder.append(entries).files) this.files.set(path, bytes);
    this.files.set("checkpoint", encodeUtf8(await this.sign()));
  }

  /** A signed checkpoint: of this tree, or of what is put in its place. */
  sign(changes: { size?: number; root?: Uint8Array; origin?: string } = {}): Promise<string> {
    const { origin, size } = this;
    return signNote(
      formatCheckpoint({ origin, size, root: this.#builder.root(), extensions: [], ...changes }),
      [this.signer],
    );
  }

  subscription(name: string, address: string): LogSubscription {
    return { name, operator: name, address, origin: this.origin, key: this.key };
  }
}

/** Answers a request; returns false to leave it to the files. */
export type Hook = (request: IncomingMessage, response: ServerResponse, path: string) => boolean;

/** Serves files over HTTP on loopback until disposed of. */
export class TestServer implements AsyncDisposable {
  readonly files: Map<string, Uint8Array>;
  readonly requests: string[] = [];
  hook: Hook = () => false;
  readonly #server: Server;

  private constructor(files: Map<string, Uint8Array>, server: Server) {
    this.files = files;
    this.#server = server;
    server.on("request", (request, response) => this.#answer(request, response));
  }

  static async start(files: Map<string, Uint8Array>, listen: number | string = 0): Promise<TestServer> {
    const server = createServer();
    if (typeof listen === "string") server.listen(listen);
    else server.listen(listen, "127.0.0.1");
    await once(server, "listening");
    return new TestServer(files, server);
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    if (this.#server.listening) await once(this.#server, "close");
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = (request.url ?? "/").slice(1);
    this.requests.push(path);
    if (this.hook(request, response, path)) return;
    const bytes = this.files.get(path);
    response.writeHead(bytes === undefined ? 404 : 200).end(bytes ?? "not found");
  }
}

/** Waits until `check` holds, looking every few milliseconds; throws after `timeoutMs`. */
export async function until(check: () => boolean, timeoutMs = 20_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!check()) {
    if (performance.now() > end) throw new Error("it did not come to pass");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
