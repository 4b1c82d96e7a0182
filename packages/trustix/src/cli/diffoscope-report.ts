// What diffoscope says, for a terminal. It shows what builders wrote as it is, so nothing of it may steer the terminal: not
// even colours, since a line that is concealed is not read. The colours are ours.
import { type Paint, visible } from "../terminal.ts";

/** A line of a diff, behind the branches of the tree that it stands in. */
const CHANGE = /^((?:│ ?)*)([-+@].*)$/s;
const STYLES = { "-": "red", "+": "green", "@": "cyan" } as const;

/** The report with every character of it seen; tabs stay. */
export function renderReport(report: string, paint: Paint): string {
  if (report.trim() === "") return "sees no difference";
  return report
    .trimEnd()
    .split("\n")
    .map((line) => {
      const shown = line.split("\t").map(visible).join("\t");
      const [, branches = "", change] = CHANGE.exec(shown) ?? [];
      return change === undefined
        ? shown
        : branches + paint(STYLES[change[0] as keyof typeof STYLES], change);
    })
    .join("\n");
}
