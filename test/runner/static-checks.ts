/** The checks that run no test: format, lint, types, and the build of the addon. Each counts as one test. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { runChild, type ChildOutcome } from "./child.ts";
import { installCompiler } from "./compiler.ts";
import { REPOSITORY, testEnvironment } from "./workspace.ts";

export interface StaticCheck {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
}

const bin = (name: string): string => join(REPOSITORY, "node_modules/.bin", name);

export const STATIC_CHECKS: readonly StaticCheck[] = [
  { name: "static: format (prettier)", program: bin("prettier"), args: ["--check", "--cache", "--log-level=warn", "."] },
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

const TOOLS_MISSING = 3; // An exit code of bin/build-native.mjs.

/** Builds the addon where it is not current; as root, after installing a compiler where there is none. */
export async function buildNative(workspace: string): Promise<NativeBuild> {
  if (!existsSync(join(REPOSITORY, "native/binding.gyp"))) return { kind: "none" };
  const options = { cwd: REPOSITORY, env: testEnvironment(workspace), limitMs: CHECK_LIMIT_MS, outputFile: join(workspace, "native.out") };
  const build = (): Promise<ChildOutcome> => runChild(process.execPath, [join(REPOSITORY, "bin/build-native.mjs")], options);
  let outcome = await build();
  if (outcome.exitCode === TOOLS_MISSING && installCompiler()) outcome = await build();
  if (outcome.exitCode !== TOOLS_MISSING) return { kind: "ran", outcome };
  return { kind: "skipped", reason: `${outcome.output.trim()}, and could not be installed (that takes root and apt-get)` };
}
