// Room for a few at a time; whoever comes later is sent away at once.
import { TrustixError } from "../errors.ts";
import { ClientLimit } from "./client-limit.ts";

/** When whoever was sent away may come again. */
const RETRY_AFTER_MS = 1000;

/** A bounded number of slots, of which no client from elsewhere takes all. */
export class Slots {
  readonly #most: number;
  readonly #clients: ClientLimit;
  #taken = 0;

  /** @param mostPerClient as `ClientLimit` counts clients; default `most` */
  constructor(most: number, mostPerClient = most) {
    this.#most = most;
    this.#clients = new ClientLimit(mostPerClient);
  }

  get taken(): number {
    return this.#taken;
  }

  /**
   * Takes a slot, which is free again once it is disposed of.
   * @param address for whom, as `socket.remoteAddress` spells it
   * @throws TrustixError `PUSHBACK` when there is none
   */
  take(address?: string): Disposable {
    if (this.#taken >= this.#most || !this.#clients.enter(address)) {
      throw new TrustixError("PUSHBACK", "as many of these are under way as there may be", {
        retryAfterMs: RETRY_AFTER_MS,
        hint: "Come again as Retry-After says.",
      });
    }
    this.#taken++;
    let isTaken = true;
    return {
      [Symbol.dispose]: () => {
        if (!isTaken) return;
        isTaken = false;
        this.#taken--;
        this.#clients.leave(address);
      },
    };
  }
}
