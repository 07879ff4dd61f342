/** reconcile: 1,000,000 small files, of which nothing changed: CPU seconds and anonymous memory of looking at all of them. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryDirectory } from "../support/temp.ts";

const isQuick = process.argv.includes("--quick");
const isJson = process.argv.includes("--json");
const FILES = isQuick ? 100_000 : 1_000_000;
const FILES_PER_DIRECTORY = 100;
const CPU_SECONDS_MAX = (15 * FILES) / 1_000_000;
const CPU_SECONDS_GOAL = (6 * FILES) / 1_000_000;
const ANONYMOUS_MIB_MAX = 256;

interface Round {
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
  readonly anonymousMib: number;
  readonly fileMib: number;
  readonly nodeCount: number;
  readonly changedCount: number;
}

if (process.argv[2] === "--child") await child(process.argv[3] as string);
else await main();

async function main(): Promise<void> {
  const base = temporaryDirectory("reconcile");
  say(`making ${FILES} files …`);
  make(join(base, "root"));
  const first = run(base);
  say(line("first scan", first));
  const again = run(base);
  say(line("nothing changed", again));
  const isMet = again.cpuSeconds <= CPU_SECONDS_MAX && again.anonymousMib <= ANONYMOUS_MIB_MAX && again.changedCount === 0;
  say(`${isMet ? "reached" : "MISSED"}: at most ${CPU_SECONDS_MAX} CPU-s (goal ${CPU_SECONDS_GOAL}) and ${ANONYMOUS_MIB_MAX} MiB for ${FILES} files`);
  if (isJson) console.log(JSON.stringify({ files: FILES, first, again, isMet }));
  process.exitCode = isMet ? 0 : 1;
}

function say(text: string): void {
  if (isJson) console.error(text);
  else console.log(text);
}

function line(name: string, round: Round): string {
  const { cpuSeconds, wallSeconds, anonymousMib, fileMib, changedCount } = round;
  const memory = `${anonymousMib.toFixed(0)} MiB anonymous at most (${fileMib.toFixed(0)} MiB of mapped file)`;
  return `${name.padEnd(16)} ${cpuSeconds.toFixed(2)} CPU-s, ${wallSeconds.toFixed(2)} s wall, ${memory}, ${changedCount} entries differed`;
}

function make(root: string): void {
  for (let d = 0; d < FILES / FILES_PER_DIRECTORY; d++) {
    const directory = join(root, `d${d % 100}/e${Math.floor(d / 100)}`);
    mkdirSync(directory, { recursive: true });
    for (let f = 0; f < FILES_PER_DIRECTORY; f++) writeFileSync(join(directory, `file-${f}.txt`), `${d}/${f}\n`);
  }
}

function run(base: string): Round {
  const result = spawnSync(process.execPath, [import.meta.filename, "--child", base], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  return JSON.parse(result.stdout) as Round;
}

/** One agent: starts, reconciles, and says what that cost. The first one makes the initial backup; its batches go nowhere. */
async function child(base: string): Promise<void> {
  const { AgentRig } = await import("../support/agent-rig.ts");
  const rig = await AgentRig.open(base);
  let anonymousMib = 0;
  let fileMib = 0;
  const timer = setInterval(() => {
    const status = readFileSync("/proc/self/status", "latin1");
    anonymousMib = Math.max(anonymousMib, Number(/RssAnon:\s+(\d+)/.exec(status)?.[1]) / 1024);
    fileMib = Math.max(fileMib, Number(/RssFile:\s+(\d+)/.exec(status)?.[1]) / 1024);
  }, 20);
  const cpuBefore = process.cpuUsage();
  const wallBefore = performance.now();
  const finished = await rig.reconcile();
  const { user, system } = process.cpuUsage(cpuBefore);
  clearInterval(timer);
  const round: Round = { cpuSeconds: (user + system) / 1e6, wallSeconds: (performance.now() - wallBefore) / 1000, anonymousMib, fileMib, ...finished };
  console.log(JSON.stringify(round));
  await rig.close();
}
