// Room for a few at a time; whoever comes later is sent away at once.
import { TrustixError } from "../errors.ts";

/** When whoever was sent away may come again. */
const RETRY_AFTER_MS = 1000;

/** A bounded number of slots. */
export class Slots {
  readonly #most: number;
  #taken = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Takes a slot, which is free again once it is disposed of. @throws TrustixError `PUSHBACK` when there is none */
  take(): Disposable {
    if (this.#taken >= this.#most) {
      throw new TrustixError(
        "PUSHBACK",
        `${this.#most} of these are under way, which is as many as there may be`,
        {
          retryAfterMs: RETRY_AFTER_MS,
          hint: "Come again as Retry-After says.",
        },
      );
    }
    this.#taken++;
    let isTaken = true;
    return {
      [Symbol.dispose]: () => {
        if (isTaken) this.#taken--;
        isTaken = false;
      },
    };
  }
}
