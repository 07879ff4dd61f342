/** The result of a benchmark: side by side for people, or as JSON. A limit that was missed is said, and fails the run. */
import { arch, cpus } from "node:os";

export interface Row {
  /** "backup of tree", "restore of db". */
  readonly work: string;
  readonly program: string;
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
  readonly anonymousBytesPeak: number;
  /** Bytes on disk that the work added. */
  readonly storedBytes?: number;
}

export interface Claim {
  /** "CPU of the backup, against restic". */
  readonly what: string;
  readonly value: number;
  readonly unit: "ratio" | "MB" | "s" | "ms" | "events/s";
  readonly limit: number;
  readonly goal?: number;
  /** A floor instead of a ceiling. */
  readonly isAtLeast?: boolean;
}

export interface BenchOptions {
  readonly isQuick: boolean;
  readonly isJson: boolean;
}

export const MB = 1_000_000;

export function benchOptions(argv: readonly string[] = process.argv.slice(2)): BenchOptions {
  const unknown = argv.filter((option) => option !== "--quick" && option !== "--json");
  if (unknown.length > 0) throw new Error(`unknown options: ${unknown.join(" ")} (there are --quick and --json)`);
  return { isQuick: argv.includes("--quick"), isJson: argv.includes("--json") };
}

/** For people who wait; never part of the result. */
export function say(text: string): void {
  console.error(text);
}

/** Prints, and sets the exit code: 1 where a limit is missed at full size. A quick run measures, it does not judge. */
export function report(
  name: string,
  options: BenchOptions,
  result: { readonly rows: readonly Row[]; readonly claims: readonly Claim[]; readonly notes?: readonly string[] },
): void {
  const { rows, claims, notes = [] } = result;
  const machine = { arch: arch(), cpus: cpus().length, model: cpus()[0]?.model ?? "unknown" };
  if (options.isJson)
    console.log(
      JSON.stringify({
        benchmark: name,
        quick: options.isQuick,
        machine,
        rows,
        claims: claims.map((claim) => ({ ...claim, reached: isReached(claim) })),
        notes,
      }),
    );
  else {
    console.log(`${name}${options.isQuick ? " (quick: smaller inputs, nothing is judged)" : ""} on ${machine.cpus} × ${machine.model}`);
    printTable(rows);
    for (const claim of claims) console.log(claimLine(claim));
    for (const note of notes) console.log(`note: ${note}`);
  }
  if (!options.isQuick && !claims.every(isReached)) process.exitCode = 1;
}

function printTable(rows: readonly Row[]): void {
  const head = ["work", "program", "CPU s", "wall s", "anonymous MB", "stored MB"];
  const lines = rows.map((row) => [
    row.work,
    row.program,
    row.cpuSeconds.toFixed(2),
    row.wallSeconds.toFixed(2),
    (row.anonymousBytesPeak / MB).toFixed(1),
    row.storedBytes === undefined ? "" : (row.storedBytes / MB).toFixed(2),
  ]);
  const widths = head.map((title, i) => Math.max(title.length, ...lines.map((line) => (line[i] as string).length)));
  const lay = (cells: readonly string[]): string =>
    cells.map((cell, i) => (i < 2 ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number))).join("  ");
  console.log(lay(head));
  for (const line of lines) console.log(lay(line));
}

function isReached({ value, limit, isAtLeast }: Claim): boolean {
  return isAtLeast === true ? value >= limit : value <= limit;
}

function claimLine(claim: Claim): string {
  const shown = (value: number): string => (claim.unit === "ratio" ? value.toFixed(3) : `${value.toFixed(value < 100 ? 1 : 0)} ${claim.unit}`);
  const goal = claim.goal === undefined ? "" : `, goal ${shown(claim.goal)}`;
  return `${isReached(claim) ? "ok  " : "MISS"}  ${claim.what}: ${shown(claim.value)} (${claim.isAtLeast === true ? "at least" : "at most"} ${shown(claim.limit)}${goal})`;
}
