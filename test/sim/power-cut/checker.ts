/**
 * Opens rebuilt stores, one directory after another as its parent asks over IPC, and answers what is wrong with each. One process
 * serves many cuts; where one ends it, the parent knows which.
 */
import * as assert from "uvu/assert";
import type { ByteString, Revision } from "../../../src/core/index.ts";
import { MACHINE_NODE } from "../../../src/core/index.ts";
import { readBatches, verifyChain } from "../../../src/events/index.ts";
import type { View } from "../../../src/projections/index.ts";
import { FactMaker } from "../../support/facts.ts";
import type { FilesNow } from "../../support/facts.ts";
import { seededRandom } from "../../support/random.ts";
import { HASH_KEY, historyOf } from "./script.ts";
import type { Script } from "./script.ts";
import { openStores } from "./stores.ts";
import type { Stores } from "./stores.ts";

export interface CutToCheck {
  readonly directory: string;
  readonly seed: number;
  readonly script: Script;
  readonly acknowledgedCount: number;
  /** The stores may not have been finished: nothing was acknowledged, and they may be made anew. */
  readonly create: boolean;
  readonly cutSeed: number;
}

/** `storedCount` batches were found. */
export type Checked = { readonly storedCount: number } | { readonly failure: string };

const ROOT = "/protected" as ByteString;
const AFTER = "/after the cut";
const BATCHES_AFTER = 3;
let known: { readonly key: string; readonly history: FilesNow[] } | undefined;

/** The history of the longest script so far; shorter ones of the same run are its beginnings. */
function history(seed: number, script: Script): FilesNow[] {
  const key = `${seed}:${script.join(",")}`;
  if (known === undefined || !known.key.startsWith(key)) known = { key, history: historyOf(seed, script) };
  return known.history;
}

async function check(cut: CutToCheck): Promise<number> {
  const random = seededRandom(cut.cutSeed);
  const files = history(cut.seed, cut.script);
  const stores = await openStores(cut.directory, cut.create);
  let storedCount: number;
  try {
    const revisions = await storedBatches(stores, cut.script);
    storedCount = revisions.length;
    assert.ok(storedCount >= cut.acknowledgedCount, `${cut.acknowledgedCount} batches were acknowledged, ${storedCount} are there`);
    await checkStores(stores);
    await checkFiles(stores, await headOf(stores), ROOT, files[storedCount]!);
    const earlier = random.int(storedCount + 1);
    if (earlier > 0) await checkFiles(stores, revisions[earlier - 1]!, ROOT, files[earlier]!);
    await goOn(stores, cut.cutSeed);
    await checkFiles(stores, await headOf(stores), ROOT, files[storedCount]!);
  } finally {
    await stores.close();
  }
  if (random.chance(0.2)) await checkAgain(cut);
  return storedCount;
}

function batchesOf({ store, machine }: Stores): ReturnType<typeof readBatches> {
  return readBatches(store, machine.stream, 0 as Revision, Number.MAX_SAFE_INTEGER as Revision);
}

/** The last revision of each batch of the agent, in order. */
async function storedBatches(stores: Stores, script: Script): Promise<Revision[]> {
  const revisions: Revision[] = [];
  for await (const { metadata, last } of batchesOf(stores)) {
    if (metadata.epoch === 0) continue;
    assert.is(metadata.epoch, script[revisions.length], `the epoch of batch ${revisions.length}`);
    revisions.push(last);
  }
  return revisions;
}

async function checkStores(stores: Stores): Promise<void> {
  await verifyChain(batchesOf(stores));
  const problems = [];
  for await (const problem of stores.machine.dig.check({ readData: true })) problems.push(`${problem.where}: ${problem.what}`);
  assert.equal(problems, []);
}

async function checkFiles({ machine }: Stores, revision: Revision, path: ByteString, files: FilesNow): Promise<void> {
  const view = await machine.projection.viewAt(revision);
  try {
    const root = view.lookup(MACHINE_NODE, path);
    const entries = root === undefined ? [] : [...view.list(root.node)];
    assert.equal(
      entries.map((entry) => entry.name),
      [...files.keys()].sort(),
      `names at r${revision}`,
    );
    for (const { name, node } of entries) assert.ok(wholeFile(view, node).equals(files.get(name)!), `'${name}' at r${revision}`);
  } finally {
    view.close();
  }
}

async function headOf({ store, machine }: Stores): Promise<Revision> {
  return (await store.info(machine.stream)).headRevision;
}

function wholeFile(view: View, node: Parameters<View["node"]>[0]): Buffer {
  return view.read(node, 0, view.node(node)?.sizeBytes ?? 0);
}

/** A new session sends batches of its own, and what they bring can be read. */
async function goOn(stores: Stores, seed: number): Promise<void> {
  const { machine, failure } = stores;
  const ingest = await machine.ingest();
  const { epoch } = await ingest.openSession();
  const maker = new FactMaker(seed, HASH_KEY, AFTER);
  await Promise.all(Array.from({ length: BATCHES_AFTER }, () => ingest.send(maker.next(epoch))));
  assert.is(failure(), undefined);
  await checkFiles(stores, await headOf(stores), maker.path, maker.files);
}

/** Once more, after a clean stop. */
async function checkAgain(cut: CutToCheck): Promise<void> {
  const stores = await openStores(cut.directory, false);
  try {
    await checkStores(stores);
  } finally {
    await stores.close();
  }
}

process.on("message", (cut: CutToCheck) => {
  check(cut).then(
    (storedCount) => process.send?.({ storedCount } satisfies Checked),
    (error: unknown) => process.send?.({ failure: error instanceof Error ? (error.stack ?? error.message) : String(error) } satisfies Checked),
  );
});
