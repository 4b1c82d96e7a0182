// trustix report
import { resolve } from "node:path";
import { baseNameOf } from "@trustix/nix";
import { type Command, InvalidArgumentError, Option } from "commander";
import { formatReportCsv } from "../../analyse/render/report-csv.ts";
import { renderReportHtml } from "../../analyse/render/report-html.ts";
import { renderReport } from "../../analyse/render/report-text.ts";
import type { Config } from "../../config/load.ts";
import { TrustixError } from "../../errors.ts";
import { LocalNix } from "../../nix/local-nix.ts";
import { DaemonClient } from "../client.ts";
import { closureRoots, RUNNING_SYSTEM } from "../closure-roots.ts";
import { type ConfigOptions, loadCommandConfig, replaceFile } from "../context.ts";
import { type Io, styled } from "../io.ts";
import { parseCount, parseMoment } from "../options.ts";
import { readPathList } from "../path-list.ts";
import { Progress } from "../progress.ts";
import { fetchReport } from "../report-request.ts";
import { parseFailures, type ReportFailure, reportExitStatus } from "../report-status.ts";

interface ReportOptions extends ConfigOptions {
  readonly closure?: true | readonly string[];
  readonly paths?: string;
  readonly name?: string;
  readonly system?: string;
  readonly since?: string;
  readonly until?: string;
  readonly limit?: number;
  readonly csv?: boolean;
  readonly html?: string;
  readonly failOn?: readonly ReportFailure[];
}

/** Disputed paths in a table for people, and in files and for programs. */
const [LISTED_FOR_PEOPLE, LISTED_AT_MOST] = [50, 100_000];

/** The paths that the report is on, and what they are in words. */
interface Scope {
  /** Base names, those with the name that is asked for; undefined for all that is known. */
  readonly paths: readonly string[] | undefined;
  readonly words: string;
}

async function scopeOf(options: ReportOptions, config: Config, io: Io): Promise<Scope> {
  const { storeDir, nixStore } = config.nix;
  if (options.paths !== undefined) {
    const paths = await readPathList(options.paths, storeDir, process.stdin);
    return { paths, words: `the paths in ${options.paths === "-" ? "a list" : options.paths}` };
  }
  if (options.closure !== undefined) {
    const named = options.closure === true ? [] : options.closure;
    const nix = new LocalNix({ nixStore, storeDir, env: io.env });
    const paths: string[] = [];
    for await (const { path } of nix.list(await closureRoots(named, storeDir), io.signal))
      paths.push(baseNameOf(path));
    return { paths, words: `the closure of ${named.length === 0 ? RUNNING_SYSTEM : named.join(" ")}` };
  }
  return { paths: undefined, words: "all that is known" };
}

/** Limits besides the paths, for the daemon and in words. */
function limitsOf({ name, system, since, until }: ReportOptions, now: Date) {
  const moment = (option: string, text: string) => {
    try {
      return parseMoment(text, now.getTime());
    } catch (error) {
      if (!(error instanceof InvalidArgumentError)) throw error;
      throw new TrustixError("USAGE", `${option} ${text}: ${error.message}`);
    }
  };
  const from = since && new Date(moment("--since", since).sinceMs).toISOString();
  const before = until && new Date(moment("--until", until).untilMs).toISOString();
  const words = [
    ...(name === undefined ? [] : [`named ${name}`]),
    ...(system === undefined ? [] : [`for ${system}`]),
    ...(from === undefined ? [] : [`first seen since ${from.slice(0, 16)}Z`]),
    ...(before === undefined ? [] : [`first seen before ${before.slice(0, 16)}Z`]),
  ];
  return {
    request: {
      ...(name !== undefined && { name }),
      ...(system !== undefined && { system }),
      ...(from !== undefined && { from }),
      ...(before !== undefined && { until: before }),
    },
    words,
  };
}

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command
    .addOption(
      new Option(
        "--closure [path...]",
        `only the closure of store paths, or of links to them (default: ${RUNNING_SYSTEM})`,
      ).conflicts("paths"),
    )
    .option(
      "--paths <file>",
      "only the store paths in a file, one a line, plain, .gz, .xz or .zst; - for standard input",
    )
    .option("--name <glob>", "only paths with such a name: * is any text, ? any character")
    .option("--system <name>", "only paths for this system, such as x86_64-linux")
    .option(
      "--since <when>",
      "only paths first seen since then: 2026-11-22, 2026-11-22T18:00:00Z, or an age such as 7d",
    )
    .option("--until <when>", "only paths first seen until then; a day is meant to its end, UTC")
    .option(
      "--limit <count>",
      "disputed paths to list at most (default: 50, in files and for programs 100000)",
      parseCount,
    )
    .addOption(new Option("--csv", "print CSV").conflicts("json"))
    .option("--html <file>", "write a page that needs nothing else, in place of the file that is there")
    .option(
      "--fail-on <statuses>",
      "fail when a path is one of these: some of disputed, single and unchecked, with commas between",
      parseFailures,
    )
    .addHelpText(
      "after",
      "\nExit status with --fail-on: 4 when a path is disputed, 1 when one is single or unchecked, else 0.",
    )
    .action(async (options: ReportOptions) => {
      const config = await loadCommandConfig(options, io);
      const limits = limitsOf(options, io.now());
      const scope = await scopeOf(options, config, io);
      const words = [scope.words, ...limits.words].join(", ");
      const isForPeople = !options.json && !options.csv && options.html === undefined;
      const list = Math.min(
        options.limit ?? (isForPeople ? LISTED_FOR_PEOPLE : LISTED_AT_MOST),
        LISTED_AT_MOST,
      );
      using progress = new Progress(io, "counting");
      const report = await fetchReport(
        new DaemonClient(config.node.adminSocket),
        { ...limits.request, list },
        scope.paths,
        io.signal,
        (done) => progress.update(done, scope.paths?.length, "paths"),
      );
      progress[Symbol.dispose]();
      if (options.html !== undefined) {
        await replaceFile(resolve(options.html), renderReportHtml(report, words));
        io.err(`wrote ${options.html}`);
      }
      if (options.json) io.out(JSON.stringify(report));
      else if (options.csv) io.out(formatReportCsv(report));
      else {
        io.out(
          renderReport(report, words, {
            paint: (style, text) => styled(io, style, text),
            hasBars: io.isTty,
            limit: options.limit ?? LISTED_FOR_PEOPLE,
          }),
        );
      }
      if (report.behind > 0) io.err(`${report.behind} claims are not analysed yet; the counts will change.`);
      io.setExitStatus(reportExitStatus(report.total, options.failOn ?? []));
    });
}
