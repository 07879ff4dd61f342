/** What retention and the audit have to say in the status. */
import type { OperationsContext } from "./context.ts";

/** What retention asks of people, or fails at. */
export function retentionNotices({ host }: OperationsContext): string[] {
  const state = host.retentionState();
  const isoOf = (us: number): string => new Date(us / 1000).toISOString().slice(0, 16);
  const jumps = (state?.report?.jumps ?? []).map(
    ({ fromUs, toUs }) =>
      `the clock went from ${isoOf(fromUs)} to ${isoOf(toUs)} at once; this counts for nothing until 'rainbow policy accept-time' says that it is right`,
  );
  const full = state?.report?.isFull === true ? ["space is wanted, and nothing more may go: 'rainbow policy set' keeps less, or give it a larger quota"] : [];
  const failure =
    state?.failure === undefined
      ? []
      : [`the last look at what may go failed: ${state.failure instanceof Error ? state.failure.message : "no reason was given"}`];
  return [...jumps, ...full, ...failure];
}

/** Entries of the audit that wait, or had to be given up. */
export function auditNotices({ host }: OperationsContext): string[] {
  const { waitingCount, lostCount, failure } = host.trail.state;
  if (failure === undefined && lostCount === 0) return [];
  const why = failure instanceof Error ? failure.message : "the store took too long";
  const lost = lostCount === 0 ? "" : `; ${lostCount} more had to be given up, which will be said in it`;
  return [`${waitingCount} entries could not be stored yet (${why})${lost}`];
}
