/** The addon's XXH3; undefined where there is no addon, and then the rsync folder's own in plain TypeScript serves. */
import { assert } from "../../core/index.ts";
import type { StartXxh3 } from "../../rsync/index.ts";
import { loadAddon } from "./addon.ts";

export function openXxh3(): StartXxh3 | undefined {
  const addon = loadAddon();
  if (typeof addon === "string") return undefined;
  const { xxh3StateBytes, xxh3Start, xxh3Update, xxh3Finish } = addon;
  const stateBytes = xxh3StateBytes();
  return (bits, seed) => {
    const state = new Uint8Array(new ArrayBuffer(stateBytes)); // Aligned, as the addon works on it in place.
    assert(xxh3Start(state, seed) === 0, "the state has the addon's size");
    return {
      update: (bytes) => assert(xxh3Update(state, bytes) === 0, "the state is sound"),
      digest: () => {
        const digest = Buffer.alloc(bits / 8);
        assert(xxh3Finish(state, digest) === 0, "the state is sound");
        return digest;
      },
    };
  };
}
