/**
 * A decision for people and for programs: who says what, how that is known, which rule applied, and what came of it.
 */

import { NixError, parseNixStatement } from "@trustix/nix";
import { type Paint, renderTable, visible } from "../terminal.ts";
import type { SourcedClaim, Vote } from "../votes/vote.ts";
import type { PolicyDecision } from "./policy.ts";
import type { QuorumOutcome } from "./quorum.ts";
import type { PolicyRefusal, Verdict } from "./verdict.ts";

/** The checkpoint that proves a log's entries, as far as this node has followed the log. */
export interface CheckpointFacts {
  readonly treeSize: number;
  /** Base64 of the root hash. */
  readonly rootHash: string;
}

export interface ExplainOptions {
  /** By name of subscription. */
  readonly checkpoints?: ReadonlyMap<string, CheckpointFacts>;
  /** Finds the store directory of statements. Default `/nix/store`. */
  readonly storeDir?: string;
}

/** One place where an operator's statement stands. */
export interface ExplainedSource {
  readonly subscription: string;
  readonly label: string;
  readonly evidence: "logged" | "signed";
  /** In the log; null for a signature. */
  readonly index: number | null;
  /** When this node first saw the entry, ISO 8601; null for a signature. */
  readonly seenAt: string | null;
  /** Name of the cache's key; null for a log. */
  readonly keyName: string | null;
  readonly checkpoint: CheckpointFacts | null;
}

/** One operator's vote. */
export interface ExplainedVote {
  readonly operator: string;
  /** Whether the rule asks this operator. */
  readonly counts: boolean;
  readonly vote: Vote["kind"];
  /** Labels of what it states: one for `statement`, several for `conflicting`, any number but none for `quarantined`. */
  readonly labels: readonly string[];
  /** Why it is `unreachable` or `quarantined`; null otherwise. */
  readonly reason: string | null;
  readonly sources: readonly ExplainedSource[];
}

/** A statement, under a letter that stands for it in the rest of the report: A is the one with the most support. */
export interface ExplainedStatement {
  readonly label: string;
  readonly statement: string;
  readonly storePath: string | null;
  /** `sha256:<nix32>` */
  readonly narHash: string | null;
  readonly narSize: number | null;
  readonly operators: readonly string[];
}

interface ExplainedVerdict {
  readonly accepted: boolean;
  readonly label: string | null;
  readonly basis: string | null;
  readonly reason: PolicyRefusal | null;
  readonly explanation: string;
}

/** A decision in full. The JSON of `trustix explain --json`: fields are added in later versions, never changed. */
export interface Explanation extends ExplainedVerdict {
  readonly version: 1;
  readonly hashPart: string;
  readonly storePath: string | null;
  readonly mode: "enforce" | "report";
  readonly rule: { readonly name: string; readonly because: string };
  /** The best supported statement's way through the rule's quorum; null when there is none. */
  readonly quorum: QuorumOutcome | null;
  readonly enforced: ExplainedVerdict;
  readonly statements: readonly ExplainedStatement[];
  readonly votes: readonly ExplainedVote[];
}

/** Gathers what there is to say about a decision. */
export function explain(decision: PolicyDecision, options: ExplainOptions = {}): Explanation {
  const statements = labelStatements(decision, options.storeDir);
  const labels = new Map(statements.map((each) => [each.statement, each.label]));
  const [best] = decision.candidates;
  const asked = new Set(decision.rule.operators);
  const verdict = (given: Verdict): ExplainedVerdict => ({
    accepted: given.accepted,
    label: given.accepted ? (labels.get(given.statement) ?? null) : null,
    basis: given.accepted ? given.basis : null,
    reason: given.accepted ? null : given.reason,
    explanation: given.explanation,
  });
  return {
    version: 1,
    hashPart: decision.hashPart,
    storePath: decision.storePath ?? null,
    mode: decision.mode,
    ...verdict(decision),
    rule: { name: decision.rule.name, because: decision.rule.because },
    quorum: best?.outcome ?? null,
    enforced: verdict(decision.enforced),
    statements,
    votes: decision.votes.map((vote) => explainVote(vote, labels, asked, options)),
  };
}

function labelStatements(decision: PolicyDecision, storeDir: string | undefined): ExplainedStatement[] {
  const operators = new Map<string, string[]>();
  if (decision.accepted) operators.set(decision.statement, []);
  for (const vote of decision.votes) {
    for (const statement of statementsOf(vote)) {
      const makers = operators.get(statement);
      if (makers === undefined) operators.set(statement, [vote.operator]);
      else makers.push(vote.operator);
    }
  }
  return [...operators]
    .sort(([, a], [, b]) => b.length - a.length)
    .map(([statement, makers], index) => ({
      label: labelOf(index),
      statement,
      ...factsOf(statement, storeDir),
      operators: makers,
    }));
}

/** A, B, … Z, AA, AB, … */
function labelOf(index: number): string {
  const letter = String.fromCharCode(0x41 + (index % 26));
  return index < 26 ? letter : labelOf(Math.floor(index / 26) - 1) + letter;
}

