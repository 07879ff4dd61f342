/** What the addon's build needs. As root, what is missing is installed from the system's packages, and said. */
import { spawnSync } from "node:child_process";

const TOOLS = [
  { command: "g++", debianPackage: "g++" },
  { command: "make", debianPackage: "make" },
  { command: "python3", debianPackage: "python3" },
];

export function missingBuildTools(): string[] {
  return TOOLS.filter((tool) => spawnSync(tool.command, ["--version"], { stdio: "ignore" }).status !== 0).map((tool) => tool.command);
}

export function installCompiler(): void {
  if (process.getuid?.() !== 0 || spawnSync("apt-get", ["--version"], { stdio: "ignore" }).status !== 0) return;
  const missing = new Set(missingBuildTools());
  const packages = TOOLS.filter((tool) => missing.has(tool.command)).map((tool) => tool.debianPackage);
  console.log(`installing ${packages.join(" ")} with apt-get, for the native addon ...`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  spawnSync("apt-get", ["update", "-qq"], { stdio: ["ignore", "ignore", "inherit"], env });
  spawnSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...packages], { stdio: ["ignore", "ignore", "inherit"], env });
}
