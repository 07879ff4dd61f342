/** DIG alone: building the trees of a million files, lookups, listings, small updates, and what storing chunks costs. */
import { createHash, randomFillSync } from "node:crypto";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { openDisk } from "../../src/app/os/index.ts";
import { ENCODING } from "../../src/core/index.ts";
import type { ChunkNumber, NewChunk, Revision } from "../../src/core/index.ts";
import { openDig } from "../../src/dig/index.ts";
import type { Dig, TreeInfo } from "../../src/dig/index.ts";
import { openLmdbControl } from "../../src/dig/lmdb/index.ts";
import { seededRandom } from "../support/random.ts";
import { temporaryDirectory } from "../support/temp.ts";

const isQuick = process.argv.includes("--quick");
const FILES = isQuick ? 200_000 : 1_000_000;
const FILES_PER_DIRECTORY = 1000;
const LOOKUPS = 20_000;
const UPDATES = 16_384;
const KEY = Buffer.alloc(32, 1);
const results: Record<string, number> = {};
const random = seededRandom(1);

const u64 = (tag: string, ...numbers: number[]): Buffer => {
  const bytes = Buffer.alloc(1 + numbers.length * 8);
  bytes.write(tag);
  numbers.forEach((value, i) => bytes.writeBigUInt64BE(BigInt(value), 1 + i * 8));
  return bytes;
};
const nameOf = (i: number): string => `document-${String(i).padStart(7, "0")}.txt`;
const nameKey = (i: number): Buffer => Buffer.concat([u64("n", Math.floor(i / FILES_PER_DIRECTORY)), Buffer.from(nameOf(i))]);

/** Of each file a name, a node (attributes and its one name) and a record of its first region. */
function* files(): IterableIterator<{ key: Buffer; value: Buffer }> {
  for (let i = 0; i < FILES; i++) yield { key: nameKey(i), value: u64("f", i) };
  for (let i = 0; i < FILES; i++) yield { key: u64("o", i), value: Buffer.concat([Buffer.alloc(24, i & 15), u64("", i), Buffer.from(nameOf(i))]) };
  for (let i = 0; i < FILES; i++) yield { key: u64("r", i, 0), value: Buffer.alloc(9, i) };
}

function cpuSeconds(since?: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1e6;
}

async function timed<T>(name: string, count: number, scale: number, action: () => T | Promise<T>): Promise<T> {
  const before = process.cpuUsage();
  const result = await action();
  results[name] = (cpuSeconds(before) * scale) / count;
  return result;
}

async function trees(dig: Dig): Promise<void> {
  const lag = monitorEventLoopDelay({ resolution: 1 });
  lag.enable();
  const common = { chainHash: Buffer.alloc(32), nextChunk: 1 as ChunkNumber, chunks: [] };
  const before = process.cpuUsage();
  let inputs = 0;
  for (const { key } of files()) inputs += key.length;
  results["making the input alone, CPU s"] = cpuSeconds(before);
  const info = await timed("initial build, CPU s", 1, 1, () => dig.trees.build({ ...common, revision: 1 as Revision, changes: files() }));
  lag.disable();
  results["peak memory of the build, MB"] = process.resourceUsage().maxRSS / 1024;
  results["longest turn of the event loop, ms"] = lag.max / 1e6;
  results["bytes per file"] = (info.pageCount * 4096) / FILES;
  await reading(dig);
  await updating(dig, info);
  if (inputs === 0) throw new Error("there is input");
}

async function reading(dig: Dig): Promise<void> {
  const reader = dig.trees.open(1 as Revision)!;
  await timed("lookup of a name, us", LOOKUPS, 1e6, () => {
    for (let i = 0; i < LOOKUPS; i++) if (reader.get(nameKey(random.int(FILES))) === undefined) throw new Error("a name is missing");
  });
  const lists = 200;
  await timed("list of 1,000 names, ms", lists, 1e3, () => {
    for (let i = 0; i < lists; i++) {
      const parent = random.int(FILES / FILES_PER_DIRECTORY);
      let count = 0;
      for (const { key } of reader.range(u64("n", parent), u64("n", parent + 1))) count += key.length > 0 ? 1 : 0;
      if (count !== FILES_PER_DIRECTORY) throw new Error("names are missing");
    }
  });
  reader.close();
}

