/**
 * Mirrors modules of an rsync daemon into a directory, beside the rsync client on the same daemon: many small files fresh and unchanged,
 * one large file fresh, and with one hundredth of it changed; and a list of a million files, dry, beside one of a tenth. CPU of the receiving side alone; for Rainbow with the start of Node, events,
 * trees and the sync of the filesystem, which the client leaves to the kernel.
 */
import { closeSync, mkdirSync, openSync, rmSync, utimesSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "../support/random.ts";
import { startRsyncDaemon } from "../support/rsync-daemon.ts";
import { temporaryDirectory } from "../support/temp.ts";
import { measure, missingPeer, peerVersion } from "./peers.ts";
import type { Measured } from "./peers.ts";
import { benchOptions, MB, report, say } from "./report.ts";
import type { Row } from "./report.ts";

const FILES_PER_FOLDER = 1000;
const PIECE_BYTES = 1 << 20;
const CHANGES = 40;
const LISTER = join(import.meta.dirname, "mirror-listed-child.ts");
const SYNCER = join(import.meta.dirname, "../support/mirror-syncer.ts");

const options = benchOptions();
const fileCount = options.isQuick ? 3000 : 100_000;
const largeBytes = (options.isQuick ? 64 : 2048) * PIECE_BYTES;
const missing = missingPeer("rsync");
if (missing !== undefined) throw new Error(missing);

const root = temporaryDirectory("mirror-bench");
const at = (...names: readonly string[]): string => join(root, ...names);
const random = seededRandom(1);
const rows: Row[] = [];
const notes: string[] = [peerVersion("rsync")];
/** As bin/rainbow starts Node. */
const environment = { ...process.env, NODE_COMPILE_CACHE: at("compiled"), MALLOC_ARENA_MAX: "1", MALLOC_MMAP_THRESHOLD_: "65536" };

function makeSmallFiles(): void {
  const piece = random.bytes(8192);
  for (let i = 0; i < fileCount; i++) {
    const folder = at("small", `folder${Math.floor(i / FILES_PER_FOLDER)}`);
    if (i % FILES_PER_FOLDER === 0) mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `file${i}`), piece.subarray(0, 100 + random.int(4000)));
  }
}

function makeLargeFile(): void {
  mkdirSync(at("large"));
  const fd = openSync(at("large", "file"), "w");
  for (let i = 0; i < largeBytes / PIECE_BYTES; i++) writeSync(fd, random.bytes(PIECE_BYTES));
  closeSync(fd);
}

/** One hundredth, in stretches all over it. */
function changeLargeFile(): void {
  const fd = openSync(at("large", "file"), "r+");
  const stretchBytes = Math.floor(largeBytes / 100 / CHANGES);
  for (let i = 0; i < CHANGES; i++) writeSync(fd, random.bytes(stretchBytes), 0, stretchBytes, Math.floor(((i + 0.3) * largeBytes) / CHANGES));
  closeSync(fd);
  utimesSync(at("large", "file"), 1_700_000_000, 1_700_000_000);
}

function note(work: string, program: string, { cpuSeconds, wallSeconds, anonymousBytesPeak }: Measured): Row {
  const row = { work, program, cpuSeconds, wallSeconds, anonymousBytesPeak };
  rows.push(row);
  return row;
}

interface Outcome {
  readonly row: Row;
  readonly wireBytes: number;
}

async function ours(work: string, module: string): Promise<Outcome> {
  say(`${work}, rainbow …`);
  const words = ["--max-semi-space-size=2", SYNCER, String(daemon.port), module, at(`${module}-rainbow`), at(`${module}-mirror`)];
  const measured = await measure([process.execPath, ...words], { env: environment });
  const counts = JSON.parse(measured.stdout) as { readonly receivedBytes: number; readonly sentBytes: number; readonly failedCount: number };
  if (counts.failedCount > 0) throw new Error(measured.stdout);
  return { row: note(work, "rainbow", measured), wireBytes: counts.receivedBytes + counts.sentBytes };
}

/** A list of so many files that the mirror has not, in a dry run. */
async function listed(count: number): Promise<Row> {
  const work = `a list of ${count}, dry`;
  say(`${work} …`);
  const measured = await measure([process.execPath, "--max-semi-space-size=2", LISTER, String(count)], { env: environment });
  const { arrivedCount } = JSON.parse(measured.stdout) as { readonly arrivedCount: number };
  if (arrivedCount < count) throw new Error(measured.stdout);
  return note(work, "rainbow", measured);
}

async function theirs(work: string, module: string): Promise<Outcome> {
  say(`${work}, rsync …`);
  const measured = await measure(["rsync", "-rlpt", "--stats", `${daemon.url}/${module}/`, at(`${module}-rsync`)]);
  const bytes = (what: string): number => Number((new RegExp(`Total bytes ${what}: ([\\d,]+)`).exec(measured.stdout)?.[1] ?? "").replaceAll(",", ""));
  return { row: note(work, "rsync", measured), wireBytes: bytes("sent") + bytes("received") };
}

say(`making ${fileCount} small files and one of ${largeBytes / MB} MB …`);
makeSmallFiles();
makeLargeFile();
for (const name of ["small", "large"]) mkdirSync(at(`${name}-rsync`));
const daemon = await startRsyncDaemon({ small: { path: at("small") }, large: { path: at("large") } });
await ours("compiling", "large"); // Fills the cache of compiled code, as an installed Rainbow has it.
rows.length = 0;
for (const name of ["large-rainbow", "large-mirror"]) rmSync(at(name), { recursive: true });

const fresh = { theirs: await theirs(`${fileCount} files, fresh`, "small"), ours: await ours(`${fileCount} files, fresh`, "small") };
const unchanged = { theirs: await theirs(`${fileCount} files, unchanged`, "small"), ours: await ours(`${fileCount} files, unchanged`, "small") };
await theirs("a large file, fresh", "large");
await ours("a large file, fresh", "large");
changeLargeFile();
const changed = { theirs: await theirs("a large file, 1 % changed", "large"), ours: await ours("a large file, 1 % changed", "large") };
await daemon.stop();
const manyCount = options.isQuick ? 100_000 : 1_000_000;
const few = await listed(manyCount / 10);
const many = await listed(manyCount);

notes.push(`1 % changed, on the wire: ${(changed.ours.wireBytes / MB).toFixed(2)} and ${(changed.theirs.wireBytes / MB).toFixed(2)} MB`);
report("mirror", options, {
  rows,
  claims: [
    { what: "CPU of fresh small files, against rsync", value: fresh.ours.row.cpuSeconds / fresh.theirs.row.cpuSeconds, unit: "ratio", limit: 1.2 },
    {
      what: "wall time of unchanged small files, against rsync",
      value: unchanged.ours.row.wallSeconds / unchanged.theirs.row.wallSeconds,
      unit: "ratio",
      limit: 3,
      goal: 1.5,
    },
    { what: "memory for unchanged small files", value: unchanged.ours.row.anonymousBytesPeak / MB, unit: "MB", limit: 150 },
    { what: `memory for a list of ${manyCount}`, value: many.anonymousBytesPeak / MB, unit: "MB", limit: 150 },
    { what: "memory for that list, against one of a tenth", value: many.anonymousBytesPeak / few.anonymousBytesPeak, unit: "ratio", limit: 2 },
    { what: "bytes on the wire for 1 % changed, against rsync", value: changed.ours.wireBytes / changed.theirs.wireBytes, unit: "ratio", limit: 1.05 },
  ],
  notes,
});
