// trustix log verify URL|DIR --vkey VKEY
import { encodeBase64, verifyLog } from "@trustix/tlog";
import type { Command } from "commander";
import { visible } from "../../terminal.ts";
import { formatFacts, type Io, styled } from "../io.ts";
import { logSource, readCheckpoint } from "../log-source.ts";
import { Progress } from "../progress.ts";

interface VerifyOptions {
  readonly vkey: string;
  readonly origin?: string;
  readonly json?: boolean;
}

function describeCounts(entries: number, bundles: number, tiles: number): string {
  const count = (many: number, what: readonly [one: string, more: string]): string =>
    `${many} ${many === 1 ? what[0] : what[1]}`;
  const parts = [
    count(entries, ["entry", "entries"]),
    count(bundles, ["bundle", "bundles"]),
    count(tiles, ["tile", "tiles"]),
  ];
  return `${entries > 1 ? "all " : ""}${parts.join(", ")}`;
}

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command
    .argument("<log>", "the log's prefix: a URL or a directory")
    .requiredOption("--vkey <vkey>", "the log's verifier key")
    .option("--origin <origin>", "the log's origin (default: the name in the vkey)")
    .action(async (location: string, options: VerifyOptions) => {
      const started = performance.now();
      const source = logSource(location);
      const { checkpoint } = await readCheckpoint(source, location, options.vkey, options.origin, io.signal);
      using progress = new Progress(io, "verify");
      const { entries, bundles, tiles } = await verifyLog({
        checkpoint,
        source,
        signal: io.signal,
        onProgress: (counts) => progress.update(counts.entries, checkpoint.size, "entries"),
      });
      progress[Symbol.dispose]();
      const seconds = (performance.now() - started) / 1000;
      const root = encodeBase64(checkpoint.root);
      if (options.json) {
        io.out(
          JSON.stringify({
            verified: true,
            origin: checkpoint.origin,
            size: entries,
            root,
            bundles,
            tiles,
            seconds,
          }),
        );
        return;
      }
      io.out(
        formatFacts(io, [
          ["verified", styled(io, "green", describeCounts(entries, bundles, tiles))],
          ["origin", visible(checkpoint.origin)],
          ["root", root],
          ["time", `${seconds.toFixed(2)} s`],
        ]),
      );
    });
}
