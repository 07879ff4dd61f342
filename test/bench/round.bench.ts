/** One round of 20,000 random 4 KiB page writes to a database of 1 GiB that is backed up: `rainbow flush` against `borg create` with 4 KiB chunks. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { temporaryDirectory } from "../support/temp.ts";
import { missingPeer, peerVersion, storedBytes } from "./peers.ts";
import { borg } from "./peer-commands.ts";
import { backUpOnce, protect, rainbow, stop } from "./rainbow.ts";
import { benchOptions, MB, report, say } from "./report.ts";
import type { Claim, Row } from "./report.ts";
import { makeDb, writeRound } from "./workload.ts";

const options = benchOptions();
const scale = options.isQuick ? 1 / 16 : 1;
const base = temporaryDirectory("round");
const folder = join(base, "folder");
const db = join(folder, "db");
const rows: Row[] = [];
const claims: Claim[] = [];
const notes: string[] = [];

say("making the database");
mkdirSync(folder);
makeDb(db, scale);
const missing = missingPeer("borg");
const repository = join(base, "borg");
const remembers = join(base, "borg-base");
const create = (name: string): ReturnType<typeof borg> => borg(remembers, "create", "--chunker-params", "fixed,4096", `${repository}::${name}`, folder);
if (missing === undefined) {
  say("borg: base");
  await borg(remembers, "init", "--encryption", "none", repository);
  await create("base");
}
say("rainbow: base");
const data = join(base, "data");
await backUpOnce(data, folder);
const baseBytes = storedBytes(data);

say("rainbow: round");
const up = await protect(data, folder);
const [cpuBefore, startedMs] = [up.cpuSeconds(), performance.now()];
up.takePeak();
const pageCount = writeRound(db, 1, scale);
const writtenSeconds = (performance.now() - startedMs) / 1000;
const flush = await rainbow(data, "flush");
const cpuFlushed = up.cpuSeconds() - cpuBefore + flush.cpuSeconds;
const wallSeconds = (performance.now() - startedMs) / 1000;
const anonymousBytesPeak = Math.max(up.takePeak(), flush.anonymousBytesPeak);
const cpuAtStop = up.cpuSeconds();
const flushedBytes = storedBytes(data) - baseBytes;
const stopped = await stop(up);
const stoppedBytes = storedBytes(data) - baseBytes;
const work = `round of ${pageCount} pages`;
rows.push({ work, program: "rainbow", cpuSeconds: cpuFlushed, wallSeconds, anonymousBytesPeak, storedBytes: flushedBytes });
rows.push({
  work: "with a clean stop",
  program: "rainbow",
  cpuSeconds: cpuFlushed + stopped.cpuSeconds - cpuAtStop,
  wallSeconds,
  anonymousBytesPeak: Math.max(anonymousBytesPeak, stopped.anonymousBytesPeak),
  storedBytes: stoppedBytes,
});
notes.push(`wall time includes ${writtenSeconds.toFixed(2)} s of writing the round itself`);
claims.push({ what: "bytes stored by the round, with all metadata, after a stop", value: stoppedBytes / MB / scale, unit: "MB", limit: 79, goal: 65 });

if (missing !== undefined) notes.push(`borg was skipped: ${missing}`);
else {
  say("borg: round");
  const before = storedBytes(repository);
  const theirs = await create("round");
  rows.push({ work, program: "borg", ...theirs, storedBytes: storedBytes(repository) - before });
  claims.push({ what: "CPU against borg", value: cpuFlushed / theirs.cpuSeconds, unit: "ratio", limit: 0.4, goal: 0.2 });
  notes.push(`${peerVersion("borg")}, --chunker-params fixed,4096, no encryption, its default compression lz4`);
}
report("round", options, { rows, claims, notes });
