// trustix version
import type { Command } from "commander";
import { VERSION } from "../../version.ts";
import type { Io } from "../io.ts";

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command.action((options: { json?: boolean }) => {
    const node = process.versions.node;
    io.out(options.json ? JSON.stringify({ trustix: VERSION, node }) : `trustix ${VERSION} (node ${node})`);
  });
}