async function updating(dig: Dig, base: TreeInfo): Promise<void> {
  const chosen = new Set<number>();
  while (chosen.size < UPDATES) chosen.add(random.int(FILES));
  const changes = [...chosen].sort((a, b) => a - b).map((i) => ({ key: u64("r", i, 0), value: Buffer.alloc(12, i) }));
  const common = { chainHash: Buffer.alloc(32), nextChunk: 1 as ChunkNumber, chunks: [] };
  const info = await timed("16,384 scattered changes, CPU ms", 1, 1e3, () => dig.trees.build({ ...common, base, revision: 2 as Revision, changes }));
  results["new pages of that"] = info.newPageCount;
}

function chunkOf(lengthBytes: number): NewChunk {
  const stored = randomFillSync(Buffer.allocUnsafe(lengthBytes));
  return { hash: createHash("sha256").update(KEY).update(stored).digest(), lengthBytes, encoding: ENCODING.raw, stored };
}

/** Metadata as everything that is not payload: headers, tails, rows, and live counts after a tree. */
async function chunks(dig: Dig, lengthBytes: number, count: number): Promise<void> {
  const label = `${lengthBytes / 1024} KiB chunks`;
  const before = dig.usage();
  const batches = Array.from({ length: Math.ceil((count * lengthBytes) / (1 << 20)) }, () =>
    Array.from({ length: (1 << 20) / lengthBytes }, () => chunkOf(lengthBytes)),
  );
  const first = dig.chunks.nextNumber();
  await timed(`${label}: store, us each`, count, 1e6, async () => {
    for (const batch of batches) await dig.chunks.store(batch).durable;
  });
  const stored = dig.chunks.nextNumber() - first;
  await timed(`${label}: read and verify, us each`, stored, 1e6, () => {
    for (let i = 0; i < stored; i++) dig.chunks.read((first + i) as ChunkNumber);
  });
  const base = dig.trees.list().at(-1)!;
  const changes = Array.from({ length: stored }, (_, i) => ({ chunk: (first + i) as ChunkNumber, delta: 1 }));
  const common = { chainHash: Buffer.alloc(32), nextChunk: dig.chunks.nextNumber(), changes: [] };
  await timed(`${label}: live counts, us each`, stored, 1e6, () =>
    dig.trees.build({ ...common, base, revision: (base.revision + 1) as Revision, chunks: changes }),
  );
  const after = dig.usage();
  const dataBytes = after.allocatedBytes - before.allocatedBytes - stored * lengthBytes;
  const controlBytes = after.controlBytes - before.controlBytes;
  results[`${label}: metadata in the data file, bytes each`] = dataBytes / stored;
  results[`${label}: control file, bytes each`] = controlBytes / stored;
  results[`${label}: metadata, % of payload`] = ((dataBytes + controlBytes) / (stored * lengthBytes)) * 100;
}

const directory = join(temporaryDirectory("tree-bench"), "m");
const dig = await openDig({
  disk: openDisk({ punchHole: () => false }),
  directory,
  hashKey: KEY,
  control: openLmdbControl,
  create: { uuid: "00000000-0000-4000-8000-000000000001", quotaBytes: 8 * 2 ** 30 },
});
await trees(dig);
await chunks(dig, 65536, isQuick ? 2048 : 8192);
await chunks(dig, 4096, isQuick ? 20_480 : 102_400);
await timed("close, CPU ms", 1, 1e3, () => dig.close());

if (process.argv.includes("--json")) console.log(JSON.stringify({ files: FILES, ...results }));
else {
  console.log(`${FILES} files, three keys each`);
  for (const [name, value] of Object.entries(results)) console.log(`  ${name.padEnd(52)} ${value.toFixed(value < 10 ? 3 : 1)}`);
}
