/** The walk's rebase, its worker and the loss of the control file: as the rules want them, or with one left out. */
import type { ChunkNumber, Revision } from "../../src/core/index.ts";
import { rebuildControl } from "../../src/dig/index.ts";
import type { FreeBarrier, RebuildSource, SealedTree } from "../../src/dig/index.ts";
import { keyOf, namesChunk } from "./dig-events.ts";
import type { DigWalk } from "./dig-walk.ts";
import { HASH_KEY, QUOTA_BYTES, stateOf, UUID } from "./dig-walk-content.ts";
import { isMasked, workOffPurges } from "./dig-walk-purge.ts";
import { World } from "./simulated-disk.ts";

/** Rule 15 up to the commit point. */
export async function rebase(walk: DigWalk, window: number): Promise<void> {
  for (;;) {
    const { snapshots } = walk.control;
    const withSnapshots = walk.broken.has("snapshot trees") ? [] : [...snapshots.values()];
    const needed = [window, ...withSnapshots].filter((revision) => revision > walk.control.window && revision <= window);
    for (const revision of [...new Set(needed)].sort((a, b) => a - b)) await walk.build(revision);
    await walk.world.pause("look again");
    if (walk.broken.has("snapshot trees") || walk.broken.has("look again")) break;
    const have = new Set([0, ...walk.dig.trees.list().map((info) => Number(info.revision))]); // The empty tree needs no making.
    if ([window, ...snapshots.values()].every((revision) => revision > window || have.has(revision))) break;
  }
  if (window <= walk.control.window) return;
  walk.append([{ kind: "rebased", window, trees: sealedTrees(walk, window) }]);
  walk.count("rebase");
  await walk.world.pause("rebased");
}

/** Of W and of every kept snapshot before it. */
function sealedTrees({ control, dig, broken }: DigWalk, window: number): SealedTree[] {
  const revisions = [...new Set([...control.snapshots.values(), window])].filter((revision) => revision <= window).sort((a, b) => a - b);
  const trees = revisions.flatMap((revision) => dig.trees.seal(revision as Revision) ?? []);
  return broken.has("named trees") ? trees.slice(-1) : trees;
}

/** What follows the commit point. */
export async function retire(walk: DigWalk): Promise<void> {
  const { dig, control } = walk;
  await dig.freeing.moveWindow(control.window as Revision);
  const limit = Math.min(control.window, dig.freeing.readFrom());
  for (const [revision, event] of walk.events) if (revision <= limit && event.kind !== "rebased") walk.events.delete(revision);
  await walk.world.pause("truncated");
  for (const { revision } of dig.trees.list()) {
    const isKept = (): boolean => revision >= control.window || [...control.snapshots.values()].includes(revision);
    while (walk.isBuilding) await walk.world.pause("build before drop");
    if (!isKept() && dig.trees.list().length > 1) await dig.freeing.dropTree(revision);
  }
  for (let i = 0; i < 200; i++) {
    const { freedBytes, done } = await dig.freeing.work(barrierOf(walk), 1);
    if (freedBytes > 0) walk.count("freed");
    if (done) break;
  }
  await workOffPurges(walk, barrierOf(walk));
  for (let i = 0; i < 50; i++) {
    const { freedBytes, done } = await dig.freeing.clean(1);
    if (freedBytes > 0) walk.count("cleaned");
    if (done) return;
  }
}

function barrierOf(walk: DigWalk): FreeBarrier {
  return {
    headRevision: async () => {
      if (walk.broken.has("condemned")) (Reflect.get(walk.dig.chunks, "condemned") as Set<number>).clear();
      const waitFor = walk.broken.has("barrier") ? [] : [...walk.inFlight];
      while (waitFor.some((ticket) => walk.inFlight.has(ticket))) await walk.world.pause("decided batches");
      return walk.head as Revision;
    },
    projected: async (revision) => {
      while (walk.projection.cursor < revision && !walk.broken.has("barrier")) await walk.world.pause("projection");
    },
    isTouched: (chunk) => !walk.broken.has("untouched") && walk.projection.touched.has(chunk),
  };
}

/** The control file is gone: data file, the trees that the newest rebase names and the events after it make it anew. */
export async function loseControl(walk: DigWalk): Promise<void> {
  walk.count("lost");
  const world = new World(walk.random);
  walk.controls.maps.clear();
  const rebased = [...walk.events.values()].findLast((event) => event.kind === "rebased");
  const kept = new Set([rebased?.window ?? 0, ...walk.control.snapshots.values()]);
  const trees = (rebased?.trees ?? []).filter(({ revision }) => kept.has(revision));
  const [named, purged] = [new Set<number>(), new Set<number>()];
  for (const [revision, event] of walk.events) {
    if (revision <= walk.control.window) continue;
    if (event.kind === "chunks") event.chunks.forEach(({ number }) => purged.add(number));
    else if (event.kind === "write") (isMasked(walk, keyOf(event.file), revision) ? purged : named).add(Number(event.value.chunk));
  }
  const options = {
    disk: walk.disk.port(world),
    directory: "/m",
    hashKey: HASH_KEY,
    control: walk.controls.opener(world, walk.random),
    uuid: UUID,
    quotaBytes: QUOTA_BYTES,
  };
  await world.until(rebuildControl(options, { ...keptIn(walk, named, purged), trees, nextChunk: walk.control.nextChunk }));
  for (const [path, rows] of walk.controls.maps) if (path.endsWith(".new")) walk.controls.maps.set("/m/control.lmdb", rows);
}

/** What only masked files name may be gone: it is kept where its bytes are good. */
function keptIn(walk: DigWalk, named: ReadonlySet<number>, purged: Set<number>): Omit<RebuildSource, "trees"> {
  return {
    keep: (chunk) => named.has(chunk),
    keepIfGood: (chunk) => purged.has(chunk),
    referencesOf: async (tree, count) => {
      for (const [key, { chunk }] of stateOf(tree)) {
        if (!namesChunk(key)) continue;
        if (isMasked(walk, key, tree.info.revision)) purged.add(Number(chunk));
        else count(Number(chunk) as ChunkNumber);
      }
      await Promise.resolve();
    },
  };
}
