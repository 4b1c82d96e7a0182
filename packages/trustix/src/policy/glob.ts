/**
 * Patterns for package names: `*` is any text, also none; `?` any one character; all else is literal. The whole name must match.
 *
 * Names come from builders, so matching takes time linear in pattern times name, whatever they contain: on a mismatch only
 * the latest `*` is tried again, because an earlier one could not do better.
 */

const STAR = 0x2a;
const QUESTION = 0x3f;

/** Whether `pattern` matches all of `name`. At most `pattern.length * name.length` steps. */
export function matchesGlob(pattern: string, name: string): boolean {
  let at = 0;
  let inPattern = 0;
  let star = -1;
  let resume = 0;
  while (at < name.length) {
    const code = inPattern < pattern.length ? pattern.charCodeAt(inPattern) : -1;
    if (code === STAR) {
      star = inPattern++;
      resume = at;
    } else if (code === QUESTION || code === name.charCodeAt(at)) {
      inPattern++;
      at++;
    } else if (star >= 0) {
      inPattern = star + 1;
      at = ++resume;
    } else {
      return false;
    }
  }
  while (pattern.charCodeAt(inPattern) === STAR) inPattern++;
  return inPattern === pattern.length;
}
