// Finds the command, loads its module, and turns the outcome into an exit status.
import { Command, CommanderError } from "commander";
import { TrustixError } from "../errors.ts";
import { VERSION } from "../version.ts";
import { EXIT, exitStatusOf, printFailure } from "./failure.ts";
import type { Io } from "./io.ts";
import { COMMANDS, type CommandRow, GROUPS, sectionOf } from "./registry.ts";

function isSelected(row: CommandRow, words: readonly string[]): boolean {
  return row.words.every((word, index) => words[index] === word);
}

async function buildProgram(argv: readonly string[], io: Io): Promise<Command> {
  const program = new Command("trustix")
    .description("Build transparency for Nix: publish what you build, trust what enough others built too.")
    .version(VERSION, "-V, --version", "show the version")
    .helpOption("-h, --help", "show help")
    .showSuggestionAfterError(true);
  const words = argv.filter((word) => !word.startsWith("-"));
  const groups = new Map<string, Command>();
  for (const row of COMMANDS) {
    const [first = "", second] = row.words;
    program.commandsGroup(sectionOf(first));
    let parent = program;
    if (second !== undefined) {
      parent = groups.get(first) ?? program.command(first).description(GROUPS[first] ?? "");
      groups.set(first, parent);
    }
    const command = parent.command(second ?? first).description(row.summary);
    if (!isSelected(row, words)) continue;
    if (row.usesConfig) {
      command.option(
        "-c, --config <file>",
        "configuration (default: $TRUSTIX_CONFIG, ./trustix.toml, /etc/trustix/trustix.toml)",
      );
    }
    command.option("--json", "print JSON");
    (await row.load()).define(command, io);
  }
  program.helpCommand("help [command...]", "show help for a command");
  const configure = (command: Command): void => {
    command.exitOverride().configureOutput({
      writeOut: (text) => io.out(text.trimEnd()),
      writeErr: (text) => io.err(text.trimEnd()),
      outputError: () => {},
    });
    command.commands.forEach(configure);
  };
  configure(program);
  return program;
}

function printUsageError(io: Io, error: CommanderError, json: boolean): void {
  const message = error.message.replace(/^error: /, "");
  if (json) io.out(JSON.stringify({ error: { code: "USAGE", message, hint: "" } }));
  else io.err(`trustix: ${message}\n  next:  see \`trustix --help\`, or the same command with --help`);
}

/** Whether Ctrl-C is why something that was under way has failed. */
function isInterruption(error: unknown, io: Io): boolean {
  return io.signal.aborted && error instanceof Error && error.name === "AbortError";
}

/** `help log verify` is `log verify --help`, which knows the command's options. */
function withoutHelpWord(argv: readonly string[]): readonly string[] {
  return argv[0] === "help" && argv.length > 1 ? [...argv.slice(1), "--help"] : argv;
}

/**
 * Runs the command line.
 * @param words those after the program's name
 * @returns the exit status
 */
export async function runCli(words: readonly string[], io: Io): Promise<number> {
  const argv = withoutHelpWord(words);
  const json = argv.includes("--json");
  try {
    const program = await buildProgram(argv, io);
    if (argv.length === 0) {
      io.out(program.helpInformation().trimEnd());
      return EXIT.usage;
    }
    await program.parseAsync([...argv], { from: "user" });
    return EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return EXIT.ok;
      if (error.code !== "commander.help") printUsageError(io, error, json);
      return EXIT.usage;
    }
    const failure = isInterruption(error, io) ? new TrustixError("CLOSED", "interrupted") : error;
    printFailure(io, failure, json);
    return exitStatusOf(failure);
  }
}
