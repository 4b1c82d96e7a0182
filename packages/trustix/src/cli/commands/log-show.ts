// trustix log show URL|DIR --vkey VKEY
import { encodeBase64, readEntries } from "@trustix/tlog";
import { type Command, InvalidArgumentError } from "commander";
import { visible } from "../../terminal.ts";
import { formatFacts, type Io, styled } from "../io.ts";
import { logSource, readCheckpoint } from "../log-source.ts";

interface ShowOptions {
  readonly vkey: string;
  readonly origin?: string;
  readonly from?: number;
  readonly limit: number;
  readonly json?: boolean;
}

function parseCount(text: string): number {
  if (!/^(0|[1-9]\d{0,14})$/.test(text)) throw new InvalidArgumentError("Not a number.");
  return Number(text);
}

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command
    .argument("<log>", "the log's prefix: a URL or a directory")
    .requiredOption("--vkey <vkey>", "the log's verifier key")
    .option("--origin <origin>", "the log's origin (default: the name in the vkey)")
    .option("--from <index>", "first entry to show (default: so that the newest are shown)", parseCount)
    .option("--limit <count>", "entries to show at most", parseCount, 20)
    .action(async (location: string, options: ShowOptions) => {
      const source = logSource(location);
      const { checkpoint } = await readCheckpoint(source, location, options.vkey, options.origin, io.signal);
      const { origin, size } = checkpoint;
      const root = encodeBase64(checkpoint.root);
      const from = Math.min(options.from ?? Math.max(0, size - options.limit), size);
      if (options.json) io.out(JSON.stringify({ origin, size, root }));
      else
        io.out(
          formatFacts(io, [
            ["origin", visible(origin)],
            ["size", String(size)],
            ["root", root],
          ]),
        );
      let left = options.limit;
      if (left === 0) return;
      for await (const { startIndex, entries } of readEntries({
        checkpoint,
        source,
        from,
        signal: io.signal,
      })) {
        for (const [offset, entry] of entries.entries()) {
          const index = startIndex + offset;
          const text = Buffer.from(entry).toString("utf8");
          if (options.json) io.out(JSON.stringify({ index, entry: text }));
          else {
            const lines = text.trimEnd().split("\n").map(visible);
            io.out(`\n${styled(io, "bold", String(index))} ${lines.join("\n  ")}`);
          }
          if (--left === 0) return;
        }
      }
    });
}
