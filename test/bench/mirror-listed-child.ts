/**
 * A process that compares a list of so many files, as a server lists them directory by directory, with a mirror that has none of them:
 * a dry run. The server is written down here, and said as it is read. Argument: a count of files. Prints what was listed.
 */
import { SYNC_OPTIONS, syncMirror } from "../../src/actors/mirror/index.ts";
import type { Dial } from "../../src/actors/mirror/index.ts";
import { openOs, openXxh3 } from "../../src/app/os/index.ts";
import { systemClock, systemRandom } from "../../src/app/platform.ts";
import type { ByteString } from "../../src/core/index.ts";
import { openDirectoryStore } from "../../src/objects/directory/index.ts";
import { openDigests } from "../../src/rsync/index.ts";
import { bytePath } from "../support/compare-trees.ts";
import { directory, file, ROOT_ENTRY, WrittenScript } from "../support/rsync-script.ts";
import { StoredMirror } from "../support/stored-mirror.ts";
import { temporaryDirectory } from "../support/temp.ts";

const FILES_PER_DIRECTORY = 1000;
const directoryCount = Math.ceil(Number(process.argv[2]) / FILES_PER_DIRECTORY);

const pathOf = (place: number): string => `pool${String(place).padStart(6, "0")}`;

/** What the server says, a list at a time. */
function* lists(): Generator<Buffer, void> {
  const script = new WrittenScript({ isIncremental: true });
  script.open().list([ROOT_ENTRY, ...Array.from({ length: directoryCount }, (_, place) => directory(pathOf(place)))]);
  yield* script.pieces.splice(0);
  for (let place = 0; place < directoryCount; place++) {
    const files = Array.from({ length: FILES_PER_DIRECTORY }, (_, i) => file(`${pathOf(place)}/package-${String(i).padStart(4, "0")}_1.0-1_amd64.deb`, 4096));
    script.index(-102 - place).list(files);
    yield* script.pieces.splice(0);
  }
  script.index(-2).finish(directoryCount + 3);
  yield* script.pieces.splice(0);
}

const dial: Dial = () => {
  const said = lists();
  return Promise.resolve({ read: () => Promise.resolve(said.next().value ?? undefined), write: () => undefined, close: () => undefined });
};

const mirror = await StoredMirror.make();
const store = openDirectoryStore({ path: bytePath(temporaryDirectory("listed")), os: openOs(), random: systemRandom() });
const parts = {
  dial,
  clock: systemClock(),
  store,
  files: await mirror.opened.files(),
  digests: await openDigests(openXxh3()),
  openZstdStream: undefined,
  source: { address: { host: "", port: 0, family: undefined, localAddress: undefined }, module: "m", path: "" as ByteString, login: undefined },
  memory: { seed: 77, refusesSeed: false, hasTidied: true },
};
const watcher = { phase: () => undefined, item: () => undefined, message: () => undefined };
const { counts } = await syncMirror(parts, { ...SYNC_OPTIONS, dryRun: true }, "benchmark", watcher, new AbortController().signal);
await store.close();
await mirror.opened.close();
console.log(JSON.stringify(counts));
