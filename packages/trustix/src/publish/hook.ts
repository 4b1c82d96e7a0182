// The post-build hook: a POSIX shell script that notes a finished build in the spool.
//
// Nix runs it as root and waits for it, and a hook that fails stops all building (Nix manual, post-build-hook).
// So it uses built-ins of the shell only: no process to start, no PATH to trust, nothing to install. Without `mv` there
// is no atomic rename; instead a message counts only when its last line is there (see spool-message.ts).

import { isAbsolute } from "node:path";
import { TrustixError } from "../errors.ts";
import { SPOOL_END, SPOOL_HEADER } from "./spool-message.ts";

/** What goes into a hook. */
export interface HookOptions {
  /** Absolute path of the spool directory. */
  readonly spoolDir: string;
}

/**
 * The text of the hook, to be stored as an executable file and named in `post-build-hook` of `nix.conf`.
 *
 * The hook writes one new file per build and never overwrites one; it always exits with 0; when it cannot write
 * (spool missing or not writable, disk full) it says so in one line on standard error, and the build goes on.
 * Files get mode 0640, so that a daemon that is not root can read them through the group of a setgid spool
 * directory. Of its environment it writes `DRV_PATH` and `OUT_PATHS` and nothing else: `NIX_CONFIG` may hold secrets.
 *
 * @throws TrustixError `INVALID_ARGUMENT` when the path is not absolute or holds a control character.
 */
export function renderHook(options: HookOptions): string {
  const { spoolDir } = options;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (!isAbsolute(spoolDir) || /[\u0000-\u001f\u007f]/.test(spoolDir)) {
    throw new TrustixError(
      "INVALID_ARGUMENT",
      `not an absolute path fit for a hook: ${JSON.stringify(spoolDir)}`,
    );
  }
  return `#!/bin/sh
# Written by "trustix hook install". Notes each build for the Trustix daemon, and always lets the build go on.
# Built-ins only; a message counts only when its last line is there, so nothing needs to be renamed.
spool=${quoteForShell(spoolDir)}
umask 027
set -fC
trap '' 13 25
id=\${DRV_PATH##*/}
file=$spool/\${id%%-*}.$$
n=0
while [ -e "$file.$n" ] && [ $n -lt 1000 ]; do n=$((n + 1)); done
{ printf '%s\\n' '${SPOOL_HEADER}' "$DRV_PATH" $OUT_PATHS '${SPOOL_END}' >"$file.$n"; } 2>/dev/null ||
  printf '%s\\n' "trustix: cannot write to $spool: $DRV_PATH waits for the next reconcile" >&2
exit 0
`;
}

/** A word that a POSIX shell reads back as exactly `text`. */
function quoteForShell(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
