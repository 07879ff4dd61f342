/**
 * Receives one large file and many small ones from an rsync daemon, beside the rsync client: MB and files per CPU second of the receiver.
 * The large file goes to nothing on both sides (the client writes to /dev/null); the client has no such way for many files, so these it
 * writes to a directory. The daemon's own CPU counts for neither.
 */
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "../support/random.ts";
import { startRsyncDaemon } from "../support/rsync-daemon.ts";
import { temporaryDirectory } from "../support/temp.ts";
import { measure, missingPeer, peerVersion } from "./peers.ts";
import type { Measured } from "./peers.ts";
import { benchOptions, MB, report, say } from "./report.ts";
import type { Row } from "./report.ts";

const PIECE_BYTES = 1 << 20;
const FILES_PER_FOLDER = 1000;
const RECEIVER = join(import.meta.dirname, "rsync-receiver.ts");

const options = benchOptions();
const largeBytes = (options.isQuick ? 256 : 2048) * PIECE_BYTES;
const fileCount = options.isQuick ? 3000 : 100_000;
const missing = missingPeer("rsync");
if (missing !== undefined) throw new Error(missing);

const root = temporaryDirectory("rsync-stream");
say(`making a file of ${largeBytes / MB} MB and ${fileCount} small ones …`);
const smallBytes = makeFiles();
const daemon = await startRsyncDaemon({ large: { path: join(root, "large") }, small: { path: join(root, "small") } });
const rows: Row[] = [];

function makeFiles(): number {
  const random = seededRandom(1);
  mkdirSync(join(root, "large"));
  const fd = openSync(join(root, "large", "file"), "w");
  const piece = random.bytes(PIECE_BYTES);
  for (let i = 0; i < largeBytes / PIECE_BYTES; i++) {
    piece.writeUInt32LE(i, 0);
    writeSync(fd, piece);
  }
  closeSync(fd);
  let sum = 0;
  for (let i = 0; i < fileCount; i++) {
    const folder = join(root, "small", `folder${Math.floor(i / FILES_PER_FOLDER)}`);
    if (i % FILES_PER_FOLDER === 0) mkdirSync(folder, { recursive: true });
    const sizeBytes = 100 + random.int(4000);
    writeFileSync(join(folder, `file${i}`), piece.subarray(0, sizeBytes));
    sum += sizeBytes;
  }
  return sum;
}

/** The better of two runs, as the first one warms the page cache; a quick benchmark does one. */
async function better(work: string, program: string, run: () => Promise<Measured>): Promise<Row> {
  say(`${work}, ${program} …`);
  const first = await run();
  const second = options.isQuick ? first : await run();
  const { cpuSeconds, wallSeconds, anonymousBytesPeak } = first.cpuSeconds < second.cpuSeconds ? first : second;
  const row = { work, program, cpuSeconds, wallSeconds, anonymousBytesPeak };
  rows.push(row);
  return row;
}

async function ours(module: string, mode: "list" | "fetch", expected: { readonly files: number; readonly bytes: number }): Promise<Measured> {
  const measured = await measure([process.execPath, RECEIVER, String(daemon.port), module, mode]);
  const counts = JSON.parse(measured.stdout) as { readonly files: number; readonly bytes: number };
  if (mode === "fetch" && (counts.files !== expected.files || counts.bytes !== expected.bytes)) throw new Error(`received ${measured.stdout}`);
  return measured;
}

function theirs(...words: readonly string[]): Promise<Measured> {
  const target = join(root, "target");
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target);
  return measure(["rsync", "--whole-file", ...words.map((word) => (word === "TARGET" ? target : word))]);
}

const oursLarge = await better("one large file", "rainbow", () => ours("large", "fetch", { files: 1, bytes: largeBytes }));
const theirsLarge = await better("one large file", "rsync", () => theirs("--inplace", "--write-devices", `${daemon.url}/large/file`, "/dev/null"));
const small = { files: fileCount, bytes: smallBytes };
const oursSmall = await better(`${fileCount} small files`, "rainbow", () => ours("small", "fetch", small));
const theirsSmall = await better(`${fileCount} small files`, "rsync", () => theirs("--recursive", "--times", "--links", `${daemon.url}/small/`, "TARGET"));
const oursList = await better("their list", "rainbow", () => ours("small", "list", small));
const theirsList = await better("their list", "rsync", () => theirs("--list-only", "--recursive", "--links", `${daemon.url}/small/`));
await daemon.stop();

const rate = (row: Row, amount: number): string => (amount / row.cpuSeconds).toFixed(0);
report("rsync-stream", options, {
  rows,
  claims: [
    {
      what: "MB per CPU second of a large file, against rsync",
      value: theirsLarge.cpuSeconds / oursLarge.cpuSeconds,
      unit: "ratio",
      limit: 0.6,
      goal: 1,
      isAtLeast: true,
    },
    {
      what: "small files per CPU second, against rsync, which writes them",
      value: theirsSmall.cpuSeconds / oursSmall.cpuSeconds,
      unit: "ratio",
      limit: 0.6,
      goal: 1,
      isAtLeast: true,
    },
  ],
  notes: [
    peerVersion("rsync"),
    `large file: ${rate(oursLarge, largeBytes / MB)} and ${rate(theirsLarge, largeBytes / MB)} MB per CPU second`,
    `small files: ${rate(oursSmall, fileCount)} and ${rate(theirsSmall, fileCount)} files per CPU second; their list: ${rate(oursList, fileCount)} and ${rate(theirsList, fileCount)}`,
    "CPU is that of the whole process: for rainbow it includes the start of Node, and of a receiver without a store",
  ],
});
