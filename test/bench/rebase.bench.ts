/** Dropping 90 of 100 rounds of page writes to a database: `rainbow rebase` against `borg prune` with `compact` and `restic forget --prune`. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect, notedSocket } from "../../src/app/socket/index.ts";
import { temporaryDirectory } from "../support/temp.ts";
import { borg, restic } from "./peer-commands.ts";
import { missingPeer, peerVersion, storedBytes } from "./peers.ts";
import type { Measured } from "./peers.ts";
import { protect, rainbow, stop } from "./rainbow.ts";
import { benchOptions, MB, report, say } from "./report.ts";
import type { Claim, Row } from "./report.ts";
import { makeDb, writeRound } from "./workload.ts";

const options = benchOptions();
const [scale, rounds, dropped] = options.isQuick ? [1 / 64, 6, 5] : [1, 100, 90];
const WRITES = options.isQuick ? 8 : 1; // In few rounds too every page is overwritten more than once.
const IDLE_MS = 5000;
const base = temporaryDirectory("rebase");
const folder = join(base, "folder");
const db = join(folder, "db");
const data = join(base, "data");
const rows: Row[] = [];
const claims: Claim[] = [];
const notes: string[] = [`a database of ${Math.round(1024 * scale)} MiB, ${rounds} rounds, the first ${dropped} dropped`];

mkdirSync(folder);
makeDb(db, scale);
const peers = (["borg", "restic"] as const).filter((name) => {
  const missing = missingPeer(name);
  if (missing !== undefined) notes.push(`${name} was skipped: ${missing}`);
  return missing === undefined;
});
const repositories = { borg: join(base, "borg"), restic: join(base, "restic") };
if (peers.includes("borg")) await borg(join(base, "borg-base"), "init", "--encryption", "none", repositories.borg);
if (peers.includes("restic")) await restic(repositories.restic, "init");

/** Writes a page to a small file every 20 ms and waits until it is acknowledged, while `work` goes on. */
async function probe(work: () => Promise<unknown>): Promise<{ readonly stallsMs: readonly number[]; readonly cpuSeconds: number }> {
  const connected = await connect(notedSocket(data)!);
  if (connected === undefined) throw new Error("rainbow up does not listen");
  const cpuBefore = up.cpuSeconds();
  const stallsMs: number[] = [];
  let isDone = false;
  const working = work().finally(() => (isDone = true));
  while (!isDone) {
    const startedMs = performance.now();
    writeFileSync(join(folder, "probe"), Buffer.alloc(4096, stallsMs.length));
    await connected.table.flush({ full: false });
    stallsMs.push(performance.now() - startedMs);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await working;
  connected.close();
  return { stallsMs: stallsMs.sort((a, b) => a - b), cpuSeconds: up.cpuSeconds() - cpuBefore };
}
const p99 = (sorted: readonly number[]): number => sorted[Math.ceil(sorted.length * 0.99) - 1]!;

say(`${rounds} rounds`);
const up = await protect(data, folder);
let keepFrom = 0;
for (let round = 1; round <= rounds; round++) {
  for (let i = 0; i < WRITES; i++) writeRound(db, round * WRITES + i, scale);
  const { stdout } = await rainbow(data, "flush", "--json");
  if (round === dropped + 1) keepFrom = (JSON.parse(stdout) as { revision: number }).revision;
  if (peers.includes("borg")) await borg(join(base, "borg-base"), "create", "--chunker-params", "fixed,4096", `${repositories.borg}::r${round}`, folder);
  if (peers.includes("restic")) await restic(repositories.restic, "backup", folder);
}

say("rainbow: rebase");
const pid = (JSON.parse((await rainbow(data, "status", "--json")).stdout) as { pid: number }).pid;
const ioOf = (): { readonly read: number; readonly written: number } => {
  const text = readFileSync(`/proc/${pid}/io`, "utf8");
  return { read: Number(/^rchar: (\d+)/m.exec(text)![1]), written: Number(/^wchar: (\d+)/m.exec(text)![1]) };
};
const before = storedBytes(data);
const idle = await probe(() => new Promise((resolve) => setTimeout(resolve, IDLE_MS)));
const ioBefore = ioOf();
up.takePeak();
const rebasing = rainbow(data, "rebase", "--to", `r${keepFrom}`, "--json");
const busy = await probe(() => rebasing);
const rebased = await rebasing;
const io = ioOf();
const freed = before - storedBytes(data);
const moved = io.read - ioBefore.read + io.written - ioBefore.written;
rows.push({
  work: "drop",
  program: "rainbow",
  cpuSeconds: busy.cpuSeconds - (idle.cpuSeconds / idle.stallsMs.length) * busy.stallsMs.length + rebased.cpuSeconds,
  wallSeconds: rebased.wallSeconds,
  anonymousBytesPeak: up.takePeak(),
  storedBytes: -freed,
});
claims.push({ what: "bytes read and written by calls, against those freed", value: moved / freed, unit: "ratio", limit: 2 });
notes.push(`rainbow gave ${(freed / MB).toFixed(0)} MB back and moved ${(moved / MB).toFixed(0)} MB by read and write calls (not what LMDB maps)`);
claims.push({ what: "acknowledging a write meanwhile, p99", value: p99(busy.stallsMs), unit: "ms", limit: 50 });
notes.push(
  `the CPU is that of the whole up, less what the same writes took while nothing else ran; then p99 was ${p99(idle.stallsMs).toFixed(1)} ms`,
  `${busy.stallsMs.length} writes were acknowledged meanwhile, the slowest after ${busy.stallsMs.at(-1)!.toFixed(1)} ms`,
);
await stop(up);

const peerDrop = async (program: "borg" | "restic", work: () => Promise<readonly Measured[]>): Promise<void> => {
  say(`${program}: drop`);
  const held = storedBytes(repositories[program]);
  const parts = await work();
  const sum = (value: (part: Measured) => number): number => parts.reduce((total, part) => total + value(part), 0);
  const cpuSeconds = sum((part) => part.cpuSeconds);
  rows.push({
    work: "drop",
    program,
    cpuSeconds,
    wallSeconds: sum((part) => part.wallSeconds),
    anonymousBytesPeak: Math.max(...parts.map((part) => part.anonymousBytesPeak)),
    storedBytes: storedBytes(repositories[program]) - held,
  });
  claims.push({ what: `CPU against ${program}`, value: rows[0]!.cpuSeconds / cpuSeconds, unit: "ratio", limit: 1 });
  notes.push(peerVersion(program));
};
const keep = rounds - dropped;
if (peers.includes("borg"))
  await peerDrop("borg", async () => [
    await borg(join(base, "borg-base"), "prune", "--keep-last", `${keep}`, repositories.borg),
    await borg(join(base, "borg-base"), "compact", repositories.borg),
  ]);
if (peers.includes("restic")) await peerDrop("restic", async () => [await restic(repositories.restic, "forget", "--keep-last", `${keep}`, "--prune")]);
report("rebase", options, { rows, claims, notes });
