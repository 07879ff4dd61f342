/** Tells how far long work has come, a few times a second, where it moved. */
import type { Clock, Revision } from "../../core/index.ts";

const REPORT_MS = 250;

export interface Report {
  readonly clock: Clock;
  readonly from: Revision;
  now(): Revision;
  report(revision: Revision): void;
}

/** Resolves when `work` has ended, however it did. */
export async function reportWhile(work: Promise<void>, { clock, from, now, report }: Report): Promise<void> {
  const ended = work.then(
    () => true,
    () => true,
  );
  let last = from;
  while (!(await Promise.race([ended, clock.sleep(REPORT_MS).then(() => false)]))) {
    if (now() !== last) report(now());
    last = now();
  }
}
