// One NAR on its way from caches to us: verified while it comes, and continued from another cache that has the same file
// when one breaks off.
import { createHash, hash } from "node:crypto";
import { encodeNix32 } from "@trustix/nix";
import { TrustixError } from "../errors.ts";
import { type PaceLimits, paced, readPaced } from "../fetch/pace.ts";
import type { RemoteResponse } from "../fetch/remote.ts";
import { misbehaved, unreachable } from "../fetch/remote.ts";
import { type ExpectedNar, narMismatch } from "./nar-mismatch.ts";
import { isResumable } from "./nar-name.ts";
import type { CreateNarVerifier } from "./nar-verifier.ts";
import { maxFileSize, type Source } from "./source-search.ts";

/** What a download needs. */
export interface DownloadParts {
  readonly expected: ExpectedNar;
  readonly createVerifier: CreateNarVerifier;
  readonly pace: PaceLimits;
  /** Another source of the same file, or the same source again; undefined when it is time to give up. */
  readonly nextOfFile: (file: string) => Promise<Source | undefined>;
  /** A cache did not do its part. */
  readonly onFailure: (source: Source, error: unknown) => void;
  readonly signal: AbortSignal;
}

/** The total that a `Content-Range: bytes <offset>-<last>/<total>` states; undefined when it is not about this offset. */
function totalOf(header: string | undefined, offset: number): number | undefined {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(header ?? "");
  if (match === null || Number(match[1]) !== offset || Number(match[2]) + 1 !== Number(match[3]))
    return undefined;
  return Number(match[3]);
}

