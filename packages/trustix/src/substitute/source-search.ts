// Finds the caches that have the very bytes which a statement is about, asking all of them at once.
import type { ParsedNarInfo } from "@trustix/nix";
import { fileOf, narHashText } from "./nar-name.ts";
import { VERIFIABLE } from "./nar-verifier.ts";
import type { NarInfoAnswer, Upstream } from "./upstream.ts";

/** A NAR that is, by a cache's own word, what is wanted. */
export interface Source {
  readonly upstream: Upstream;
  readonly info: ParsedNarInfo;
  readonly url: URL;
  /** Which compressed file it is; see `nar-name.ts`. */
  readonly file: string;
}

/** Whether what a cache says of a path is what is wanted. */
export type Accepts = (info: ParsedNarInfo) => boolean;

/** Most bytes that a compressed NAR can have if compressing made any sense: it grows by less than this. */
export function maxFileSize(narSize: number): number {
  return narSize + Math.ceil(narSize / 16) + 65_536;
}

/** One question to all caches. Answers that are known are there at once, others come in later. */
export class SourceSearch {
  /** In order of arrival. */
  readonly sources: Source[] = [];
  /** Why caches that could have had it are not among the sources. */
  readonly misses: string[] = [];
  readonly #accepts: Accepts;
  #asking = 0;
  #changed = Promise.withResolvers<void>();

  constructor(upstreams: readonly Upstream[], hashPart: string, accepts: Accepts) {
    this.#accepts = accepts;
    for (const upstream of upstreams) {
      const answer = upstream.find(hashPart);
      if (answer instanceof Promise) {
        this.#asking++;
        void answer.then((late) => {
          this.#asking--;
          this.#take(upstream, late);
          this.#changed.resolve();
          this.#changed = Promise.withResolvers();
        });
      } else this.#take(upstream, answer);
    }
  }

  /** Whether every cache has answered. */
  get isOver(): boolean {
    return this.#asking === 0;
  }

  #take(upstream: Upstream, answer: NarInfoAnswer): void {
    switch (answer.kind) {
      case "absent":
        break;
      case "failed":
        this.misses.push(`${upstream.name}: ${answer.reason}`);
        break;
      case "found": {
        const { info, url } = answer;
        const fault = this.#faultOf(info);
        if (fault !== undefined) {
          this.misses.push(`${upstream.name}: ${fault}`);
        } else if (upstream.isWrong(narHashText(info.narHash))) {
          this.misses.push(`${upstream.name}: its NAR was wrong`);
        } else {
          const file = fileOf(info.compression, info.narHash, info.fileHash);
          this.sources.push({ upstream, info, url, file });
        }
        break;
      }
      default:
        answer satisfies never;
    }
  }

  #faultOf(info: ParsedNarInfo): string | undefined {
    if (!this.#accepts(info)) return "has another binary under this path";
    if (!VERIFIABLE.includes(info.compression)) {
      return `compressed as ${info.compression.slice(0, 20)}, which cannot be verified here`;
    }
    const { fileSize, narSize } = info;
    return fileSize !== undefined && fileSize > maxFileSize(narSize)
      ? "its compressed file is larger than any could be"
      : undefined;
  }

  /**
   * Waits until the sources are enough, or every cache has answered.
   * @param graceMs how much longer others may take after that, so that there is a choice
   * @param signal ends the wait; nothing is thrown
   */
  async wait(
    isEnough: (sources: readonly Source[]) => boolean,
    graceMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    if (this.isOver || (graceMs === 0 && isEnough(this.sources))) return;
    const stopped = Promise.withResolvers<void>();
    let hasStopped = signal.aborted;
    const stop = (): void => {
      hasStopped = true;
      stopped.resolve();
    };
    signal.addEventListener("abort", stop, { once: true });
    let timer: NodeJS.Timeout | undefined;
    while (!this.isOver && !hasStopped) {
      if (isEnough(this.sources)) {
        if (graceMs === 0) break;
        timer ??= setTimeout(stop, graceMs);
      }
      await Promise.race([this.#changed.promise, stopped.promise]);
    }
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}
