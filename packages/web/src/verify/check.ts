// Checks that this browser made, each with what it found, in words.
import { TlogError } from "@trustix/tlog";
import { ApiError } from "../api/client.ts";
import { visible } from "../text.ts";

/** One thing that was checked. */
export interface Check {
  /** What has to hold. */
  readonly what: string;
  /** `skipped`: a check before it failed, or there was nothing to check against. */
  readonly outcome: "passed" | "failed" | "skipped";
  /** Why, or what was compared with what. */
  readonly detail: string;
}

/** What came of all checks. `unavailable`: the node did not deliver what there is to check, or the browser cannot. */
export type Outcome = "verified" | "failed" | "unavailable";

/** Checks, in their order. */
export interface Verification {
  readonly outcome: Outcome;
  readonly checks: readonly Check[];
  /** Why it is `unavailable`; empty otherwise. */
  readonly reason: string;
}

/** What a check found: in words, or that there is nothing to check against. */
export type Finding = string | { readonly skipped: string };

/** A check did not hold. */
export class CheckFailed extends Error {
  override readonly name = "CheckFailed";
}

/** The list of checks as they are made: after the first that fails, the rest is skipped. */
export class Checklist {
  readonly #checks: Check[] = [];
  #failed = false;
  #unavailable: string | undefined;

  /**
   * Makes a check, unless one before it failed.
   * @param check returns what was found; throws {@link CheckFailed} or a TlogError when it does not hold, and anything
   *   else when it cannot be made
   * @returns whether nothing speaks against going on
   */
  async check(what: string, check: () => Finding | Promise<Finding>): Promise<boolean> {
    if (this.#failed || this.#unavailable !== undefined) {
      this.skip(what, this.#failed ? "a check before it failed" : "it could not be checked");
      return false;
    }
    try {
      const found = await check();
      if (typeof found === "string") this.#checks.push({ what, outcome: "passed", detail: found });
      else this.skip(what, found.skipped);
      return true;
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") throw error;
      const reason = visible((error as Error).message, 400);
      if (isRefutation(error)) {
        this.#failed = true;
        this.#checks.push({ what, outcome: "failed", detail: reason });
      } else {
        this.#unavailable = reason;
        this.skip(what, reason);
      }
      return false;
    }
  }

  /** Notes what was not checked, and why. */
  skip(what: string, detail: string): void {
    this.#checks.push({ what, outcome: "skipped", detail });
  }

  /** What came of it. */
  result(): Verification {
    return {
      outcome: this.#failed ? "failed" : this.#unavailable === undefined ? "verified" : "unavailable",
      checks: this.#checks,
      reason: this.#failed ? "" : (this.#unavailable ?? ""),
    };
  }
}

/** Whether an error says that something is wrong, rather than that it is not known. */
function isRefutation(error: unknown): boolean {
  if (error instanceof CheckFailed) return true;
  // WebCrypto without Ed25519, and files that did not come, prove nothing.
  if (error instanceof TlogError) {
    return (
      error.code !== "KEY_UNSUPPORTED" && error.code !== "FETCH_FAILED" && error.code !== "RESOURCE_MISSING"
    );
  }
  return !(error instanceof ApiError);
}

/** Why this browser cannot check signatures; undefined when it can. */
export function cannotVerify(): string | undefined {
  if (globalThis.crypto?.subtle !== undefined) return undefined;
  return "Browsers give web pages no cryptography over plain http to another machine. Open the dashboard through https, or through a tunnel to localhost.";
}
