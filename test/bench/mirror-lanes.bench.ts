/**
 * Mirrors eight large files over a line on which each connection has a rate and a delay of its own: with one connection, with four, and
 * by the rsync client, which has one.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "../support/random.ts";
import { startRsyncDaemon } from "../support/rsync-daemon.ts";
import { startSlowLink } from "../support/slow-link.ts";
import { temporaryDirectory } from "../support/temp.ts";
import { measure, missingPeer, peerVersion } from "./peers.ts";
import type { Measured } from "./peers.ts";
import { benchOptions, MB, report, say } from "./report.ts";
import type { Row } from "./report.ts";

const FILES = 8;
const SPEED = { bytesPerSecond: 20 * MB, delayMs: 20 };
const SYNCER = join(import.meta.dirname, "../support/mirror-syncer.ts");

const options = benchOptions();
const fileBytes = (options.isQuick ? 8 : 64) << 20;
const missing = missingPeer("rsync");
if (missing !== undefined) throw new Error(missing);

const root = temporaryDirectory("mirror-lanes-bench");
const at = (...names: readonly string[]): string => join(root, ...names);
const rows: Row[] = [];
const random = seededRandom(1);
mkdirSync(at("tree"));
for (let i = 0; i < FILES; i++) writeFileSync(at("tree", `file${i}`), random.bytes(fileBytes));
const daemon = await startRsyncDaemon({ tree: { path: at("tree") } });
const link = await startSlowLink(daemon.port, SPEED);

function note(program: string, { cpuSeconds, wallSeconds, anonymousBytesPeak }: Measured): number {
  rows.push({ work: `${FILES} files of ${fileBytes >> 20} MiB`, program, cpuSeconds, wallSeconds, anonymousBytesPeak });
  return wallSeconds;
}

async function ours(connections: number): Promise<number> {
  const program = `rainbow, ${connections === 1 ? "1 connection" : `${connections} connections`}`;
  say(`${program} …`);
  const words = [SYNCER, String(link.port), "tree", at(`target${connections}`), at(`mirror${connections}`), String(connections)];
  const measured = await measure([process.execPath, "--max-semi-space-size=2", ...words], { env: { ...process.env, MALLOC_ARENA_MAX: "1" } });
  const counts = JSON.parse(measured.stdout) as { readonly fetchedBytes: number; readonly failedCount: number };
  if (counts.failedCount > 0 || counts.fetchedBytes !== FILES * fileBytes) throw new Error(measured.stdout);
  return note(program, measured);
}

say("rsync …");
mkdirSync(at("reference"));
const theirs = note("rsync", await measure(["rsync", "-rlpt", `rsync://127.0.0.1:${link.port}/tree/`, at("reference")]));
const one = await ours(1);
const four = await ours(4);
await link.stop();
await daemon.stop();

report("mirror-lanes", options, {
  rows,
  claims: [
    { what: "wall time over one connection, against rsync", value: one / theirs, unit: "ratio", limit: 1.2 },
    { what: "wall time over four connections, against rsync", value: four / theirs, unit: "ratio", limit: 0.5 },
  ],
  notes: [peerVersion("rsync"), `each connection has ${SPEED.bytesPerSecond / MB} MB/s and ${2 * SPEED.delayMs} ms there and back`],
});
