/** How long an audit is kept: as long as snapshots are (`keep`), by the same clock that a jump cannot hasten, and within a fixed count. */
import type { Revision, TimeUs } from "../../core/index.ts";
import { chainHashAt, readStoredBatches } from "../../events/index.ts";
import type { EntriesDropped, EventStore } from "../../events/index.ts";

const SLACK_US = 86_400 * 1e6; // So that a day is let go at once, and not an entry at each look.
const AUDIT_EVENTS_MAX = 500_000; // About 250 MiB: a script that reads without end must not fill the disk.
const AUDIT_EVENTS_KEPT = 450_000;

/** One per data directory: with many of them on one server each stream still has one appender. */
export function auditStreamOf(machine: string): string {
  return `host-audit-${machine}`;
}

export interface Trimming {
  readonly keepUs: number;
  readonly nowUs: number;
  /** True age of something that was stored at a host time, oldest first. */
  readonly agesOf: (timesUs: readonly number[]) => readonly number[];
}

/** Ages as retention counts them: `points` are other host times, so that a quiet week is no jump of the clock. */
export function agesInAudit(points: readonly number[], count: (pointsUs: readonly number[]) => readonly number[]): Trimming["agesOf"] {
  return (timesUs) => {
    const all = [...timesUs.map((us, i) => ({ us, i })), ...points.map((us) => ({ us, i: -1 }))].sort((a, b) => a.us - b.us);
    const ages = count(all.map(({ us }) => us));
    const own = new Array<number>(timesUs.length).fill(0);
    all.forEach(({ i }, at) => {
      if (i >= 0) own[i] = ages[at]!;
    });
    return own;
  };
}

/** What is let go, always whole batches and never the last one; undefined where nothing is. */
export async function decideTrim(store: EventStore, stream: string, { keepUs, nowUs, agesOf }: Trimming): Promise<EntriesDropped | undefined> {
  const { headRevision, truncatedBefore } = await store.info(stream);
  if (headRevision < 0) return undefined;
  const isOver = headRevision - truncatedBefore >= AUDIT_EVENTS_MAX;
  const [times, ends]: [TimeUs[], Revision[]] = [[], []];
  for await (const batch of readStoredBatches(store, stream, truncatedBefore, headRevision)) {
    if (!isOver && times.length === 0 && nowUs - batch.end.hostTimeUs <= keepUs + SLACK_US) return undefined; // Truly it is younger still.
    times.push(batch.end.hostTimeUs);
    ends.push(batch.last);
  }
  const ages = agesOf(times);
  const goneByAge = ends.filter((_, i) => ages[i]! > keepUs).length;
  const goneByCount = isOver ? ends.filter((revision) => revision <= headRevision - AUDIT_EVENTS_KEPT).length : 0;
  const last = Math.min(Math.max(goneByAge, goneByCount), ends.length - 1) - 1;
  const [gone, untilUs] = [ends[last], times[last]];
  if (gone === undefined || untilUs === undefined) return undefined;
  const chainHash = (await chainHashAt(store, stream, gone)).toString("hex");
  return { type: "EntriesDropped", before: (gone + 1) as Revision, chainHash, untilUs };
}
