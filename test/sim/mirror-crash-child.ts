/** Records facts of a mirror without end and says each call that was answered, until it is killed. Arguments: directory, round. */
import { existsSync, mkdirSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { ByteString, TimeUs } from "../../src/core/index.ts";
import { openLmdbEventStore } from "../../src/events/lmdb/index.ts";
import type { MirrorFact } from "../../src/projections/index.ts";
import { StoredMirror } from "../support/stored-mirror.ts";

const [, , directory = "", round = ""] = process.argv;
const isNew = !existsSync(join(directory, "events.lmdb"));
mkdirSync(directory, { recursive: true });
const store = await openLmdbEventStore({ path: join(directory, "events.lmdb"), create: isNew });
const { opened } = await StoredMirror.at(directory, store, isNew);
const files = await opened.files();

/** Call `index` makes a folder, touches a file of the folder before and takes that before it away. */
function factsOf(index: number): MirrorFact[] {
  const stamp = { mode: 0o644, mtimeSeconds: index, mtimeNanos: 0 };
  const path = (of: number, name: string): ByteString => `${round}/${of}/${name}` as ByteString;
  const place = { version: undefined, etag: `"${index}"` };
  const arrived = ["a", "b", "c"].map((name): MirrorFact => ({
    type: "FileArrived",
    path: path(index, name),
    kind: "file",
    ...stamp,
    sizeBytes: index,
    rdev: 0,
    digest: undefined,
    place,
  }));
  return [...arrived, { type: "AttributesSet", path: path(index - 1, "a"), ...stamp }, { type: "FileWithdrawn", path: path(index - 2, "b"), reason: "gone" }];
}

let next = 0;
async function work(): Promise<void> {
  for (;;) {
    const index = next++;
    await files.record(factsOf(index));
    if (index % 7 === 0) await files.deletions.add([`${round}/${index}` as ByteString], index as TimeUs);
    if (index % 50 === 0) await opened.machine.projection.buildTree();
    writeSync(1, `${index}\n`); // Synchronous: said before the next step.
  }
}

console.log("READY");
await Promise.all([work(), work(), work()]);
