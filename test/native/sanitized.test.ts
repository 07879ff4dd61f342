/** The addon's C++ without Node: compiled with the address and undefined-behaviour sanitizers, and run. */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { campaignSeed } from "../support/campaign.ts";
import { hasCommand, skipped } from "../support/skip.ts";
import { temporaryDirectory } from "../support/temp.ts";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const NATIVE = join(import.meta.dirname, "../../native");
const FLAGS = ["-std=c++17", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

const sanitized = suite("native: sanitized");

/** Compiles test/native/<name>.cc with the given folders of native/ and runs it; why it cannot be is the skip's reason. */
function runSanitized(name: string, folders: readonly string[], argument: string): void {
  if (!hasCommand("g++")) return skipped(`native: ${name} under the sanitizers`, "there is no g++");
  const sources = folders.flatMap((folder) => readdirSync(join(NATIVE, folder)).map((file) => join(NATIVE, folder, file)));
  const program = join(temporaryDirectory("sanitized"), name);
  const words = [...FLAGS, `-I${NATIVE}`, join(import.meta.dirname, `${name}.cc`), ...sources.filter((file) => file.endsWith(".cc")), "-o", program];
  const compiled = spawnSync("g++", words, { encoding: "utf8" });
  if (/cannot find.*(asan|ubsan)/.test(compiled.stderr)) return skipped(`native: ${name} under the sanitizers`, "g++ has no sanitizer libraries");
  assert.is(compiled.status, 0, compiled.stderr);
  const run = spawnSync(program, [argument], { encoding: "utf8" });
  assert.is(run.status, 0, `${run.signal ?? ""} ${run.stderr}`);
}

sanitized("listings, events and attributes are packed and read inside their bounds", () => {
  runSanitized("core", ["core"], String(campaignSeed()));
});

sanitized("system calls keep inside their buffers and lose no descriptor", () => {
  runSanitized("os", ["core", "os"], temporaryDirectory("sanitized-os"));
});

sanitized.run();
