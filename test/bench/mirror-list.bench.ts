/** A mirror's file list: CPU of recording and of looking at 100,000 entries of which nothing changed, and memory with a million of them. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { temporaryDirectory } from "../support/temp.ts";
import type { ListMeasured } from "./mirror-list-child.ts";
import { benchOptions, MB, report, say } from "./report.ts";
import type { Claim, Row } from "./report.ts";

const options = benchOptions();
const fewCount = options.isQuick ? 10_000 : 100_000;
const manyCount = fewCount * 10;

interface Measured {
  readonly recorded: ListMeasured;
  readonly listed: ListMeasured;
}

/** With the settings that the program is started with. */
function child(work: "record" | "list", directory: string, count: number): ListMeasured {
  say(`${work} ${count} files`);
  const run = spawnSync(process.execPath, ["--max-semi-space-size=2", join(import.meta.dirname, "mirror-list-child.ts"), work, directory, String(count)], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, MALLOC_ARENA_MAX: "1", MALLOC_MMAP_THRESHOLD_: "65536" },
  });
  if (run.status !== 0) throw new Error(`the measurement ended with ${run.status ?? run.signal}`);
  return JSON.parse(run.stdout) as ListMeasured;
}

function measure(count: number): Measured {
  const directory = join(temporaryDirectory("mirror-list"), "m");
  return { recorded: child("record", directory, count), listed: child("list", directory, count) };
}

const [few, many] = [measure(fewCount), measure(manyCount)];
const rows = [few, many].flatMap(({ recorded, listed }, i): Row[] => {
  const count = i === 0 ? fewCount : manyCount;
  return [
    { work: `${count} recorded`, program: "rainbow", ...recorded },
    { work: `${count} looked at`, program: "rainbow", ...listed },
  ];
});
const claims: Claim[] = [
  { what: `CPU of looking at ${fewCount} unchanged entries`, value: few.listed.cpuSeconds, unit: "s", limit: 1, goal: 0.5 },
  { what: `anonymous memory of looking at ${fewCount} entries`, value: few.listed.anonymousBytesPeak / MB, unit: "MB", limit: 150 },
  { what: `anonymous memory of looking at ${manyCount}`, value: many.listed.anonymousBytesPeak / MB, unit: "MB", limit: 150 },
  { what: `anonymous memory of recording ${manyCount}`, value: many.recorded.anonymousBytesPeak / MB, unit: "MB", limit: 400 },
];
report("mirror-list", options, { rows, claims, notes: ["1,000 files in a directory; digests and places as a bucket gives them; the embedded event store"] });
