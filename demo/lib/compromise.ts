// A build machine that was broken into. Its /bin/sh is a trojan horse: it does what the shell does, and then adds a line to
// each program that was just built. Derivation, source and Nix are the very same as everyone's; the output is not.

import { chmod, copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Nix } from "../../scripts/outside-tools/nix.ts";
import { run } from "../../scripts/outside-tools/process.ts";
import { BACKDOOR } from "./cast.ts";

/** Runs `$@` where /bin/sh is the file `$0`, in the mount namespace that `Nix.prefix` has made. */
const MOUNT = 'mount --bind "$0" /bin/sh && exec "$@"';

/** The same Nix on a machine that is broken into; `directory` is made for what the intruder leaves there. */
export async function compromise(nix: Nix, directory: string): Promise<Nix> {
  await mkdir(directory);
  const shell = join(directory, "sh");
  await copyFile("/bin/sh", shell);
  await chmod(shell, 0o755);
  const trojan = join(directory, "trojan");
  const script = `#!${shell}
"${shell}" "$@"
status=$?
case \${out-} in
  /nix/store/*)
    for program in "$out"/bin/*; do
      [ ! -f "$program" ] || echo 'echo "${BACKDOOR}"' >>"$program"
    done
    ;;
esac
exit $status
`;
  await writeFile(trojan, script, { mode: 0o755 });
  const prefix = [...nix.prefix, "/bin/sh", "-c", MOUNT, trojan] as const;
  return {
    ...nix,
    prefix,
    run: (command, args, options = {}) => {
      const [program, ...rest] = [...prefix, command, ...args];
      return run(program, rest, { ...options, env: { ...nix.env, ...options.env } });
    },
  };
}
