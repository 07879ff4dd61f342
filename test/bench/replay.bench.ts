/** Replays a stream from nothing: 1 million files and 4 million events (quick: a tenth), folded, with trees built on the way. */
import { LongHistory } from "./long-history.ts";
import { benchOptions, report, say } from "./report.ts";
import type { Row } from "./report.ts";

const options = benchOptions();
const fileCount = options.isQuick ? 50_000 : 1_000_000;
const changeCount = options.isQuick ? 100_000 : 2_000_000;
const MB = 1_000_000;

const history = await LongHistory.make("replay");

async function measured(work: string, run: () => Promise<unknown>): Promise<Row> {
  say(`${work} …`);
  const cpu = process.cpuUsage();
  const startedMs = performance.now();
  await run();
  const used = process.cpuUsage(cpu);
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  const wallSeconds = (performance.now() - startedMs) / 1000;
  return { work, program: "rainbow", cpuSeconds: (used.user + used.system) / 1e6, wallSeconds, anonymousBytesPeak: heapUsed + arrayBuffers };
}

const rows = [
  await measured("append and follow", async () => {
    await history.makeFiles(fileCount);
    await history.changeFiles(changeCount);
    await history.settled();
  }),
];
await history.forgetTrees();
const replay = await measured("replay from nothing", () => history.projection.catchUp());
rows.push(replay);
report("replay", options, {
  rows,
  claims: [{ what: "events replayed", value: (history.head + 1) / replay.wallSeconds, unit: "events/s", limit: 100_000, goal: 250_000, isAtLeast: true }],
  notes: [`${history.head + 1} events, ${history.dig.trees.list().length} trees with ${(history.dig.usage().treeBytes / MB).toFixed(0)} MB`],
});
await history.close();
