/** What is mounted where, from /proc/self/mountinfo; a filesystem's UUID from /dev/disk/by-uuid. proc(5) has the formats. */
import { readdirSync, readFileSync, realpathSync, statfsSync } from "node:fs";
import type { ByteString, FilesystemInfo } from "../../core/index.ts";
import { byteStringOf, bytesOf } from "../../core/index.ts";
import { asOsError } from "./failure.ts";

interface Mount {
  readonly mountPoint: ByteString;
  readonly type: string;
  readonly source: ByteString;
  readonly readOnly: boolean;
}

/** Every mount, in the order they were made: of two on one directory the later one is seen. [] where there is no /proc. */
function readMounts(): Mount[] {
  let text: string;
  try {
    text = readFileSync("/proc/self/mountinfo", "latin1");
  } catch {
    return []; // Another system than Linux: the walk then knows no borders but device numbers.
  }
  return text.split("\n").flatMap((line) => mountOf(line) ?? []);
}

/** `36 35 98:0 /root /mount/point rw,noatime master:1 - ext4 /dev/root rw,errors=continue`; optional fields end at the dash. */
function mountOf(line: string): Mount | undefined {
  const [before, after] = line.split(" - ", 2);
  const [, , , , mountPoint, options] = before?.split(" ") ?? [];
  const [type, source, superOptions] = after?.split(" ") ?? [];
  if (mountPoint === undefined || type === undefined) return undefined;
  const readOnly = [...(options ?? "").split(","), ...(superOptions ?? "").split(",")].includes("ro");
  return { mountPoint: unescape(mountPoint), type, source: unescape(source ?? ""), readOnly };
}

/** Space, tab, newline and backslash are written as \ooo. */
function unescape(field: string): ByteString {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))) as ByteString;
}

export function mountPoints(): ByteString[] {
  return [...new Set(readMounts().map((mount) => mount.mountPoint))];
}

/** `uuidOf` is the kernel's own answer where the addon is there; "" where it has none. */
export function filesystemOf(path: ByteString, uuidOf: (path: ByteString) => string): FilesystemInfo {
  return asOsError("statfs", path, () => {
    const real = byteStringOf(realpathSync(bytesOf(path), { encoding: "buffer" }));
    const statfs = statfsSync(bytesOf(path));
    const mount = mountContaining(real);
    return {
      type: mount?.type ?? "unknown",
      mountPoint: mount?.mountPoint ?? ("/" as ByteString),
      uuid: uuidBySource(mount?.source, uuidOf(path)),
      freeBytes: statfs.bavail * statfs.bsize,
      totalBytes: statfs.blocks * statfs.bsize,
      readOnly: mount?.readOnly ?? false,
    };
  });
}

function mountContaining(path: ByteString): Mount | undefined {
  let found: Mount | undefined;
  for (const mount of readMounts()) {
    const prefix = mount.mountPoint === "/" ? "/" : `${mount.mountPoint}/`;
    const contains = path === mount.mountPoint || path.startsWith(prefix);
    if (contains && mount.mountPoint.length >= (found?.mountPoint.length ?? 0)) found = mount;
  }
  return found;
}

/** A real UUID of the kernel wins, then udev's link for the device, then the kernel's "fsid:…", which may change at a reboot. */
function uuidBySource(source: ByteString | undefined, kernelUuid: string): string {
  if (kernelUuid !== "" && !kernelUuid.startsWith("fsid:")) return kernelUuid;
  try {
    const device = realpathSync(bytesOf(source ?? ("" as ByteString)), { encoding: "buffer" });
    const link = readdirSync("/dev/disk/by-uuid").find((name) => device.equals(realpathSync(`/dev/disk/by-uuid/${name}`, { encoding: "buffer" })));
    return link ?? kernelUuid;
  } catch {
    return kernelUuid; // No such device file ("tmpfs", "host:/export"), or no udev (containers).
  }
}
