/** Initial backup of a tree of 13,240 files, 2.2 GB: `rainbow up` until it reports it and stops, against `restic init` and `backup`. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { temporaryDirectory } from "../support/temp.ts";
import { missingPeer, peerVersion, storedBytes } from "./peers.ts";
import { restic } from "./peer-commands.ts";
import { backUpOnce } from "./rainbow.ts";
import { benchOptions, MB, report, say } from "./report.ts";
import type { Claim, Row } from "./report.ts";
import { makeTree } from "./workload.ts";

const options = benchOptions();
const base = temporaryDirectory("backup");
const tree = join(base, "tree");
const rows: Row[] = [];
const claims: Claim[] = [];
const notes: string[] = [];

say("making the tree");
const facts = makeTree(tree, options.isQuick ? 0.1 : 1);
const work = `backup of ${facts.files} files, ${(facts.bytes / MB).toFixed(0)} MB`;

say("rainbow");
const data = join(base, "data");
const ours = await backUpOnce(data, tree);
rows.push({ work, program: "rainbow", ...ours, storedBytes: storedBytes(data) });
claims.push({ what: "anonymous memory of `up`", value: ours.anonymousBytesPeak / MB, unit: "MB", limit: 128 });

const missing = missingPeer("restic");
if (missing !== undefined) notes.push(`restic was skipped: ${missing}`);
else {
  say("restic");
  const repository = join(base, "restic");
  mkdirSync(repository);
  const init = await restic(repository, "init");
  const backup = await restic(repository, "backup", tree);
  const cpuSeconds = init.cpuSeconds + backup.cpuSeconds;
  rows.push({ work, program: "restic", ...backup, cpuSeconds, storedBytes: storedBytes(repository) });
  claims.push({ what: "CPU against restic", value: ours.cpuSeconds / cpuSeconds, unit: "ratio", limit: 0.5, goal: 0.25 });
  notes.push(peerVersion("restic"));
}
report("backup", options, { rows, claims, notes });
