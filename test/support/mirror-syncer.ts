/**
 * A process that syncs a mirror once, with events and trees as the host has them. Arguments: port, module, target (a directory, or
 * s3://BUCKET of the server that the environment names), directory of the mirror, connections (1 where none is given), from which size on
 * files go over lanes, all of them then, the rate in bytes a second, and how many bytes of a file lie between two checkpoints. Prints what
 * it did, and its phases on stderr.
 */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { SYNC_OPTIONS, syncMirror } from "../../src/actors/mirror/index.ts";
import type { BrokenUpload, SyncMemory } from "../../src/actors/mirror/index.ts";
import { readBrokenUploads, writeBrokenUploads } from "../../src/app/mirroring/broken-uploads-file.ts";
import { openOs, openXxh3 } from "../../src/app/os/index.ts";
import { systemClock, systemRandom } from "../../src/app/platform.ts";
import { dialTcp } from "../../src/app/rsync-wire.ts";
import type { ByteString } from "../../src/core/index.ts";
import { openLmdbEventStore } from "../../src/events/lmdb/index.ts";
import type { ObjectStore } from "../../src/objects/index.ts";
import { openDirectoryStore } from "../../src/objects/directory/index.ts";
import { openS3Store } from "../../src/objects/s3/index.ts";
import { openDigests } from "../../src/rsync/index.ts";
import { bytePath } from "./compare-trees.ts";
import { StoredMirror } from "./stored-mirror.ts";

const [port, module, target, directory, ...more] = process.argv.slice(2) as [string, string, string, string, ...string[]];
const [connections, laneFileBytes, bytesPerSecond, checkpointBytes] = more;
const isNew = !existsSync(directory);
mkdirSync(directory, { recursive: true });
const events = await openLmdbEventStore({ path: join(directory, "events.lmdb"), create: isNew });
const mirror = await StoredMirror.at(directory, events, isNew);
const store = await storeAt(target);
const brokenUploads = join(directory, "broken-uploads.json");
const memory: SyncMemory = { seed: 77, refusesSeed: false, hasTidied: false, brokenUploads: readBrokenUploads(brokenUploads) };
const parts = {
  dial: dialTcp,
  clock: systemClock(),
  store,
  files: await mirror.opened.files(),
  digests: await openDigests(openXxh3()),
  openZstdStream: undefined,
  source: { address: { host: "127.0.0.1", port: Number(port), family: undefined, localAddress: undefined }, module, path: "" as ByteString, login: undefined },
  memory,
  checkpoints: {
    everyBytes: checkpointBytes === undefined ? 256 << 20 : Number(checkpointBytes),
    keep: async (uploads: readonly BrokenUpload[]) => writeBrokenUploads(brokenUploads, uploads),
  },
};
const watcher = { phase: (phase: string) => console.error(phase), item: () => undefined, message: () => undefined };
const laneLimits = laneFileBytes === undefined ? {} : { fileBytesMin: Number(laneFileBytes), mainBytes: 0 };
const options = {
  ...SYNC_OPTIONS,
  maxDelete: Infinity,
  connections: Number(connections ?? 1),
  laneLimits: { ...SYNC_OPTIONS.laneLimits, ...laneLimits },
  bytesPerSecondMax: bytesPerSecond === undefined ? undefined : Number(bytesPerSecond),
};
const { counts, heldBecause } = await syncMirror(parts, options, "benchmark", watcher, new AbortController().signal);
writeBrokenUploads(brokenUploads, memory.brokenUploads ?? []);
await store.close();
await mirror.opened.close();
await events.close();
console.log(JSON.stringify({ ...counts, heldBecause }));

async function storeAt(place: string): Promise<ObjectStore> {
  if (place.startsWith("s3://")) return await openS3Store({ bucket: place.slice("s3://".length), prefix: "", create: true, versioning: undefined });
  mkdirSync(place, { recursive: true });
  return openDirectoryStore({ path: bytePath(place), os: openOs(), random: systemRandom() });
}
