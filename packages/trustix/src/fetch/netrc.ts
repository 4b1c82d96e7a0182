// netrc files, as curl and Nix read them: who to log in as at which machine.

/** A login for HTTP basic authentication (RFC 7617). */
export interface Credentials {
  readonly login: string;
  readonly password: string;
}

/** Splits at white space; a token in double quotes may have spaces, and backslash escapes. */
function tokenize(text: string): string[] {
  const tokens: string[] = [];
  for (const [, quoted, plain] of text.matchAll(/"((?:[^"\\]|\\[\s\S])*)"|(\S+)/g)) {
    tokens.push(quoted === undefined ? (plain as string) : quoted.replaceAll(/\\([\s\S])/g, "$1"));
  }
  return tokens;
}

/** Removes comments, and macros up to the empty line that ends them. */
function withoutNoise(text: string): string {
  return text
    .replaceAll(/^[ \t]*macdef\b[\s\S]*?(?:\n[ \t]*\n|$(?![\s\S]))/gm, "")
    .replaceAll(/^[ \t]*#.*$/gm, "");
}

/**
 * Reads a netrc file.
 * @returns who to log in as at a host, by the first `machine` of that name, or else `default`
 */
export function parseNetrc(text: string): (host: string) => Credentials | undefined {
  const machines = new Map<string, { login: string; password: string }>();
  let fallback: { login: string; password: string } | undefined;
  let current: { login: string; password: string } | undefined;
  const tokens = tokenize(withoutNoise(text));
  for (let i = 0; i < tokens.length; i++) {
    switch (tokens[i]) {
      case "machine": {
        current = { login: "", password: "" };
        const host = (tokens[++i] ?? "").toLowerCase();
        if (!machines.has(host)) machines.set(host, current);
        break;
      }
      case "default":
        current = { login: "", password: "" };
        fallback ??= current;
        break;
      case "login":
        if (current !== undefined) current.login = tokens[i + 1] ?? "";
        i++;
        break;
      case "password":
        if (current !== undefined) current.password = tokens[i + 1] ?? "";
        i++;
        break;
      case "account":
        i++;
        break;
      default: // An unknown word is nobody's login.
    }
  }
  return (host) => machines.get(host.toLowerCase()) ?? fallback;
}
