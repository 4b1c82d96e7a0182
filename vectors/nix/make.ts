/**
 * Makes `made-with-nix.json`: what a real Nix says of keys, hashes, paths, narinfos and databases.
 *
 *     apt-get install nix-bin                      # Nix 2.8.0 on Debian 12
 *     node vectors/nix/make.ts                     # builds two derivations in /nix/store
 *
 * Keys are new at each run, so that the file changes; everything else should not.
 */

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const work = mkdtempSync(join(tmpdir(), "nix-vectors-"));
writeFileSync(
  join(work, "nix.conf"),
  "experimental-features = nix-command\nbuild-users-group =\nsandbox = false\nsubstitute = false\n",
);

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, {
    encoding: "utf8",
    cwd: work,
    env: { ...process.env, NIX_CONF_DIR: work, HOME: work },
    stdio: ["ignore", "pipe", "ignore"],
  }).trimEnd();
}

const texts = ["", "a", "hello\n", "trustix"];
const algorithms = ["md5", "sha1", "sha256", "sha512"];
const hashes = algorithms.flatMap((algorithm) =>
  texts.map((text) => {
    const file = join(work, "input");
    writeFileSync(file, text);
    const hex = run("nix-hash", "--type", algorithm, "--flat", file);
    return {
      algorithm,
      hex,
      nix32: run("nix-hash", "--type", algorithm, "--to-base32", hex),
      base64: run("nix", "hash", "to-base64", "--type", algorithm, hex),
      sri: run("nix", "hash", "to-sri", "--type", algorithm, hex),
    };
  }),
);

mkdirSync(join(work, "tree/sub"), { recursive: true });
writeFileSync(join(work, "tree/sub/x"), "x");
writeFileSync(join(work, "hello.txt"), "hello\n");
const flat = (algorithm: string) =>
  `fixed:${algorithm}:${run("nix-hash", "--type", algorithm, "--base32", "--flat", "hello.txt")}`;
const recursive = (algorithm: string) =>
  `fixed:r:${algorithm}:${run("nix-hash", "--type", algorithm, "--base32", "tree")}`;
const addFixed = (name: string, algorithm: string, ...options: string[]) =>
  run("nix-store", "--add-fixed", ...options, algorithm, name);
const contentAddressed: object[] = algorithms.flatMap((algorithm) => [
  {
    command: `nix-store --add-fixed ${algorithm} hello.txt`,
    ca: flat(algorithm),
    name: "hello.txt",
    path: addFixed("hello.txt", algorithm),
  },
  {
    command: `nix-store --add-fixed --recursive ${algorithm} tree`,
    ca: recursive(algorithm),
    name: "tree",
    path: addFixed("tree", algorithm, "--recursive"),
  },
]);
contentAddressed.push({
  command: "nix-store --add tree",
  ca: recursive("sha256"),
  name: "tree",
  path: run("nix-store", "--add", "tree"),
});

const evaluate = (expression: string): string =>
  JSON.parse(run("nix-instantiate", "--eval", "--json", "--read-write-mode", "-E", expression));
const leaf = evaluate('builtins.toFile "leaf.txt" "leaf"');
const noteExpression = 'builtins.toFile "note.txt" "see $' + '{builtins.toFile "leaf.txt" "leaf"}"';
const note = evaluate(noteExpression);
for (const [path, name, content, references] of [
  [leaf, "leaf.txt", "leaf", []],
  [note, "note.txt", `see ${leaf}`, [leaf]],
] as const) {
  writeFileSync(join(work, "input"), content);
  const hash = run("nix-hash", "--type", "sha256", "--base32", "--flat", "input");
  contentAddressed.push({
    command: `builtins.toFile, content ${JSON.stringify(content)}`,
    ca: `text:sha256:${hash}`,
    name,
    references,
    path,
  });
}

// `app` refers to itself and to `library`: two references, in the order of their hash parts.
const expression = `let
  sh = name: text: derivation { inherit name; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" text ]; };
  library = sh "library-1.0" "echo library > $out";
in { inherit library; app = sh "app_2.0+a=b?c" "echo $out \${library} \${builtins.toFile "leaf.txt" "leaf"} > $out"; }`;
writeFileSync(join(work, "default.nix"), expression);
const [library, app] = run("nix-build", "--no-out-link", "default.nix", "-A", "library", "-A", "app").split(
  "\n",
) as [string, string];
const source = run("nix-store", "--add", "tree");
const paths = [app, library, note, source];

const secretKey = run("nix", "key", "generate-secret", "--key-name", "vectors.example.org-1");
writeFileSync(join(work, "secret"), secretKey);
const publicKey = execFileSync("nix", ["key", "convert-secret-to-public"], {
  encoding: "utf8",
  input: secretKey,
  env: { ...process.env, NIX_CONF_DIR: work },
}).trimEnd();
const narinfos: Record<string, string[]> = {};
for (const compression of ["none", "xz"]) {
  const cache = join(work, `cache-${compression}`);
  run(
    "nix",
    "copy",
    "--to",
    `file://${cache}?secret-key=${join(work, "secret")}&compression=${compression}`,
    ...paths,
  );
  narinfos[compression] = readdirSync(cache)
    .filter((name) => name.endsWith(".narinfo"))
    .sort()
    .map((name) => readFileSync(join(cache, name), "utf8"));
  if (compression === "none")
    narinfos["nix-cache-info"] = [readFileSync(join(cache, "nix-cache-info"), "utf8")];
}
const dumpDb = execFileSync("nix-store", ["--dump-db", ...paths], {
  encoding: "utf8",
  env: { ...process.env, NIX_CONF_DIR: work },
});
run("nix", "store", "sign", "--key-file", join(work, "secret"), app);
const missing = "/nix/store/00000000000000000000000000000000-missing";
const pathInfo = JSON.parse(run("nix", "path-info", "--json", ...paths, missing));

writeFileSync(
  new URL("made-with-nix.json", import.meta.url),
  `${JSON.stringify(
    {
      origin: `made with ${run("nix", "--version")} by vectors/nix/make.ts, which has the commands`,
      hashes,
      contentAddressed,
      keys: { secretKey, publicKey },
      narinfos,
      dumpDb: { command: "nix-store --dump-db PATH…", output: dumpDb },
      pathInfo: { command: "nix path-info --json PATH…", output: pathInfo },
    },
    null,
    2,
  )}\n`,
);
