/** The checks that run no test: format, lint, types, and the build of the addon. Each counts as one test. */
import { spawnSync } from "node:child_process";
import { existsSync, globSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runChild, type ChildOutcome } from "./child.ts";
import { installCompiler, missingBuildTools } from "./compiler.ts";
import { REPOSITORY, testEnvironment } from "./workspace.ts";

export interface StaticCheck {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
}

const bin = (name: string): string => join(REPOSITORY, "node_modules/.bin", name);

export const STATIC_CHECKS: readonly StaticCheck[] = [
  { name: "static: format (prettier)", program: bin("prettier"), args: ["--check", "--log-level=warn", "."] },
  { name: "static: lint (oxlint)", program: bin("oxlint"), args: ["--type-aware", "--deny-warnings"] },
  { name: "static: types (tsc)", program: bin("tsc"), args: ["--noEmit"] },
];

const CHECK_LIMIT_MS = 300_000;

export async function runStaticCheck(check: StaticCheck, workspace: string): Promise<ChildOutcome> {
  const outputFile = join(workspace, `${check.name.replace(/\W+/g, "-")}.out`);
  return runChild(check.program, check.args, { cwd: REPOSITORY, env: testEnvironment(workspace), limitMs: CHECK_LIMIT_MS, outputFile });
}

export type NativeBuild =
  { readonly kind: "none" | "current" } | { readonly kind: "skipped"; readonly reason: string } | { readonly kind: "ran"; readonly outcome: ChildOutcome };

/** Builds native/ where a source is newer than the addon, with the headers of the Node that runs this and without network. */
export async function buildNative(workspace: string): Promise<NativeBuild> {
  const native = join(REPOSITORY, "native");
  if (!existsSync(join(native, "binding.gyp"))) return { kind: "none" };
  if (isAddonCurrent(native)) return { kind: "current" };
  if (missingBuildTools().length > 0) installCompiler();
  const missing = missingBuildTools();
  if (missing.length > 0) return { kind: "skipped", reason: `${missing.join(", ")} not found, and only root can install them` };
  const ownBuild = join(native, "build.ts");
  const nodeGyp = [join(REPOSITORY, "node_modules/node-gyp/bin/node-gyp.js"), "configure", "build", `--nodedir=${join(process.execPath, "../..")}`];
  const build = [process.execPath, ...(existsSync(ownBuild) ? [ownBuild] : nodeGyp)];
  const lock = hasFlock() ? ["flock", join(tmpdir(), `rainbow-native-${process.getuid?.() ?? 0}.lock`)] : []; // Two runs share one build folder.
  const [program, ...args] = [...lock, ...build] as [string, ...string[]];
  const options = { cwd: native, env: testEnvironment(workspace), limitMs: CHECK_LIMIT_MS, outputFile: join(workspace, "native.out") };
  return { kind: "ran", outcome: await runChild(program, args, options) };
}

function isAddonCurrent(native: string): boolean {
  const addons = globSync("build/Release/*.node", { cwd: native }).map((file) => statSync(join(native, file)).mtimeMs);
  const sources = globSync("**/*.{cc,h,gyp,c}", { cwd: native, exclude: (name) => name === "build" || name === "node_modules" });
  const newestSource = Math.max(...sources.map((file) => statSync(join(native, file)).mtimeMs));
  return addons.length > 0 && Math.min(...addons) > newestSource;
}

function hasFlock(): boolean {
  return spawnSync("flock", ["--version"], { stdio: "ignore" }).status === 0;
}
