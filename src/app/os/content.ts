/** The addon's calls on the content of files; undefined where there is no addon, or it lacks them. */
import { assert } from "../../core/index.ts";
import type { ContentCalls } from "../../core/index.ts";
import { loadAddon } from "./addon.ts";

const LEVEL = 1;

export function openContentCalls(): ContentCalls | undefined {
  const addon = loadAddon();
  if (typeof addon === "string") return undefined;
  const { hashBlocks, packChunks } = addon;
  if (hashBlocks === undefined || packChunks === undefined) return undefined;
  return {
    hashBlocks: (bytes, seed, into) => assert(hashBlocks(bytes, seed, into) === 0, "blocks can be hashed"),
    packChunks: (bytes, pieces, key, into, { hashes, words }) => {
      const count = packChunks(bytes, pieces, key, LEVEL, into, hashes, words);
      assert(count >= 0, "pieces can be packed");
      return count;
    },
  };
}
