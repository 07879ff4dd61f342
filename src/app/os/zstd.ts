/** The addon's zstd, with contexts that are kept; Node's own where there is no addon. */
import { CHUNK_BYTES_MAX, nodeZstd } from "../../core/index.ts";
import type { Zstd } from "../../core/index.ts";
import { loadAddon } from "./addon.ts";

const LEVEL = 1;
const SCRATCH_BYTES = CHUNK_BYTES_MAX + 1024; // A frame adds a few bytes to what does not compress.

export function openZstd(): Zstd {
  const addon = loadAddon();
  if (typeof addon === "string") return nodeZstd;
  const { zstdCompress, zstdDecompress } = addon;
  if (zstdCompress === undefined || zstdDecompress === undefined) return nodeZstd;
  const scratch = Buffer.alloc(SCRATCH_BYTES);
  return {
    compress: (bytes) => {
      const size = zstdCompress(bytes, scratch, LEVEL);
      return size > 0 ? scratch.subarray(0, size) : nodeZstd.compress(bytes);
    },
    decompress: (stored, lengthBytes) => {
      const plain = Buffer.allocUnsafeSlow(lengthBytes);
      return zstdDecompress(stored, plain) === lengthBytes ? plain : undefined;
    },
    decompressInto: (stored, into) => zstdDecompress(stored, into) === into.length,
  };
}
