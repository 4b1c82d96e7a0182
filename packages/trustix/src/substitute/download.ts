// One NAR on its way from caches to us: verified while it comes, and continued from another cache that has the same file
// when one breaks off.
import { createHash } from "node:crypto";
import { encodeNix32 } from "@trustix/nix";
import { TrustixError } from "../errors.ts";
import { type PaceLimits, paced } from "../fetch/pace.ts";
import type { RemoteResponse } from "../fetch/remote.ts";
import { misbehaved, unreachable } from "../fetch/remote.ts";
import { isResumable } from "./nar-name.ts";
import { type CreateNarVerifier, type ExpectedNar, narMismatch } from "./nar-verifier.ts";
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
    const { expected, createVerifier, onFailure, signal } = this.#parts;
    const { file, info } = this.#first;
    const maxBytes = this.sizeBytes ?? maxFileSize(expected.narSize);
    using verifier = createVerifier(info.compression, expected);
    // An uncompressed file is the NAR; its hash is checked anyway.
    const fileHash = info.compression !== "none" && isResumable(file) ? createHash("sha256") : undefined;
    let position = 0;
    for (let source = this.#first; ; ) {
      try {
        for await (const chunk of this.#read(source, position)) {
          this.contributors.add(source);
          position += chunk.length;
          if (position > maxBytes) throw narMismatch(`the file has more than ${maxBytes} bytes`);
          fileHash?.update(chunk);
          const wait = verifier.write(chunk);
          if (wait !== undefined) await wait;
          yield chunk;
        }
        if (position < (this.sizeBytes ?? 0)) throw unreachable(source.url, `ends after ${position} bytes`);
        break;
      } catch (error) {
        if (signal.aborted || (error instanceof TrustixError && error.code === "NAR_MISMATCH")) throw error;
        onFailure(source, error);
        this.#reported = error;
        const next = isResumable(file) && position > 0 ? await this.#parts.nextOfFile(file) : undefined;
        if (next === undefined) throw error;
        source = next;
      }
    }
    await verifier.finish();
    if (fileHash !== undefined && !encodeNix32(fileHash.digest()).startsWith(file)) {
      throw narMismatch("the compressed file has not the hash that its narinfo states");
    }
  }

  /** Whether an error of this download has gone to `onFailure`. */
  hasReported(error: unknown): boolean {
    return error !== undefined && error === this.#reported;
  }

  /** The bytes of a source from an offset on. */
  async *#read(source: Source, offset: number): AsyncGenerator<Buffer, void, undefined> {
    const { signal, pace } = this.#parts;
    const response = this.#response ?? (await source.upstream.open(source.url, offset, signal));
    this.#response = undefined;
    let skip = offset;
    if (response.status === 206) {
      const total = totalOf(response.headers["content-range"], offset);
      if (total === undefined || (this.sizeBytes !== undefined && total !== this.sizeBytes)) {
        response.body.destroy();
        throw misbehaved(source.url, "answers another range than it was asked for");
      }
      skip = 0;
    }
    for await (const chunk of paced(source.url, response.body, pace)) {
      if (skip >= chunk.length) skip -= chunk.length;
      else {
        yield skip === 0 ? chunk : chunk.subarray(skip);
        skip = 0;
      }
    }
  }
}
