// The act in which the user's node says who is to be trusted: what is disputed, what differs, and who is suspected.

import { join } from "node:path";
import type { BuildersJson } from "trustix/src/http/insight-schema.ts";
import { eventually } from "../e2e/node.ts";
import { BACKDOOR, type Cast, DISTRIBUTION, PACKAGES } from "./lib/cast.ts";
import { runCommand } from "./lib/command-line.ts";
import { type Stage, short } from "./lib/stage.ts";

/** Of a suspect's paths, those that are shown. */
const SHOWN = 4;

/** Has everybody build a distribution, and asks the user's node what it makes of them all. */
export async function tellWhoToTrust(stage: Stage, cast: Cast): Promise<void> {
  const { node } = cast.user;
  const config = ["--config", join(node.home, "trustix.toml")];
  const show = async (line: string, pick: (printed: string) => string): Promise<string> => {
    const { out } = await runCommand([...line.split(" ").slice(1), ...config], stage.isTty);
    stage.command(line, short(pick(out)));
    return out;
  };
  const { programs, libraries } = DISTRIBUTION;
  stage.say(
    `One hello says little of Chuck: it could have been an accident. So your node follows the four while they build
    a small distribution, ${programs.length} programs and ${libraries.length} libraries.`,
  );
  await cast.buildDistribution();
  const builders = await whenAssessed(cast);
  await show("trustix report", (printed) => printed.split("\n\n").slice(0, 3).join("\n\n"));

  stage.say(
    "What is it that differs? Your node fetches both outputs, and checks that they are what was claimed:",
  );
  const hello = await show(`trustix diff ${PACKAGES.hello}`, (printed) => printed);
  stage.check(
    hello.split("\n").filter((line) => /^\s*\+/.test(line) && line.includes(BACKDOOR)).length === 1,
    "in hello-1.0 it is the very line that Chuck's intruder has added",
  );
  const clock = await show(`trustix diff ${PACKAGES.clock}`, (printed) => printed);
  stage.check(clock.includes("timestamp"), "in clock-1.0 it is the time of the build, and nothing else");

  stage.say(
    "\nSo who is to be trusted? A model weighs who differs from whom, and how often packages differ at all:",
  );
  // The heading of a column that is narrower for shortened paths.
  await show(`trustix suspects --limit ${SHOWN}`, (printed) => printed.replace(/ {27}(?=\s+WHO SAYS)/, ""));
  const suspects = builders.filter(({ assessment }) => assessment?.verdict === "suspect");
  stage.check(
    suspects.map(({ operator }) => operator).join() === "chuck",
    "Chuck is named, and nobody else; that clock-1.0 differs is held against nobody",
  );
  const proofs = join(node.home, "evidence");
  await runCommand(["suspects", "--evidence", proofs, ...config]);
  const verified = await runCommand(["evidence", "verify", proofs]);
  stage.check(
    verified.out.includes("chuck"),
    "the proofs of what each of them published on these paths hold offline",
  );
}

type Builders = BuildersJson["builders"];

/** What is known of the builders, once that rests on all that they have published. */
async function whenAssessed({ builders, user }: Cast): Promise<Builders> {
  const published = new Map<string, number>();
  for (const [name, builder] of builders) published.set(name, await builder.claims());
  return await eventually(
    async () => ((await user.node.ask("/api/v1/builders")) as BuildersJson).builders,
    (all) =>
      all.every(({ operator, counts, assessment }) =>
        [counts.paths, assessment?.paths ?? 0].every((paths) => paths >= (published.get(operator) ?? 0)),
      ),
  );
}
