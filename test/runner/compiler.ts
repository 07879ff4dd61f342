/** As root on Debian and its kin, a missing compiler is installed from the system's packages, and that is said. */
import { spawnSync } from "node:child_process";

/** Returns false where this user or system cannot. Whether it worked, the build will tell. */
export function installCompiler(): boolean {
  if (process.getuid?.() !== 0 || spawnSync("apt-get", ["--version"], { stdio: "ignore" }).status !== 0) return false;
  console.log("installing g++ make python3 with apt-get, for the native addon ...");
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  spawnSync("apt-get", ["update", "-qq"], { stdio: ["ignore", "ignore", "inherit"], env });
  spawnSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", "g++", "make", "python3"], { stdio: ["ignore", "ignore", "inherit"], env });
  return true;
}
