/** Small filesystems in a file, mounted for one test process and unmounted when it ends. Only root can. */
import { spawnSync } from "node:child_process";
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hasCommand, isRoot } from "./skip.ts";
import { temporaryDirectory } from "./temp.ts";

export interface LoopFilesystem {
  /** Where it is mounted. */
  readonly path: string;
  /** The UUID it was made with. */
  readonly uuid: string;
}

/** The smallest that mkfs makes without complaint; the image is sparse. */
const MIB_LEAST = { ext2: 8, ext4: 8, xfs: 320, btrfs: 128 } as const;
/** ext2 with the small inodes of its first years, which have no room for a birth time. */
const UUID_OPTION = { ext2: ["-q", "-b", "4096", "-I", "128", "-U"], ext4: ["-q", "-b", "4096", "-U"], xfs: ["-q", "-m"], btrfs: ["-q", "-U"] } as const;

/** A fresh filesystem, mounted `at` a path of the caller's where one is given; or why there can be none here. */
export function loopFilesystem(type: keyof typeof MIB_LEAST, mib: number = MIB_LEAST[type], at?: string): LoopFilesystem | string {
  if (!isRoot) return "only root can mount";
  if (!hasCommand(`mkfs.${type}`)) return `there is no mkfs.${type}`;
  const folder = temporaryDirectory(`loop-${type}`);
  const [image, path] = [join(folder, "image"), at ?? join(folder, "mounted")];
  const uuid = crypto.randomUUID();
  writeFileSync(image, "");
  truncateSync(image, Math.max(mib, MIB_LEAST[type]) * 2 ** 20);
  mkdirSync(path, { recursive: true });
  const made = spawnSync(`mkfs.${type}`, [...UUID_OPTION[type], type === "xfs" ? `uuid=${uuid}` : uuid, image], { encoding: "utf8" });
  if (made.status !== 0) return `mkfs.${type} fails: ${made.stderr.trim()}`;
  const mounted = spawnSync("mount", ["-o", "loop", image, path], { encoding: "utf8" });
  if (mounted.status !== 0) return `mount fails: ${mounted.stderr.trim()}`;
  // Before the temporary directories are removed.
  process.prependListener("exit", () => spawnSync("umount", ["--lazy", path]));
  return { path, uuid };
}
