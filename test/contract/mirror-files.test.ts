/** Runs the contract of MirrorFiles on the plain ones that the tests of the sync engine use. */
import { MemoryMirrorFiles } from "../support/memory-mirror-files.ts";
import { mirrorFilesContract } from "./mirror-files-contract.ts";

mirrorFilesContract({ name: "memory", make: async () => new MemoryMirrorFiles() });