function factsOf(
  statement: string,
  storeDir: string | undefined,
): Pick<ExplainedStatement, "storePath" | "narHash" | "narSize"> {
  try {
    const { storePath, narSize } = parseNixStatement(statement, storeDir);
    return { storePath, narHash: statement.split(";")[2] ?? null, narSize };
  } catch (error) {
    if (!(error instanceof NixError)) throw error;
    return { storePath: null, narHash: null, narSize: null };
  }
}

function explainVote(
  vote: Vote,
  labels: ReadonlyMap<string, string>,
  asked: ReadonlySet<string>,
  { checkpoints }: ExplainOptions,
): ExplainedVote {
  const label = (statement: string) => labels.get(statement) as string;
  const source = (claim: SourcedClaim): ExplainedSource => {
    const { evidence, subscription } = claim;
    const isLogged = evidence.kind === "logged";
    return {
      subscription,
      label: label(claim.statement),
      evidence: evidence.kind,
      index: isLogged ? evidence.index : null,
      seenAt: isLogged ? new Date(evidence.seenAtMs).toISOString() : null,
      keyName: isLogged ? null : evidence.keyName,
      checkpoint: (isLogged ? checkpoints?.get(subscription) : undefined) ?? null,
    };
  };
  return {
    operator: vote.operator,
    counts: asked.has(vote.operator),
    vote: vote.kind,
    labels: statementsOf(vote).map(label),
    reason: "reason" in vote ? vote.reason : null,
    sources: "claims" in vote ? vote.claims.map(source) : [],
  };
}

function statementsOf(vote: Vote): readonly string[] {
  if (vote.kind === "statement") return [vote.statement];
  return "statements" in vote ? vote.statements : [];
}

/** `sha256:0f3k2…` cut to what people compare at a glance. */
function shortHash(statement: ExplainedStatement | undefined): string {
  return statement?.narHash?.slice("sha256:".length, "sha256:".length + 10) ?? "?";
}

/** The explanation as text for a terminal. */
export function renderExplanation(explanation: Explanation, paint: Paint): string {
  const byLabel = new Map(explanation.statements.map((each) => [each.label, each]));
  const verdictLine = (verdict: ExplainedVerdict): string => {
    const word = verdict.accepted
      ? paint("green", `accepted${verdict.label === null ? "" : ` ${verdict.label}`}`)
      : paint("red", `refused (${verdict.reason})`);
    return `${word}: ${visible(verdict.explanation)}`;
  };
  const lines = [
    paint("bold", visible(explanation.storePath ?? explanation.hashPart)),
    verdictLine(explanation),
    `rule "${explanation.rule.name}" applies because ${explanation.rule.because}; mode ${explanation.mode}`,
  ];
  if (explanation.mode === "report") lines.push(`enforcing: ${verdictLine(explanation.enforced)}`);
  const rows = explanation.votes.flatMap((vote) => voteRows(vote, byLabel, paint));
  if (rows.length > 0) {
    lines.push("", renderTable(["OPERATOR", "VOTE", "NAR HASH", "KNOWN FROM", "INDEX", "SEEN"], rows, paint));
  }
  for (const { operator, vote, reason } of explanation.votes) {
    if (vote === "quarantined") {
      lines.push(`${operator} is in quarantine and does not count: ${visible(reason ?? "")}`);
    }
  }
  if (explanation.statements.length > 0) {
    const statements = explanation.statements.map((each) => [
      each.label,
      visible(each.narHash ?? "?"),
      each.narSize === null ? "?" : String(each.narSize),
      visible(each.storePath ?? each.statement.slice(0, 80)),
    ]);
    lines.push("", renderTable(["", "NAR HASH", "NAR SIZE", "STORE PATH"], statements, paint));
  }
  return lines.join("\n");
}

/** A row for each place where the vote stands; the first names the operator. */
function voteRows(
  vote: ExplainedVote,
  statements: ReadonlyMap<string, ExplainedStatement>,
  paint: Paint,
): string[][] {
  const name = vote.counts ? vote.operator : `${vote.operator} (not asked)`;
  switch (vote.vote) {
    case "absent":
      return [[name, paint("dim", "absent"), "", "has not built it"]];
    case "unreachable":
      return [[name, paint("yellow", "unreachable"), "", visible(vote.reason ?? "")]];
    case "statement":
    case "conflicting":
    case "quarantined":
      return vote.sources.map((source, index) => [
        index === 0 ? name : "",
        standing(vote, source, paint),
        shortHash(statements.get(source.label)),
        source.evidence === "logged"
          ? `log ${visible(source.subscription)}${source.checkpoint === null ? "" : ` at size ${source.checkpoint.treeSize}`}`
          : `signature only, ${visible(source.keyName ?? "")} in ${visible(source.subscription)}`,
        source.index === null ? "" : String(source.index),
        source.seenAt === null ? "" : source.seenAt.slice(0, 16).replace("T", " "),
      ]);
    default:
      return vote.vote satisfies never;
  }
}

function standing({ vote }: ExplainedVote, { label }: ExplainedSource, paint: Paint): string {
  if (vote === "conflicting") return paint("red", `${label}, contradicts itself`);
  return vote === "quarantined" ? paint("yellow", `${label}, in quarantine`) : label;
}
