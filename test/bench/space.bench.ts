/** What a database of 1 GiB and 10 rounds of page writes to it take on the disk: `rainbow up` with `flush` against `restic backup` and `borg create` with 4 KiB chunks. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { temporaryDirectory } from "../support/temp.ts";
import { borg, restic } from "./peer-commands.ts";
import { missingPeer, peerVersion, storedBytes } from "./peers.ts";
import type { Measured } from "./peers.ts";
import { backUpOnce, protect, rainbow, stop } from "./rainbow.ts";
import { benchOptions, MB, report, say } from "./report.ts";
import type { Row } from "./report.ts";
import { makeDb, writeRound } from "./workload.ts";

const ROUNDS = 10;
const options = benchOptions();
const scale = options.isQuick ? 1 / 32 : 1;
const base = temporaryDirectory("space");
const folder = join(base, "folder");
const db = join(folder, "db");
const data = join(base, "data");
const notes: string[] = [`a database of ${Math.round(1024 * scale)} MiB and ${ROUNDS} rounds; every instant between them can be restored from rainbow alone`];

interface Peer {
  readonly program: "borg" | "restic";
  readonly repository: string;
  readonly save: (name: string) => Promise<Measured>;
}

const [borgRepository, resticRepository, borgBase] = [join(base, "borg"), join(base, "restic"), join(base, "borg-base")];
const peers: Peer[] = [
  {
    program: "borg",
    repository: borgRepository,
    save: (name) => borg(borgBase, "create", "--chunker-params", "fixed,4096", `${borgRepository}::${name}`, folder),
  },
  { program: "restic", repository: resticRepository, save: () => restic(resticRepository, "backup", folder) },
];
const found = peers.filter(({ program }) => {
  const missing = missingPeer(program);
  notes.push(missing === undefined ? peerVersion(program) : `${program} was skipped: ${missing}`);
  return missing === undefined;
});

say("making the database");
mkdirSync(folder);
makeDb(db, scale);
const used = new Map<string, { cpuSeconds: number; wallSeconds: number; anonymousBytesPeak: number }>();
const add = (program: string, { cpuSeconds, wallSeconds, anonymousBytesPeak }: Omit<Measured, "exitCode" | "stdout" | "stderr">): void => {
  const sum = used.get(program) ?? { cpuSeconds: 0, wallSeconds: 0, anonymousBytesPeak: 0 };
  sum.cpuSeconds += cpuSeconds;
  sum.wallSeconds += wallSeconds;
  sum.anonymousBytesPeak = Math.max(sum.anonymousBytesPeak, anonymousBytesPeak);
  used.set(program, sum);
};

say("base");
if (found.some(({ program }) => program === "borg")) await borg(borgBase, "init", "--encryption", "none", borgRepository);
if (found.some(({ program }) => program === "restic")) await restic(resticRepository, "init");
for (const peer of found) add(peer.program, await peer.save("base"));
add("rainbow", await backUpOnce(data, folder));

const up = await protect(data, folder);
for (let round = 1; round <= ROUNDS; round++) {
  say(`round ${round} of ${ROUNDS}`);
  writeRound(db, round, scale);
  const { wallSeconds, ...flush } = await rainbow(data, "flush");
  add("rainbow", { ...flush, wallSeconds });
  for (const peer of found) add(peer.program, await peer.save(`round-${round}`));
}
add("rainbow", { ...(await stop(up)), wallSeconds: 0 }); // It waited for the others.

const stored = new Map<string, number>([
  ["rainbow", storedBytes(data)],
  ...found.map(({ program, repository }) => [program, storedBytes(repository)] as const),
]);
const rows: Row[] = [...used].map(([program, sum]) => ({ work: "base and rounds", program, ...sum, storedBytes: stored.get(program)! }));
const claims = [
  { what: "all bytes stored by rainbow, after a stop", value: stored.get("rainbow")! / MB / scale, unit: "MB", limit: 1600, goal: 1450 } as const,
];
report("space", options, { rows, claims, notes });
