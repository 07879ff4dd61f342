/** The addon's XXH3; undefined where there is no addon, and then the rsync folder's own in plain TypeScript serves. */
import { assert } from "../../core/index.ts";
import type { StartXxh3 } from "../../rsync/index.ts";
import { loadAddon } from "./addon.ts";

const FREE_STATES_MAX = 8;

export function openXxh3(): StartXxh3 | undefined {
  const addon = loadAddon();
  if (typeof addon === "string") return undefined;
  const { xxh3StateBytes, xxh3Start, xxh3Update, xxh3Finish } = addon;
  const stateBytes = xxh3StateBytes();
  // A state for each of many small files would keep the collector busy: one that is done serves again.
  const free: Uint8Array[] = [];
  return (bits, seed) => {
    const state = free.pop() ?? new Uint8Array(new ArrayBuffer(stateBytes)); // Aligned, as the addon works on it in place.
    let isDone = false;
    assert(xxh3Start(state, seed) === 0, "the state has the addon's size");
    return {
      update: (bytes) => assert(!isDone && xxh3Update(state, bytes) === 0, "the state is sound"),
      digest: () => {
        const digest = Buffer.allocUnsafe(bits / 8);
        assert(!isDone && xxh3Finish(state, digest) === 0, "the state is sound, and its digest is taken once");
        isDone = true;
        if (free.length < FREE_STATES_MAX) free.push(state);
        return digest;
      },
    };
  };
}
