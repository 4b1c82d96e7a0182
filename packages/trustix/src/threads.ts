// What our worker threads have in common.
import { constants, setPriority } from "node:os";

/**
 * Where the module of a thread is. The sources run unbuilt; a bundle has the thread in a file of the same name.
 * @param path of the module beside the one that starts it, without its extension
 * @param from `import.meta.url` of the module that starts it
 */
export function threadUrl(path: string, from: string): URL {
  return new URL(from.endsWith(".ts") ? `${path}.ts` : `${path}.js`, from);
}

/** Lets this thread run below all that answers somebody. Only Linux has priorities of threads. */
export function giveWay(): void {
  if (process.platform !== "linux") return;
  try {
    setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // It is as low already, and may not rise.
  }
}