function contentLengthOf({ headers }: RemoteResponse): number | undefined {
  const text = headers["content-length"];
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** A download. `start`, then `chunks` once. */
export class Download {
  readonly #parts: DownloadParts;
  readonly #first: Source;
  #response: RemoteResponse | undefined;
  /** Every source that bytes came from. */
  readonly contributors = new Set<Source>();
  #reported: unknown;
  /** Bytes of the compressed file, where that is known before its end. */
  sizeBytes: number | undefined;

  constructor(first: Source, parts: DownloadParts) {
    this.#first = first;
    this.#parts = parts;
  }

  /**
   * Asks for the file; its size is known afterwards, if at all.
   * @throws TrustixError `NAR_MISMATCH` when its size is not the promised one, and as `Upstream.open`
   */
  async start(): Promise<void> {
    const { upstream, url, info } = this.#first;
    const response = await upstream.open(url, 0, this.#parts.signal);
    const length = contentLengthOf(response);
    this.sizeBytes = info.compression === "none" ? info.narSize : (info.fileSize ?? length);
    if (length !== undefined && length !== this.sizeBytes) {
      response.body.destroy();
      throw narMismatch(`the file has ${length} bytes, promised are ${this.sizeBytes}`);
    }
    this.#response = response;
  }

  /**
   * The compressed bytes. When the last one is out they are still not proven: only the end of the iteration says so.
   * @throws TrustixError `NAR_MISMATCH` for a NAR that is not the stated one, `PEER_UNREACHABLE` when nobody is left
   * to continue from
   */
  async *chunks(): AsyncGenerator<Buffer, void, undefined> {
    const { expected, createVerifier, pace } = this.#parts;
    const { file, info } = this.#first;
    using verifier = createVerifier(info.compression, expected);
    const fileHash = this.#hasFileHash ? createHash("sha256") : undefined;
    let position = 0;
    for (let source = this.#first; ; ) {
      try {
        const { body, skip } = await this.#open(source, position);
        let left = skip;
        for await (const chunk of paced(source.url, body, pace)) {
          const fresh = left === 0 ? chunk : chunk.subarray(left);
          left -= chunk.length - fresh.length;
          if (fresh.length === 0) continue;
          position += fresh.length;
          this.#admit(source, position);
          fileHash?.update(fresh);
          const wait = verifier.write(fresh);
          if (wait !== undefined) await wait;
          yield fresh;
        }
        this.#expectAll(source, position);
        break;
      } catch (error) {
        source = await this.#after(error, source, position);
      }
    }
    await verifier.finish();
    if (fileHash !== undefined) expectFile(file, fileHash.digest());
  }

  /**
   * The whole compressed file, proven. For small ones: nothing is handed from one to the other on the way.
   * @throws TrustixError as {@link chunks}
   */
  async whole(): Promise<Buffer> {
    const { expected, createVerifier, pace } = this.#parts;
    const { file, info } = this.#first;
    const received: Buffer[] = [];
    let position = 0;
    for (let source = this.#first; ; ) {
      try {
        const { body, skip } = await this.#open(source, position);
        let left = skip;
        await readPaced(source.url, body, pace, (chunk) => {
          const fresh = left === 0 ? chunk : chunk.subarray(left);
          left -= chunk.length - fresh.length;
          if (fresh.length === 0) return;
          position += fresh.length;
          this.#admit(source, position);
          received.push(fresh);
        });
        this.#expectAll(source, position);
        break;
      } catch (error) {
        source = await this.#after(error, source, position);
      }
    }
    const body = received.length === 1 ? received[0]! : Buffer.concat(received, position);
    using verifier = createVerifier(info.compression, expected);
    if (body.length > 0) await verifier.write(body);
    await verifier.finish();
    if (this.#hasFileHash) expectFile(file, hash("sha256", body, "buffer"));
    return body;
  }

  /** An uncompressed file is the NAR, whose hash is checked anyway. */
  get #hasFileHash(): boolean {
    const { file, info } = this.#first;
    return info.compression !== "none" && isResumable(file);
  }

  /** Takes note that a source has sent bytes up to a position. */
  #admit(source: Source, position: number): void {
    this.contributors.add(source);
    const maxBytes = this.sizeBytes ?? maxFileSize(this.#parts.expected.narSize);
    if (position > maxBytes) throw narMismatch(`the file has more than ${maxBytes} bytes`);
  }

  #expectAll({ url }: Source, position: number): void {
    if (position < (this.sizeBytes ?? 0)) throw unreachable(url, `ends after ${position} bytes`);
  }

  /** Who continues after a source has failed. @throws the error of that source when nobody does */
  async #after(error: unknown, failed: Source, position: number): Promise<Source> {
    const { signal, onFailure, nextOfFile } = this.#parts;
    if (signal.aborted || (error instanceof TrustixError && error.code === "NAR_MISMATCH")) throw error;
    onFailure(failed, error);
    this.#reported = error;
    const { file } = this.#first;
    const next = isResumable(file) && position > 0 ? await nextOfFile(file) : undefined;
    if (next === undefined) throw error;
    return next;
  }

  /** Whether an error of this download has gone to `onFailure`. */
  hasReported(error: unknown): boolean {
    return error !== undefined && error === this.#reported;
  }

  /** The body of a source; the bytes from the offset on begin after `skip` bytes of it. */
  async #open(
    source: Source,
    offset: number,
  ): Promise<{ readonly body: RemoteResponse["body"]; readonly skip: number }> {
    const response = this.#response ?? (await source.upstream.open(source.url, offset, this.#parts.signal));
    this.#response = undefined;
    const { body, status, headers } = response;
    if (status !== 206) return { body, skip: offset };
    const total = totalOf(headers["content-range"], offset);
    if (total === undefined || (this.sizeBytes !== undefined && total !== this.sizeBytes)) {
      body.destroy();
      throw misbehaved(source.url, "answers another range than it was asked for");
    }
    return { body, skip: 0 };
  }
}

function expectFile(file: string, digest: Uint8Array): void {
  if (encodeNix32(digest).startsWith(file)) return;
  throw narMismatch("the compressed file has not the hash that its narinfo states");
}
