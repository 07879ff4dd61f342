/** Taking and dropping snapshots: each in a turn of its own, so that no rebase passes between the look and the event (rule 15). */
import { RainbowError } from "../../core/index.ts";
import type { Revision } from "../../core/index.ts";
import type { SnapshotTaken } from "../../events/index.ts";
import type { Snapshot } from "../../projections/index.ts";
import type { OpenedMachine } from "../machine/index.ts";

/** Each costs a tree once it leaves the window, and a line in the event of every rebase: 4 MiB hold 10,000 of them. */
export const SNAPSHOTS_MAX = 5000;

const SNAPSHOTS_NAMED = 5;

/** The event of a snapshot, or why there cannot be one. `window`: instants from here on are kept. Pure. */
export function decideSnapshot(snapshots: readonly Snapshot[], window: Revision, wanted: Omit<SnapshotTaken, "type">): SnapshotTaken {
  const { name, revision } = wanted;
  if (snapshots.some((snapshot) => snapshot.name === name))
    throw new RainbowError("USAGE", `a snapshot '${name}' exists already: choose another name ('rainbow snapshots' lists them)`, { name });
  const isKept = revision >= window || snapshots.some((snapshot) => snapshot.revision === revision);
  if (!isKept) throw new RainbowError("INSTANT_OUTSIDE", `r${revision} is not kept any more: the first instant is r${window}`, { revision, first: window });
  if (snapshots.length >= SNAPSHOTS_MAX)
    throw new RainbowError("LIMIT", `there are ${snapshots.length} snapshots: drop some ('rainbow snapshots drop NAME')`, { count: snapshots.length });
  return { type: "SnapshotTaken", ...wanted };
}

/** Durable and seen by readers when it resolves. */
export function takeSnapshot(machine: OpenedMachine, wanted: Omit<SnapshotTaken, "type">): Promise<void> {
  return machine.turns.take(async () => {
    const { projection } = machine;
    await upToDate(machine);
    const event = decideSnapshot(projection.snapshots(), projection.window(), wanted);
    await append(machine, event);
  });
}

/** What only this snapshot kept goes with the next rebase. NOT_FOUND where there is none of that name. */
export function dropSnapshot(machine: OpenedMachine, name: string): Promise<void> {
  return machine.turns.take(async () => {
    await upToDate(machine);
    const snapshots = machine.projection.snapshots();
    if (!snapshots.some((snapshot) => snapshot.name === name)) throw unknownSnapshot(snapshots, name);
    await append(machine, { type: "SnapshotDropped", name });
  });
}

function unknownSnapshot(snapshots: readonly Snapshot[], name: string): RainbowError {
  const newest = snapshots.slice(-SNAPSHOTS_NAMED).map((snapshot) => snapshot.name);
  return new RainbowError("NOT_FOUND", `there is no snapshot '${name}'${newest.length === 0 ? "" : `; the newest are ${newest.join(", ")}`}`, { name });
}

/** The projection has passed everything that was decided before. */
export async function upToDate({ projection, ingest }: OpenedMachine): Promise<void> {
  const head = await (await ingest()).settled();
  projection.follow(head);
  await projection.projected(head);
}

async function append(
  { projection, ingest }: OpenedMachine,
  event: Parameters<Awaited<ReturnType<OpenedMachine["ingest"]>>["appendOwn"]>[0][number],
): Promise<void> {
  const { revision } = await (await ingest()).appendOwn([event], "snapshot");
  projection.follow(revision);
  await projection.projected(revision);
}
