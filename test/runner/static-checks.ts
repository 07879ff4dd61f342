/** The checks that run no test: format, lint, types, and the build of the addon. Each counts as one test. */
import { existsSync } from "node:fs";
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
  { readonly kind: "none" } | { readonly kind: "skipped"; readonly reason: string } | { readonly kind: "ran"; readonly outcome: ChildOutcome };

/** Builds native/ with the headers of the Node that runs this, without network. */
export async function buildNative(workspace: string): Promise<NativeBuild> {
  const ownBuild = join(REPOSITORY, "native/build.ts");
  if (!existsSync(join(REPOSITORY, "native/binding.gyp"))) return { kind: "none" };
  if (missingBuildTools().length > 0) installCompiler();
  const missing = missingBuildTools();
  if (missing.length > 0) return { kind: "skipped", reason: `${missing.join(", ")} not found, and only root can install them` };
  const [program, args] = existsSync(ownBuild) ? [process.execPath, [ownBuild]] : [bin("node-gyp"), ["rebuild", `--nodedir=${nodeHeaders()}`]];
  const options = { cwd: join(REPOSITORY, "native"), env: testEnvironment(workspace), limitMs: CHECK_LIMIT_MS, outputFile: join(workspace, "native.out") };
  return { kind: "ran", outcome: await runChild(program, args, options) };
}

function nodeHeaders(): string {
  return join(process.execPath, "../..");
}
