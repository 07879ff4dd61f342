/** Runs the contract of MirrorFiles on the plain ones that the tests of the sync engine use, and on the real ones. */
import type { MirrorFiles } from "../../src/projections/index.ts";
import { MemoryMirrorFiles } from "../support/memory-mirror-files.ts";
import { StoredMirror } from "../support/stored-mirror.ts";
import { mirrorFilesContract } from "./mirror-files-contract.ts";

mirrorFilesContract({ name: "memory", make: async () => new MemoryMirrorFiles() });

const mirrors = new Map<MirrorFiles, StoredMirror>();

async function filesOf(mirror: StoredMirror): Promise<MirrorFiles> {
  const files = await mirror.opened.files();
  mirrors.set(files, mirror);
  return files;
}

mirrorFilesContract({
  name: "events and trees",
  make: async () => filesOf(await StoredMirror.make()),
  reopen: async (files) => {
    const mirror = mirrors.get(files)!;
    await mirror.reopen();
    return filesOf(mirror);
  },
});
