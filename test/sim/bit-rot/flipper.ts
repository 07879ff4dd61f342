/**
 * node flipper.ts: for each flip that its parent asks for over IPC, turns one bit of a copy of a data directory, asks every question,
 * runs the check, and answers what is wrong about it. One process serves many flips; where one ends it, the parent knows which.
 */
import { closeSync, cpSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { openRainbow, systemClock, systemRandom } from "../../../src/app/index.ts";
import type { OpenedRainbow } from "../../../src/app/index.ts";
import type { ByteString } from "../../../src/core/index.ts";
import { EXIT } from "../../../src/core/index.ts";
import { answerTo, problemsOf, questionsOf, refusalOf } from "./questions.ts";
import type { Answer, Refusal } from "./questions.ts";

export interface FlipOrder {
  /** The sound data directory. */
  readonly original: string;
  /** Where its copy lies. */
  readonly copy: string;
  readonly top: ByteString;
  readonly revisions: readonly number[];
  /** Relative to the data directory. Undefined: nothing is flipped. */
  readonly flip: { readonly file: string; readonly byte: number; readonly bit: number } | undefined;
}

export interface FlipReport {
  /** What must not be, in words. */
  readonly wrong: readonly string[];
  /** "unnoticed": every answer was right and the check found nothing. */
  readonly outcome: "refused at open" | "found by check" | "unnoticed";
}

const DAMAGE_CODES: readonly string[] = ["EVENT_CORRUPT", "DIG_CHECKSUM", "DIG_CORRUPT", "STORE_CORRUPT"];
/** A flip in a version number looks like a newer format, one in a magic or a size like no store. */
const OTHER_CODES: readonly string[] = ["NEWER_FORMAT", "NO_STORE"];

let expected: readonly Answer[] | undefined;

async function open(dataDirectory: string): Promise<OpenedRainbow> {
  return await openRainbow({ dataDirectory, mode: "read", create: false, version: "test", clock: systemClock(), random: systemRandom() });
}

async function ask({ copy, top, revisions }: FlipOrder): Promise<{ readonly answers: readonly Answer[]; readonly problems: readonly string[] }> {
  const rainbow = await open(copy);
  try {
    const answers: Answer[] = [];
    for (const question of questionsOf(top, revisions)) answers.push(await answerTo(question, rainbow.operations));
    return { answers, problems: await problemsOf(rainbow.operations) };
  } finally {
    await rainbow.close();
  }
}

async function flipped(order: FlipOrder): Promise<FlipReport> {
  const { copy, flip } = order;
  if (flip === undefined) return await remember(order);
  makeCopy(order);
  flipBit(join(copy, flip.file), flip.byte, flip.bit);
  try {
    const asked = await ask(order);
    return reportOf(order, asked);
  } catch (error) {
    const refusal = refusalOf(error);
    return { wrong: unclear(refusal) ? [`it is refused with ${refusal.code}: ${refusal.message}`] : [], outcome: "refused at open" };
  }
}

function makeCopy({ original, copy }: FlipOrder): void {
  rmSync(copy, { recursive: true, force: true });
  cpSync(original, copy, { recursive: true });
}

/** The answers of the sound directory. */
async function remember(order: FlipOrder): Promise<FlipReport> {
  makeCopy(order);
  const { answers, problems } = await ask(order);
  expected = answers;
  const refused = answers.flatMap((answer) => ("refusal" in answer ? [answer.refusal.message] : []));
  return { wrong: [...problems, ...refused], outcome: "unnoticed" };
}

function reportOf(order: FlipOrder, { answers, problems }: Awaited<ReturnType<typeof ask>>): FlipReport {
  const wrong: string[] = [];
  let isRefused = false;
  for (const [i, { name }] of questionsOf(order.top, order.revisions).entries()) {
    const [answer, right] = [answers[i]!, expected![i]!];
    if ("refusal" in answer) {
      isRefused = true;
      if (unclear(answer.refusal)) wrong.push(`${name} is refused with ${answer.refusal.code}: ${answer.refusal.message}`);
    } else if ("text" in right && answer.text !== right.text) wrong.push(`${name} answers wrongly: ${firstDifference(answer.text, right.text)}`);
  }
  if (isRefused && problems.length === 0) wrong.push("a command is refused, and check finds nothing");
  return { wrong, outcome: problems.length > 0 ? "found by check" : "unnoticed" };
}

const unclear = ({ code, exitCode, message }: Refusal): boolean =>
  message === "" || !((DAMAGE_CODES.includes(code) && exitCode === EXIT.damaged) || OTHER_CODES.includes(code));

function firstDifference(got: string, right: string): string {
  let at = 0;
  while (at < got.length && got[at] === right[at]) at += 1;
  const from = Math.max(0, at - 80);
  return `...${got.slice(from, at + 120)}... instead of ...${right.slice(from, at + 120)}...`;
}

function flipBit(path: string, byte: number, bit: number): void {
  const fd = openSync(path, "r+");
  const buffer = Buffer.alloc(1);
  readSync(fd, buffer, 0, 1, byte);
  buffer[0]! ^= 1 << bit;
  writeSync(fd, buffer, 0, 1, byte);
  closeSync(fd);
}

process.on("message", (order: FlipOrder) => {
  flipped(order).then(
    (report) => process.send?.(report),
    (error: unknown) =>
      process.send?.({ wrong: [error instanceof Error ? (error.stack ?? error.message) : String(error)], outcome: "unnoticed" } satisfies FlipReport),
  );
});
