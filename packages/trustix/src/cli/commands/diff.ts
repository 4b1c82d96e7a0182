// trustix diff PATH|HASH|NAME
import { type Command, InvalidArgumentError } from "commander";
import { renderDiff } from "../../analyse/render/diff-text.ts";
import { wantedNar } from "../../daemon/nar-fetcher.ts";
import { chooseByBuilders, choosePair } from "../../diff/choose-pair.ts";
import { TrustixError } from "../../errors.ts";
import type { DiffEventJson, PathDiffJson } from "../../http/diff-schema.ts";
import { findProgram } from "../../nix/find-program.ts";
import type { ExplainedStatement, Explanation } from "../../policy/explain.ts";
import { type Paint, visible } from "../../terminal.ts";
import { DaemonClient } from "../client.ts";
import { type ConfigOptions, loadCommandConfig } from "../context.ts";
import { runDiffoscope } from "../diffoscope.ts";
import { renderReport } from "../diffoscope-report.ts";
import { type Io, styled } from "../io.ts";
import { Progress } from "../progress.ts";
import { findClaimed, resolveSubjects } from "../store-paths.ts";

type OneOrTwo = readonly [string] | readonly [string, string];

interface DiffOptions extends ConfigOptions {
  readonly builders?: OneOrTwo;
  readonly hashes?: OneOrTwo;
  readonly full?: boolean;
  /** Undefined: when it is installed, and the result is not JSON. */
  readonly diffoscope?: boolean;
}

/** An output that was stated. */
type Output = ExplainedStatement & { readonly narHash: string };

function parsePair(text: string): OneOrTwo {
  const words = text.split(",");
  if (words.includes("") || words.length > 2)
    throw new InvalidArgumentError("Give one or two, with a comma between.");
  return words as unknown as OneOrTwo;
}

function parseHashes(text: string): OneOrTwo {
  const hashes = parsePair(text);
  const isRight = hashes.every((hash) => /^sha256:[0-9abcdfghijklmnpqrsvwxyz]{52}$/.test(hash));
  if (!isRight) throw new InvalidArgumentError("Give NAR hashes as `trustix explain` shows them: sha256:…");
  return hashes;
}

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command
    .argument("<what>", "a store path, a link to one, a hash part, or a name such as hello or hello-2.12.1")
    .option(
      "--builders <names>",
      "compare what these two built (a,b), or one with what most others did (default: what most say with the best supported other)",
      parsePair,
    )
    .option("--hashes <hashes>", "compare these two NAR hashes", parseHashes)
    .option("--full", "show all that is known of the differences, not only as much as fits a screen")
    .option(
      "--diffoscope",
      "let diffoscope compare them, too (default: when it is installed, and without --json)",
    )
    .option("--no-diffoscope", "do not run diffoscope")
    .action(async (text: string, options: DiffOptions) => {
      const config = await loadCommandConfig(options, io);
      const client = new DaemonClient(config.node.adminSocket);
      const what = await resolveOne(text, config.nix.storeDir, client, io);
      const path = `/api/v1/decisions/${encodeURIComponent(what)}`;
      const explanation = (await client.json({ method: "GET", path, signal: io.signal })) as Explanation;
      const outputs = explanation.statements.filter(
        (each): each is Output => each.narHash !== null && each.operators.length > 0,
      );
      const isChosen = options.builders !== undefined || options.hashes !== undefined;
      if (outputs.length < 2 && !isChosen) {
        printUndisputed(explanation, outputs[0], options, io);
        return;
      }
      const [before, after] = choose(outputs, options);
      const diff = await compare(client, explanation.hashPart, before, after, io);
      const diffoscope = await diffoscopeFor(options, io);
      const paint: Paint = (style, part) => styled(io, style, part);
      if (!options.json) io.out(renderDiff(diff, paint, options));
      let report: string | null = null;
      if (diffoscope !== undefined && before.narHash !== after.narHash) {
        const wanted = [before, after].map(({ statement }) => wantedNar(statement, config.nix.storeDir));
        report = await runDiffoscope(diffoscope, [wanted[0]!, wanted[1]!], config, io);
      }
      if (options.json)
        io.out(JSON.stringify({ storePath: before.storePath, disputed: true, diff, diffoscope: report }));
      else if (report !== null)
        io.out(`\n${styled(io, "bold", "diffoscope")}\n${renderReport(report, paint)}`);
    });
}

/** The one path that is meant. @throws TrustixError `INVALID_ARGUMENT` when several have the name */
async function resolveOne(text: string, storeDir: string, client: DaemonClient, io: Io): Promise<string> {
  const subjects = await resolveSubjects(text, storeDir, findClaimed(client, io.signal));
  const [what = "", ...others] = subjects;
  if (others.length === 0) return what;
  throw new TrustixError("INVALID_ARGUMENT", `${subjects.length} paths are named ${text}`, {
    hint: `Give one of them: ${subjects.slice(0, 10).join(", ")}${subjects.length > 10 ? ", …" : ""}`,
  });
}

function choose(outputs: readonly Output[], { builders, hashes }: DiffOptions): readonly [Output, Output] {
  if (builders !== undefined && hashes !== undefined) {
    throw new TrustixError("USAGE", "--builders and --hashes both say what to compare: give one of them");
  }
  if (builders !== undefined) return chooseByBuilders(outputs, builders);
  return choosePair(
    outputs,
    hashes?.length === 1 ? { after: hashes[0] } : { before: hashes?.[0], after: hashes?.[1] },
  );
}

function printUndisputed(
  { storePath, hashPart }: Explanation,
  output: Output | undefined,
  { json }: DiffOptions,
  io: Io,
): void {
  if (json) {
    io.out(
      JSON.stringify({
        storePath: output?.storePath ?? storePath,
        disputed: false,
        diff: null,
        diffoscope: null,
      }),
    );
    return;
  }
  const name = visible(output?.storePath ?? storePath ?? hashPart);
  if (output === undefined)
    io.out(`${name}\nnobody that this node listens to has built it: there is nothing to compare`);
  else
    io.out(
      `${name}\nnot disputed: ${output.operators.map(visible).join(", ")} built ${visible(output.narHash)}`,
    );
}

/** Lets the daemon compare, and shows how far it is. */
async function compare(
  client: DaemonClient,
  hashPart: string,
  before: Output,
  after: Output,
  io: Io,
): Promise<PathDiffJson> {
  using progress = new Progress(io, "comparing");
  const query = new URLSearchParams({ before: before.narHash, after: after.narHash });
  const path = `/api/v1/paths/${hashPart}/diff/events?${query}`;
  for await (const line of client.lines({ method: "GET", path, signal: io.signal })) {
    const event = line as DiffEventJson;
    if (event.type === "diff") return event.diff;
    progress.update(event.doneBytes, event.totalBytes, "bytes");
  }
  throw new TrustixError("DAEMON_UNREACHABLE", "the daemon went away before it had a result");
}

async function diffoscopeFor({ diffoscope, json }: DiffOptions, io: Io): Promise<string | undefined> {
  if (diffoscope === false || (diffoscope === undefined && json)) return undefined;
  const program = await findProgram("diffoscope", io.env.PATH);
  if (program === undefined && diffoscope === true) {
    throw new TrustixError("NOT_FOUND", "diffoscope is not installed", {
      hint: "Install it, for example with `nix profile install nixpkgs#diffoscope`.",
    });
  }
  return program;
}
