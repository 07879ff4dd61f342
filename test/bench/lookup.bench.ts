/**
 * Lists a directory of 1,000 entries with their attributes and reads 1 MiB of a file, each at a random instant of a long history:
 * 1 million files and 10 million events in the window, on the embedded stores. The history is made first, and followed by trees as ever.
 */
import type { Revision } from "../../src/core/index.ts";
import { FILE_BYTES, FILES_PER_DIRECTORY, LongHistory } from "./long-history.ts";
import { benchOptions, report, say } from "./report.ts";
import type { Row } from "./report.ts";

const options = benchOptions();
const fileCount = options.isQuick ? 50_000 : 1_000_000;
const changeCount = options.isQuick ? 250_000 : 10_000_000 - 2 * fileCount;
const lookupCount = options.isQuick ? 200 : 500;
const MIB = 1 << 20;

interface LookupTimes {
  readonly view: number;
  readonly list: number;
  readonly read: number;
  readonly cpu: number;
}

const history = await LongHistory.make("lookup");
const { random, directories, files } = history;
const timesMs: LookupTimes[] = [];

async function measured(work: string, run: () => Promise<unknown>): Promise<Row> {
  const cpu = process.cpuUsage();
  const startedMs = performance.now();
  history.memoryBytesPeak = 0;
  await run();
  await history.settled();
  const used = process.cpuUsage(cpu);
  const wallSeconds = (performance.now() - startedMs) / 1000;
  say(`${work}: ${wallSeconds.toFixed(1)} s, ${history.dig.trees.list().length} trees, ${treeMiB()} MiB of them`);
  return { work, program: "rainbow", cpuSeconds: (used.user + used.system) / 1e6, wallSeconds, anonymousBytesPeak: history.memoryBytesPeak };
}

function treeMiB(): string {
  return (history.dig.usage().treeBytes / MIB).toFixed(0);
}

async function lookup(firstRevision: number): Promise<void> {
  const revision = firstRevision + random.int(history.head - firstRevision);
  const cpuBefore = process.cpuUsage();
  const from = performance.now();
  const view = await history.projection.viewAt(revision as Revision);
  const viewed = performance.now();
  let count = 0;
  for (const entry of view.list(random.pick(directories))) if (view.node(entry.node) !== undefined) count += 1;
  const listed = performance.now();
  const bytes = view.read(random.pick(files), 0, FILE_BYTES);
  const read = performance.now();
  view.close();
  if (count !== FILES_PER_DIRECTORY || bytes.length !== FILE_BYTES) throw new Error(`the answer is wrong: ${count} entries, ${bytes.length} bytes`);
  const cpu = process.cpuUsage(cpuBefore);
  timesMs.push({ view: viewed - from, list: listed - viewed, read: read - listed, cpu: (cpu.user + cpu.system) / 1000 });
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}

function halfAndMost(pick: (times: LookupTimes) => number): string {
  return [0.5, 0.99].map((share) => percentile(timesMs.map(pick), share).toFixed(1)).join(" / ");
}

const rows = [await measured("make the files", () => history.makeFiles(fileCount))];
const firstRevision = history.head;
rows.push(await measured("change the files", () => history.changeFiles(changeCount)));
rows.push(
  await measured(`${lookupCount} random instants`, async () => {
    for (let i = 0; i < lookupCount; i++) await lookup(firstRevision);
  }),
);
const [view, list, read, cpu] = [halfAndMost((t) => t.view), halfAndMost((t) => t.list), halfAndMost((t) => t.read), halfAndMost((t) => t.cpu)];
report("lookup", options, {
  rows,
  claims: [
    {
      what: "p99 of view, list and read",
      value: percentile(
        timesMs.map((t) => t.view + t.list + t.read),
        0.99,
      ),
      unit: "ms",
      limit: 100,
    },
  ],
  notes: [
    `p50 / p99 in ms: view ${view}, list 1,000 entries with attributes ${list}, read 1 MiB ${read}; CPU of all three ${cpu}`,
    `${fileCount} files, ${history.head + 1} events, ${history.dig.trees.list().length} trees with ${treeMiB()} MiB`,
  ],
});
await history.close();
