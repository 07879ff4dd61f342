/**
 * The Os and Disk ports on this machine. openOs() takes the addon of native/ where it is built and loads, else node:fs alone;
 * chooseOs() also says why. Not for walking trees or for policy: see src/capture.
 */
export { chooseOs, openOs } from "./choice.ts";
export type { OsChoice, OsOptions } from "./choice.ts";
export { openContentCalls } from "./content.ts";
export { openDisk } from "./disk.ts";
export { openPeer } from "./peer.ts";
export { openXxh3 } from "./xxh3.ts";
export { openZstd } from "./zstd.ts";
export { openZstdStreams } from "./zstd-stream.ts";
