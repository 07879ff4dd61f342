/**
 * The history of one file at the end of a long one: every version of a random file, of 1 million files and 10 million events, and what
 * reading all events for it would take. The history is made first, and followed by trees as ever.
 */
import { logOfPath } from "../../src/projections/index.ts";
import type { ByteString } from "../../src/core/index.ts";
import { FILES_PER_DIRECTORY, LongHistory } from "./long-history.ts";
import { benchOptions, report, say } from "./report.ts";

const options = benchOptions();
const fileCount = options.isQuick ? 50_000 : 1_000_000;
const changeCount = options.isQuick ? 250_000 : 10_000_000 - 2 * fileCount;
const logCount = options.isQuick ? 20 : 50;

const history = await LongHistory.make("log");
await history.makeFiles(fileCount);
await history.changeFiles(changeCount);
await history.settled();
say(`${history.head + 1} events, ${history.dig.trees.list().length} trees`);

interface LogTimes {
  readonly wall: number;
  readonly cpu: number;
  readonly versions: number;
}

async function log(): Promise<LogTimes> {
  const at = history.random.int(fileCount);
  const path = `/data/directory-${Math.floor(at / FILES_PER_DIRECTORY) + 1}/file-${at}.txt` as ByteString;
  const cpuBefore = process.cpuUsage();
  const from = performance.now();
  let versions = 0;
  for await (const version of logOfPath(history.projection, path, history.head)) if (version.node > 0) versions += 1;
  const cpu = process.cpuUsage(cpuBefore);
  return { wall: performance.now() - from, cpu: (cpu.user + cpu.system) / 1000, versions };
}

const times: LogTimes[] = [];
for (let i = 0; i < logCount; i++) times.push(await log());

function percentile(pick: (times: LogTimes) => number, share: number): number {
  const sorted = times.map(pick).sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}

report("log", options, {
  rows: [],
  claims: [{ what: "p50 of the log of one file", value: percentile((each) => each.wall, 0.5), unit: "ms", limit: 1000 }],
  notes: [
    `p50 / p99: ${[0.5, 0.99].map((share) => percentile((each) => each.wall, share).toFixed(0)).join(" / ")} ms, CPU ${[0.5, 0.99].map((share) => percentile((each) => each.cpu, share).toFixed(0)).join(" / ")} ms, ${percentile((each) => each.versions, 0.5)} versions`,
    `${fileCount} files, ${history.head + 1} events, ${history.dig.trees.list().length} trees with ${(history.dig.usage().treeBytes / (1 << 20)).toFixed(0)} MiB`,
  ],
});
await history.close();
