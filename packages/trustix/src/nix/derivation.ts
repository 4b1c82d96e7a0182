// What a claim tells of a derivation: its system, read from the `.drv` file itself.
//
// `nix-store -q --binding system` would do, were it not that derivations with structured attributes have no such
// binding. The ATerm text of a derivation (Nix manual, "Derivation/ATerm format") has not changed its first five
// fields since 2003: Derive(outputs,input derivations,input sources,system,…. Newer ones may begin
// DrvWithVersion("<name>",outputs,….

/** Largest `.drv` file that is looked into, in bytes. */
export const MAX_DERIVATION_BYTES = 32 * 1024 * 1024;

/**
 * The system that a derivation is for, such as `x86_64-linux`; undefined when the text is not that of a derivation or
 * names a system that does not look like one (`builtin` does).
 */
export function systemOfDerivation(text: string): string | undefined {
  const start = /^(?:Derive\(|DrvWithVersion\("[^"\\]{1,64}",)\[/.exec(text);
  if (start === null) return undefined;
  let at = start[0].length - 1;
  for (let field = 0; field < 3; field++) {
    at = skipList(text, at);
    if (at < 0 || text[at] !== ",") return undefined;
    at++;
  }
  return /^"([0-9A-Za-z_-]{1,64})",/.exec(text.slice(at, at + 80))?.[1];
}

/** The offset after the list that begins at an offset, or -1 when it does not end. */
function skipList(text: string, start: number): number {
  if (text[start] !== "[") return -1;
  let depth = 0;
  for (let i = start; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x22: // A string: to its closing quote, over escaped characters.
        for (i++; i < text.length && text.charCodeAt(i) !== 0x22; i++) if (text.charCodeAt(i) === 0x5c) i++;
        break;
      case 0x5b:
        depth++;
        break;
      case 0x5d:
        if (--depth === 0) return i + 1;
        break;
      default:
    }
  }
  return -1;
}
