/** Naming the present of a machine with a million files, and the tree of it after one file in a hundred changed: as the host does it, on the embedded stores. */
import { join } from "node:path";
import { closeMachine, openMachine, streamOf } from "../../src/actors/machine/index.ts";
import { takeSnapshot } from "../../src/actors/retention/index.ts";
import { openDisk, openOs } from "../../src/app/os/index.ts";
import { systemClock, systemRandom } from "../../src/app/index.ts";
import { MACHINE_NODE, nodeIdOf } from "../../src/core/index.ts";
import type { ByteString, Change, NodeId, TimeUs } from "../../src/core/index.ts";
import { openDig } from "../../src/dig/index.ts";
import { openLmdbControl } from "../../src/dig/lmdb/index.ts";
import { openLmdbEventStore } from "../../src/events/lmdb/index.ts";
import { temporaryDirectory } from "../support/temp.ts";
import { benchOptions, report, say } from "./report.ts";

const options = benchOptions();
const fileCount = options.isQuick ? 100_000 : 1_000_000;
const PER_BATCH = 5000;
const PER_FOLDER = 1000;
const SNAPSHOTS = 50;
const clock = systemClock();
const random = systemRandom();
const MACHINE = random.uuid();
const base = temporaryDirectory("snapshot");
const store = await openLmdbEventStore({ path: join(base, "events.lmdb"), create: true });
const machine = await openMachine({
  stream: streamOf(MACHINE),
  enrol: (identity) => ({ type: "MachineEnrolled", machine: MACHINE, label: "bench", ...identity }),
  version: "0",
  store,
  openDig: (hashKey) =>
    openDig({
      disk: openDisk(openOs()),
      directory: join(base, "m"),
      hashKey,
      control: openLmdbControl,
      create: { uuid: random.uuid(), quotaBytes: 2 ** 36 },
    }),
  quiet: false,
  clock,
  random,
  onReplay: () => undefined,
  onFailed: (cause) => {
    throw cause;
  },
});
const ingest = await machine.ingest();
const { epoch } = await ingest.openSession();
const attributes = { mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 1, mtimeNanos: 2, btimeSeconds: 0, btimeNanos: 0, xattrs: [] };
const made = (counter: number, parent: NodeId, name: string, kind: "file" | "directory"): Change => ({
  type: "NodeCreated",
  node: nodeIdOf(epoch, counter),
  parent,
  name: name as ByteString,
  kind,
  attributes,
  linkTarget: "" as ByteString,
  rdev: 0,
});

say(`${fileCount} files`);
const [startedCpu, startedMs] = [process.cpuUsage(), performance.now()];
let folder = MACHINE_NODE;
for (let counter = 1, sequence = 1; counter <= fileCount; sequence++) {
  const changes: Change[] = [];
  for (let i = 0; i < PER_BATCH && counter <= fileCount; i++, counter++) {
    const isFolder = counter % PER_FOLDER === 1;
    changes.push(made(counter, isFolder ? MACHINE_NODE : folder, isFolder ? `/folder ${counter}` : `file ${counter}.txt`, isFolder ? "directory" : "file"));
    if (isFolder) folder = nodeIdOf(epoch, counter);
  }
  await ingest.send({ epoch, sequence, agentTimeUs: clock.now(), monotonicUs: clock.monotonicUs(), changes, chunks: [] });
}
await machine.projection.catchUp();
await machine.projection.buildTree();
const { user, system } = process.cpuUsage(startedCpu);
const madeRow = { work: "making the files", program: "rainbow", cpuSeconds: (user + system) / 1e6, wallSeconds: (performance.now() - startedMs) / 1000 };

const firstBytes = machine.dig.usage().treeBytes;

const times: number[] = [];
const cpuBefore = process.cpuUsage();
for (let i = 0; i < SNAPSHOTS; i++) {
  const fromMs = performance.now();
  await takeSnapshot(machine, { name: `s${i}`, revision: machine.projection.revision, atUs: 0 as TimeUs, pinned: false });
  times.push(performance.now() - fromMs);
}
const used = process.cpuUsage(cpuBefore);

say("one file in a hundred");
const changedNodes: NodeId[] = [];
for (let counter = 2; counter <= fileCount; counter += 100) changedNodes.push(nodeIdOf(epoch, counter)); // Each on a page of its own, the hardest case.
for (let i = 0, sequence = Math.ceil(fileCount / PER_BATCH) + 1; i < changedNodes.length; i += PER_BATCH, sequence++) {
  const changes = changedNodes
    .slice(i, i + PER_BATCH)
    .map((node): Change => ({ type: "AttributesSet", node, attributes: { ...attributes, mtimeSeconds: 3 }, linkTarget: "" as ByteString }));
  await ingest.send({ epoch, sequence, agentTimeUs: clock.now(), monotonicUs: clock.monotonicUs(), changes, chunks: [] });
}
await machine.projection.catchUp();
await machine.projection.buildTree();
const nextBytes = machine.dig.usage().treeBytes - firstBytes;
times.sort((a, b) => a - b);
const sum = times.reduce((total, each) => total + each, 0) / 1000;
report("snapshot", options, {
  rows: [
    { ...madeRow, anonymousBytesPeak: process.memoryUsage().rss },
    {
      work: `${SNAPSHOTS} snapshots`,
      program: "rainbow",
      cpuSeconds: (used.user + used.system) / 1e6,
      wallSeconds: sum,
      anonymousBytesPeak: process.memoryUsage().rss,
    },
  ],
  claims: [
    { what: "one snapshot, the median", value: times[SNAPSHOTS / 2]!, unit: "ms", limit: 10 },
    { what: "pages of the tree after 1 % changed, against those of the first", value: nextBytes / firstBytes, unit: "ratio", limit: 0.02 },
    { what: "one snapshot, CPU of this process", value: (used.user + used.system) / 1000 / SNAPSHOTS, unit: "ms", limit: 10 },
  ],
  notes: [`of the median most is the disk's sync; the slowest took ${times.at(-1)!.toFixed(1)} ms; resident memory, not anonymous`],
});
await closeMachine(machine);
await store.close();
