/** One measurement of mirror-list.bench.ts, in a process of its own: `record` or `list`, a directory, a count of files. Prints JSON. */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ByteString } from "../../src/core/index.ts";
import { openLmdbEventStore } from "../../src/events/lmdb/index.ts";
import { TreeFileList } from "../../src/projections/index.ts";
import type { FileList, MirrorFact, MirrorFiles } from "../../src/projections/index.ts";
import { StoredMirror } from "../support/stored-mirror.ts";

export interface ListMeasured {
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
  readonly anonymousBytesPeak: number;
}

const FILES_PER_DIRECTORY = 1000;
const BATCH_FACTS = 1000;
const UNDER_WAY_MAX = 4;

function factsOf(index: number): MirrorFact[] {
  const directory = `pool/d${Math.floor(index / FILES_PER_DIRECTORY)}` as ByteString;
  const stamp = { mtimeSeconds: 1_600_000_000 + index, mtimeNanos: 5, rdev: 0 };
  const file: MirrorFact = {
    type: "FileArrived",
    path: `${directory}/package-${index}_1.0-1_amd64.deb` as ByteString,
    kind: "file",
    mode: 0o644,
    ...stamp,
    sizeBytes: 4096,
    digest: { name: "xxh128", bytes: Buffer.alloc(16, index) },
    place: { version: undefined, etag: `"${String(index).padStart(32, "0")}"` },
  };
  const isFirst = index % FILES_PER_DIRECTORY === 0;
  return isFirst
    ? [{ type: "FileArrived", path: directory, kind: "directory", mode: 0o755, ...stamp, sizeBytes: 0, digest: undefined, place: undefined }, file]
    : [file];
}

async function record(files: MirrorFiles, count: number): Promise<void> {
  const underWay: Promise<unknown>[] = [];
  let facts: MirrorFact[] = [];
  for (let index = 0; index < count; index++) {
    facts.push(...factsOf(index));
    if (facts.length < BATCH_FACTS) continue;
    underWay.push(files.record(facts));
    facts = [];
    if (underWay.length > UNDER_WAY_MAX) await underWay.shift();
  }
  await Promise.all([...underWay, files.record(facts)]);
}

function walk(list: FileList, path: ByteString): number {
  let count = 0;
  for (const entry of list.children(path)) count += 1 + (entry.kind === "directory" ? walk(list, entry.path) : 0);
  return count;
}

async function measured(work: () => Promise<void>): Promise<ListMeasured> {
  let anonymousBytesPeak = 0;
  const look = (): void => {
    const kib = Number(/RssAnon:\s+(\d+)/.exec(readFileSync("/proc/self/status", "latin1"))?.[1]);
    anonymousBytesPeak = Math.max(anonymousBytesPeak, kib * 1024);
  };
  const timer = setInterval(look, 50);
  const [cpu, startedMs] = [process.cpuUsage(), performance.now()];
  await work();
  look();
  clearInterval(timer);
  const { user, system } = process.cpuUsage(cpu);
  return { cpuSeconds: (user + system) / 1e6, wallSeconds: (performance.now() - startedMs) / 1000, anonymousBytesPeak };
}

const [work, directory, count] = [process.argv[2], process.argv[3]!, Number(process.argv[4])];
const isNew = work === "record";
if (isNew) mkdirSync(directory);
const store = await openLmdbEventStore({ path: join(directory, "events.lmdb"), create: isNew });
const mirror = await StoredMirror.at(directory, store, isNew);
const files = isNew ? await mirror.opened.files() : undefined;
const result = await measured(async () => {
  if (files !== undefined) await record(files, count);
  const list = files === undefined ? new TreeFileList(mirror.opened.machine.projection.viewNow()) : await files.list();
  const found = isNew ? count : walk(list, "." as ByteString);
  list.close();
  if (found < count) throw new Error(`the list has ${found} entries`);
});
await mirror.opened.close();
await store.close();
console.log(JSON.stringify(result));
