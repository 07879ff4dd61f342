/** From what a user named to a view of it, with what must be said about the answer. */
import type { OpenedMachine } from "../../actors/machine/index.ts";
import { RainbowError } from "../../core/index.ts";
import type { NodeId, Revision, TimeUs } from "../../core/index.ts";
import { gapsTouching } from "../../projections/index.ts";
import type { DigTreeProjection, Snapshot, View } from "../../projections/index.ts";
import type { AsOf, InstantWords } from "./types.ts";

const SNAPSHOTS_NAMED = 5;

const isoOf = (us: number): string => new Date(us / 1000).toISOString();

/** A view at the instant, to be closed by the caller. INSTANT_OUTSIDE before the first revision, INSTANT_INVALID for an unknown name. */
export async function viewAt({ projection }: OpenedMachine, words: InstantWords): Promise<{ readonly view: View; readonly asOf: AsOf }> {
  const { revision, warnings } = await revisionOf(projection, words);
  const view = await projection.viewAt(revision, words.kind === "time" ? (words.us as TimeUs) : undefined);
  try {
    return { view, asOf: { revision: view.revision, timeUs: await projection.timeOf(view.revision), warnings } };
  } catch (error) {
    view.close();
    throw error;
  }
}

/** The revision that ends the batch at or before the instant. */
export async function resolveInstant(opened: OpenedMachine, words: InstantWords): Promise<{ readonly revision: Revision; readonly asOf: AsOf }> {
  const { view, asOf } = await viewAt(opened, words);
  view.close();
  return { revision: view.revision, asOf };
}

async function revisionOf(projection: DigTreeProjection, words: InstantWords): Promise<{ readonly revision: Revision; readonly warnings: string[] }> {
  switch (words.kind) {
    case "now":
      return { revision: (await projection.span()).head, warnings: [] };
    case "revision":
      return { revision: words.revision as Revision, warnings: [] };
    case "name":
      return { revision: snapshotNamed(projection.snapshots(), words.name).revision, warnings: [] };
    case "time": {
      const { revision, others, knownUntilUs } = await projection.resolveTime(words.us as TimeUs);
      const twice = others.map((other) => `the clock showed this time more than once: r${other} is an earlier moment of that name`);
      const isKnown = knownUntilUs >= words.us || projection.facts().mirror !== undefined; // What a mirror has is what it recorded.
      const unknown = !isKnown ? [`nothing is known after ${isoOf(knownUntilUs)}: later changes may not have been captured yet`] : [];
      return { revision, warnings: [...twice, ...unknown] };
    }
  }
}

function snapshotNamed(snapshots: readonly Snapshot[], name: string): Snapshot {
  const found = snapshots.find((snapshot) => snapshot.name === name);
  if (found !== undefined) return found;
  const known = snapshots.slice(-SNAPSHOTS_NAMED).map((snapshot) => snapshot.name);
  const hint = known.length === 0 ? "there are no snapshots yet" : `the newest snapshots are ${known.join(", ")}`;
  throw new RainbowError(
    "INSTANT_INVALID",
    `'${name}' is no instant and no snapshot (${hint}); instants look like 2h, yesterday, 17:00, 2026-05-01T17:00 or r4821`,
    {
      name,
    },
  );
}

/** The answer's warnings, with the gaps that may hide something about `node`, and an unsettled version of it. */
export function touching(asOf: AsOf, view: View, node: NodeId): AsOf {
  const gaps = gapsTouching(view, node).map((gap) => `a gap since ${isoOf(gap.fromUs)} touches this answer (${gap.reason}): ${gap.detail}`);
  const unsettled = view.node(node)?.unsettled === true ? ["this version could not be read at rest (unsettled)"] : [];
  return { ...asOf, warnings: [...asOf.warnings, ...gaps, ...unsettled] };
}
