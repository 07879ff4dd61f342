/** What several commands do with a stream of items. */
import type { AsOfItem, ProblemItem, ProgressItem, RestoreItem, RestoreSummary } from "../app/index.ts";
import { EXIT } from "../core/index.ts";
import { formatBytes, nameForPeople, plural } from "./format/index.ts";
import type { Invocation } from "./invocation.ts";

const FAILURES_SHOWN_MAX = 20;

/** Says as of when, and passes on everything else. */
export async function* afterAsOf<Item extends { readonly type: string }>(
  invocation: Invocation,
  items: AsyncIterable<AsOfItem | Item>,
  what = "",
): AsyncGenerator<Item> {
  for await (const item of items) {
    if (isAsOf(item)) await invocation.report.asOf(item, what);
    else yield item;
  }
}

function isAsOf(item: { readonly type: string }): item is AsOfItem {
  return item.type === "as-of";
}

/** Prints problems and progress; 30 where there was a problem. */
export async function reportProblems(
  invocation: Invocation,
  items: AsyncIterable<ProgressItem | ProblemItem>,
  words: { readonly none: string },
): Promise<number> {
  const { report } = invocation;
  let count = 0;
  for await (const item of items) {
    if (item.type === "progress") {
      await report.progress.show(item);
      continue;
    }
    count++;
    await report.json(item);
    await report.data(`${item.where}: ${item.what}`);
    for (const path of item.paths) await report.data(`  touches ${nameForPeople(path)}`);
  }
  if (invocation.context.signal.aborted) return EXIT.interrupted;
  await report.progress.clear();
  await report.json({ type: "summary", problemCount: count });
  await report.line(count === 0 ? words.none : plural(count, "problem"));
  return count === 0 ? EXIT.ok : EXIT.damaged;
}

export interface RestoreView {
  /** Each path, not only those that failed. */
  readonly showsEach: boolean;
}

/** Prints what a restore did; the summary, and what would have been deleted. */
export async function reportRestore(
  invocation: Invocation,
  items: AsyncIterable<AsOfItem | ProgressItem | RestoreItem | RestoreSummary>,
  view: RestoreView,
): Promise<RestoreSummary | undefined> {
  const { report } = invocation;
  let summary: RestoreSummary | undefined;
  let failureCount = 0;
  for await (const item of afterAsOf(invocation, items)) {
    if (item.type === "progress") await report.progress.show(item);
    else if (item.type === "summary") summary = item;
    else if (item.what === "failed" || item.what === "metadata-failed" || item.what === "purged") {
      failureCount++;
      await report.json(item);
      if (failureCount <= FAILURES_SHOWN_MAX) await report.incompleteBecause(failureText(item));
    } else if (view.showsEach) {
      await report.json(item);
      await report.data(`${item.what.padEnd(13)} ${nameForPeople(item.path)}${item.detail === "" ? "" : `  (${item.detail})`}`);
    }
  }
  if (failureCount > FAILURES_SHOWN_MAX)
    await report.incompleteBecause(`… and ${plural(failureCount - FAILURES_SHOWN_MAX, "more failure", "more failures")}; --json lists all`);
  await report.progress.clear();
  if (summary !== undefined) await report.json(summary);
  return summary;
}

function failureText(item: RestoreItem): string {
  if (item.what === "purged") return `${nameForPeople(item.path)}: left out: ${item.detail}`;
  const what = item.what === "failed" ? "could not be restored" : "was restored, but not with all of its metadata";
  return `${nameForPeople(item.path)}: ${what}: ${item.detail}`;
}

/** `created 3, replaced 1, same 10, deleted 0 (4.0 KiB written)`. */
export function summaryText(summary: RestoreSummary): string {
  const { createdCount, replacedCount, sameCount, deletedCount, purgedCount, failedCount, doubtfulCount, writtenBytes } = summary;
  const counts = [`${createdCount} created`, `${replacedCount} replaced`, `${sameCount} already the same`];
  if (deletedCount > 0) counts.push(`${deletedCount} deleted`);
  if (purgedCount > 0) counts.push(`${purgedCount} left out as purged`);
  if (failedCount > 0) counts.push(`${failedCount} failed`);
  if (doubtfulCount > 0) counts.push(`${doubtfulCount} unsettled or touched by a gap`);
  return `${counts.join(", ")}; ${formatBytes(writtenBytes)} written`;
}
