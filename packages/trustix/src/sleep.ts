// Waiting, as a dependency: tests pass a clock of their own.

/** Settles after so many milliseconds; rejects with the signal's reason when aborted. */
export type Sleep = (durationMs: number, signal?: AbortSignal) => Promise<void>;
