/** Restore of the tree of `backup` and of a database after one round of `round`: `rainbow restore` against `restic restore`. */
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { temporaryDirectory } from "../support/temp.ts";
import { missingPeer, peerVersion } from "./peers.ts";
import { restic } from "./peer-commands.ts";
import { backUpOnce, protect, rainbow, stop } from "./rainbow.ts";
import { benchOptions, report, say } from "./report.ts";
import type { Claim, Row } from "./report.ts";
import { makeDb, makeTree, writeRound } from "./workload.ts";

const options = benchOptions();
const base = temporaryDirectory("bench-restore");
const rows: Row[] = [];
const claims: Claim[] = [];
const notes: string[] = [];
const missing = missingPeer("restic");
const hasRsync = missingPeer("rsync") === undefined;
if (missing !== undefined) notes.push(`restic was skipped: ${missing}`);
else notes.push(peerVersion("restic"));

say("making the tree");
makeTree(join(base, "tree"), options.isQuick ? 0.05 : 1);
await compare("tree", async (data, folder) => {
  await backUpOnce(data, folder);
});
say("making the database");
const scale = options.isQuick ? 1 / 16 : 1;
mkdirSync(join(base, "db"));
makeDb(join(base, "db", "file"), scale);
await compare("db", async (data, folder) => {
  await backUpOnce(data, folder);
  const up = await protect(data, folder);
  writeRound(join(folder, "file"), 1, scale);
  await rainbow(data, "flush");
  await stop(up);
});
report("restore", options, { rows, claims, notes });

/**
 * Backs the folder up with both, untimed, and restores it with both. Nothing is removed in between: ext4 looks twice at inodes that
 * were freed a moment ago, and whoever came next would pay for it.
 */
async function compare(name: string, backUp: (data: string, folder: string) => Promise<void>): Promise<void> {
  const folder = join(base, name);
  const data = join(base, `${name}-data`);
  const work = `restore of ${name}`;
  say(`rainbow: backup of ${name}`);
  await backUp(data, folder);
  const repository = join(base, `${name}-restic`);
  if (missing === undefined) {
    say(`restic: backup of ${name}`);
    await restic(repository, "init");
    await restic(repository, "backup", folder);
  }
  say(`rainbow: ${work}`);
  const to = join(base, `${name}-by-rainbow`);
  const ours = await rainbow(data, "restore", folder, "--to", to);
  rows.push({ work, program: "rainbow", ...ours });
  if (missing === undefined) {
    say(`restic: ${work}`);
    const theirs = await restic(repository, "restore", "latest", "--target", join(base, `${name}-by-restic`));
    rows.push({ work, program: "restic", ...theirs });
    claims.push({ what: `CPU of the ${work} against restic`, value: ours.cpuSeconds / theirs.cpuSeconds, unit: "ratio", limit: 1, goal: 0.4 });
  }
  say("comparing");
  checkSame(folder, to);
}

function checkSame(left: string, right: string): void {
  if (!hasRsync) return void notes.push("rsync is missing: the restored folder was not compared");
  const result = spawnSync("rsync", ["-aHAXn", "--checksum", "--delete", "--itemize-changes", `${left}/`, `${right}/`], { encoding: "utf8" });
  if (result.stdout !== "" || result.status !== 0) throw new Error(`restored, and not the same: ${result.stdout.slice(0, 500)}${result.stderr}`);
}
