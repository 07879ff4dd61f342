/**
 * Builds the addon in native/ where one of its sources is newer, with the headers that come with this Node, so without network.
 * Exit codes: 0 it is built and current; 3 the tools are missing (named on stdout); 1 the build failed (its output is shown).
 * Two builds at once share one folder, so they take turns. Plain JavaScript, as it also runs in an installed package, where Node strips
 * no types.
 */
import { spawnSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, statSync, utimesSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const native = join(root, "native");

process.exitCode = build();

function build() {
  if (!existsSync(join(native, "binding.gyp")) || isCurrent()) return 0;
  const missing = ["g++", "make", "python3"].filter((tool) => !runs(tool));
  if (missing.length > 0) {
    console.log(`${missing.join(", ")} not found`);
    return 3;
  }
  mkdirSync(join(native, "build"), { recursive: true });
  const startedAt = new Date();
  const nodeGyp = createRequire(import.meta.url).resolve("node-gyp/bin/node-gyp.js");
  const command = [process.execPath, nodeGyp, "configure", "build", "--jobs=max", `--nodedir=${join(process.execPath, "../..")}`];
  const [program, ...args] = [...(runs("flock") ? ["flock", join(native, "build/.lock")] : []), ...command];
  const built = spawnSync(program, args, { cwd: native, encoding: "utf8", maxBuffer: 1 << 26 });
  // make links nothing anew for a source that changed nothing; one that changed during the build stays newer.
  if (built.status === 0) for (const addon of addons()) utimesSync(addon, startedAt, startedAt);
  if (built.status === 0 && addons().length > 0) return 0;
  process.stdout.write(`${built.stdout}${built.stderr}${built.error?.message ?? ""}`);
  return 1;
}

function addons() {
  return globSync("build/Release/*.node", { cwd: native }).map((file) => join(native, file));
}

function isCurrent() {
  const sources = globSync(["binding.gyp", "*/**/*.{c,cc,h,hh}"], { cwd: native, exclude: ["build/**"] });
  const builtMs = Math.min(...addons().map((addon) => statSync(addon).mtimeMs));
  return addons().length > 0 && sources.every((file) => statSync(join(native, file)).mtimeMs <= builtMs);
}

function runs(program) {
  return spawnSync(program, ["--version"], { stdio: "ignore" }).status === 0;
}
