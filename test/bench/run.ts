/**
 * npm run bench -- NAME [--quick] [--json]: runs test/bench/NAME.bench.ts with the options given, its output untouched. Without NAME
 * it lists the benchmarks. `--quick` promises less than 50 s; the runner says on stderr where that was missed, and fails.
 */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { makeWorkspace, removeWorkspace, testEnvironment } from "../runner/workspace.ts";

const QUICK_SECONDS_MAX = 50;
const [name, ...options] = process.argv.slice(2);
const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith(".bench.ts"))
  .map((file) => file.slice(0, -".bench.ts".length))
  .sort();

if (name !== undefined && names.includes(name)) {
  process.exitCode = await run(name);
} else {
  const isHelp = name === undefined || name === "--help";
  console.log(isHelp ? "usage: npm run bench -- NAME [--quick] [--json]" : `no benchmark is called ${name}`);
  for (const each of names) console.log(`  ${each.padEnd(12)} ${duty(each)}`);
  process.exitCode = isHelp ? 0 : 2;
}

async function run(benchmark: string): Promise<number> {
  const workspace = makeWorkspace();
  const startedMs = performance.now();
  const child = spawn(process.execPath, [join(import.meta.dirname, `${benchmark}.bench.ts`), ...options], {
    stdio: "inherit",
    env: testEnvironment(workspace),
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  const code = await new Promise<number>((resolve) => child.on("close", (exitCode) => resolve(exitCode ?? 1)));
  const leftover = removeWorkspace(workspace);
  if (leftover !== undefined) console.error(`temporary files could not be removed: ${leftover}`);
  const seconds = (performance.now() - startedMs) / 1000;
  if (!options.includes("--quick") || seconds <= QUICK_SECONDS_MAX) return code;
  console.error(`${benchmark} --quick took ${seconds.toFixed(1)} s; it promises ${QUICK_SECONDS_MAX} s`);
  return code === 0 ? 1 : code;
}

/** The first line of the benchmark's opening comment. */
function duty(benchmark: string): string {
  const text = readFileSync(join(import.meta.dirname, `${benchmark}.bench.ts`), "utf8");
  return /^\/\*\*?\s*\**\s*(.+?)(?:\s*\*\/)?$/m.exec(text)?.[1] ?? "";
}
