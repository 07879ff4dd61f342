/** The addon's zstd, with contexts that are kept; Node's own where there is no addon. */
import { nodeZstd } from "../../core/index.ts";
import type { Zstd } from "../../core/index.ts";
import { loadAddon } from "./addon.ts";

export function openZstd(): Zstd {
  const addon = loadAddon();
  if (typeof addon === "string" || addon.zstdDecompress === undefined) return nodeZstd;
  const { zstdDecompress } = addon;
  return {
    decompress: (stored, lengthBytes) => {
      const plain = Buffer.allocUnsafeSlow(lengthBytes);
      return zstdDecompress(stored, plain) === lengthBytes ? plain : undefined;
    },
    decompressInto: (stored, into) => zstdDecompress(stored, into) === into.length,
  };
}
