/** The reading commands that are asked of a data directory before and after a bit has rotted, and their answers as text. */
import type { Operations } from "../../../src/app/index.ts";
import type { ByteString } from "../../../src/core/index.ts";
import { isRainbowError } from "../../../src/core/index.ts";
import { recordAnswers } from "../../support/tree-record.ts";

export interface Asked {
  readonly name: string;
  readonly ask: (operations: Operations) => Promise<string>;
}

export interface Refusal {
  readonly code: string;
  readonly exitCode: number;
  readonly message: string;
}
export type Answer = { readonly text: string } | { readonly refusal: Refusal };

/** Every command about the folder at every instant. */
export function questionsOf(top: ByteString, revisions: readonly number[]): Asked[] {
  const now = { kind: "now" } as const;
  const asked: Asked[] = [
    { name: "log", ask: (operations) => collect(operations.log({ path: top, at: now, maxCount: 1000 })) },
    { name: "deleted", ask: (operations) => collect(operations.deleted({ path: top, maxCount: 1000 })) },
    { name: "events", ask: (operations) => collect(operations.events({ from: 0, maxCount: 100_000, follow: false })) },
    { name: "find", ask: (operations) => collect(operations.find({ path: top, pattern: "*1*", at: now })) },
    { name: "snapshots", ask: async (operations) => JSON.stringify(await operations.snapshots()) },
  ];
  for (const [i, revision] of revisions.entries()) {
    const at = { kind: "revision", revision } as const;
    asked.push({ name: `files at r${revision}`, ask: async (operations) => JSON.stringify([...(await recordAnswers(operations, top, revision))]) });
    if (i === 0) continue;
    const otherAt = { kind: "revision", revision: revisions[i - 1]! } as const;
    asked.push({
      name: `diff r${otherAt.revision} r${revision}`,
      ask: (operations) => collect(operations.diff({ path: top, at: otherAt, otherPath: top, otherAt: at, text: true })),
    });
  }
  return asked;
}

/** What is wrong by `check --read-data`, in words. */
export async function problemsOf(operations: Operations): Promise<string[]> {
  const problems: string[] = [];
  for await (const item of operations.check({ readData: true })) if (item.type === "problem") problems.push(`${item.where}: ${item.what}`);
  return problems;
}

export async function answerTo({ ask }: Asked, operations: Operations): Promise<Answer> {
  try {
    return { text: await ask(operations) };
  } catch (error) {
    return { refusal: refusalOf(error) };
  }
}

/** Rethrows what is no refusal of the product: a bug. */
export function refusalOf(error: unknown): Refusal {
  if (!isRainbowError(error)) throw error;
  return { code: error.code, exitCode: error.exitCode, message: error.message };
}

/** Without notices: that the audit is damaged and takes no entry is told beside an answer, and is right. */
async function collect(items: AsyncIterable<unknown>): Promise<string> {
  const lines: string[] = [];
  for await (const item of items) lines.push(JSON.stringify(item, (key, value: unknown) => (key === "notices" ? undefined : value)));
  return lines.join("\n");
}
