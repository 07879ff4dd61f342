/** The addon's decoder of zstd streams; undefined where there is no addon or the running Node shows no zstd. */
import type { OpenZstdStream } from "../../rsync/index.ts";
import { loadAddon } from "./addon.ts";

export function openZstdStreams(): OpenZstdStream | undefined {
  const addon = loadAddon();
  if (typeof addon === "string" || addon.ZstdDecoder === undefined) return undefined;
  const { ZstdDecoder } = addon;
  return () => {
    const decoder = new ZstdDecoder();
    return { decode: (from, into, counts) => decoder.decode(from, into, counts) === 0 };
  };
}
