/** The walk's purges (rule 16): what is masked, what is still needed without it, and the work that frees the rest. */
import type { ChunkNumber, Revision } from "../../src/core/index.ts";
import type { FreeBarrier, PurgePlan } from "../../src/dig/index.ts";
import { applyEvent, fileOf, namesChunk } from "./dig-events.ts";
import type { State } from "./dig-events.ts";
import type { DigWalk } from "./dig-walk.ts";
import { storedLength } from "./dig-walk-content.ts";

const STEPS_MAX = 200;

/** Whether the content of a slot is hidden at an instant. */
export function isMasked({ control }: DigWalk, key: number, revision: number): boolean {
  return control.masks.some(({ file, revision: purged }) => file === fileOf(key) && revision < purged);
}

/** Frees what nothing reads without the masked files; stopped anywhere, it begins anew. */
export async function workOffPurges(walk: DigWalk, barrier: FreeBarrier): Promise<void> {
  const { dig, control, world } = walk;
  const target = Math.max(0, ...control.masks.map(({ revision }) => revision));
  if (target <= dig.freeing.purgedUntil() || walk.broken.has("purge")) return;
  while (walk.projection.cursor < target) await world.pause("projection before purge");
  await walk.build(walk.projection.cursor);
  if (control.window > 0 && !dig.trees.list().some(({ revision }) => revision === control.window)) return;
  while (dig.freeing.readersAt().some((revision) => isStale(walk, revision))) await world.pause("readers before purge");
  let needed = neededChunks(walk);
  const plan: PurgePlan = {
    next: 0 as ChunkNumber,
    below: control.nextChunk as ChunkNumber,
    isNeeded: (chunk) => needed.has(chunk) && !walk.broken.has("purge asks nobody"),
    isBlocked: false,
    unmovedRuns: 0,
  };
  const withEvents: FreeBarrier = {
    ...barrier,
    projected: async (revision) => {
      await barrier.projected(revision);
      needed = neededChunks(walk);
    },
  };
  for (let i = 0; i < STEPS_MAX; i++) {
    const { freedBytes, done } = await dig.freeing.purge(plan, withEvents, 1);
    if (freedBytes > 0) walk.count("purged");
    if (done && !plan.isBlocked) await dig.freeing.notePurged(target as Revision);
    if (done) return;
  }
}

function isStale({ control }: DigWalk, revision: number): boolean {
  return revision < control.window && ![...control.snapshots.values()].includes(revision);
}

/** Named by a file that is not masked there: in the trees of W and of older snapshots, or after any event since. */
function neededChunks(walk: DigWalk): Set<number> {
  const { control, dig } = walk;
  const needed = new Set<number>();
  const see = (state: State, revision: number): void => {
    for (const [key, { chunk }] of state) if (namesChunk(key) && !isMasked(walk, key, revision)) needed.add(Number(chunk));
  };
  const old = new Set([...control.snapshots.values()].filter((revision) => revision < control.window));
  for (const tree of dig.trees.list()) if (old.has(tree.revision)) see(walk.loadTree(tree), tree.revision);
  const state = walk.loadTree(dig.trees.list().find(({ revision }) => revision === control.window));
  see(state, control.window);
  for (let revision = control.window + 1; revision <= walk.head; revision++) {
    applyEvent(state, walk.event(revision));
    see(state, revision);
  }
  return needed;
}

/** Just after a purge was worked off: what is stored is live, or some answer reads it. */
export function refuseUnpurged(walk: DigWalk): void {
  const needed = neededChunks(walk);
  for (let chunk = 1; chunk < walk.control.nextChunk; chunk++) {
    const isDead = storedLength(walk.dig, chunk) !== undefined && walk.dig.chunks.liveCount(chunk as ChunkNumber) === 0;
    if (isDead && !needed.has(chunk)) throw new Error(`chunk ${chunk} is stored after a purge, and no answer reads it`);
  }
}
