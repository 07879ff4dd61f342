/**
 * npm run campaign -- NAME …: the random suites at full scale. They are the test files that import support/campaign.ts; NAME is a part
 * of their path. Without NAME it lists them. SEED is passed through. RAINBOW_CAMPAIGN_SCALE makes it longer still (10) or shorter.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { REPOSITORY } from "./runner/workspace.ts";

const suites = readdirSync(join(REPOSITORY, "test"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".test.ts"))
  .map((name) => join("test", name))
  .filter((path) => /from "[./]+support\/campaign\.ts"/.test(readFileSync(join(REPOSITORY, path), "utf8")))
  .sort();
const names = process.argv.slice(2);
const wanted = suites.filter((path) => names.some((name) => path.includes(name)));

if (wanted.length === 0) {
  console.log(`${names.length === 0 ? "usage: npm run campaign -- NAME …" : `no random suite has ${names.join(" or ")} in its path`}`);
  console.log(["The random suites:", ...suites].join("\n  "));
  process.exitCode = names.length === 0 ? 0 : 1;
} else {
  const env = { ...process.env, RAINBOW_CAMPAIGN_SCALE: process.env["RAINBOW_CAMPAIGN_SCALE"] ?? "1" };
  const runner = relative(process.cwd(), join(REPOSITORY, "test/run.ts"));
  process.on("SIGINT", () => {}); // The runner gets the same signal, stops its tests and ends with 130.
  process.exitCode = spawnSync(process.execPath, [runner, ...wanted], { stdio: "inherit", env }).status ?? 1;
}
