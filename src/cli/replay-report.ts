/** Opening a data directory replays the events since its newest tree; where that takes long, this says how far it is. */
import type { ReplayStatus } from "../app/index.ts";
import type { Clock } from "../core/index.ts";
import type { Report } from "./report.ts";

const JSON_EVERY_US = 1_000_000;

/** A line on a terminal; with --json, and where `isAnswer` (what is replayed belongs to the answer), an object a second. */
export function replayReport(report: Report, clock: Clock, isAnswer: boolean): (replay: ReplayStatus) => void {
  let saidUs = Number.NEGATIVE_INFINITY;
  return (replay) => {
    void report.progress.show({ phase: "replaying events", doneBytes: 0, allBytes: 0, doneCount: replay.doneEvents, allCount: replay.allEvents });
    if (!isAnswer || clock.monotonicUs() - saidUs < JSON_EVERY_US) return;
    saidUs = clock.monotonicUs();
    void sayNow(report, replay);
  };
}

/** Not held back for more: whoever waits for the start reads it now. */
async function sayNow(report: Report, replay: ReplayStatus): Promise<void> {
  await report.json({ type: "replaying", ...replay });
  await report.flush();
}
