/** Modes and times that changed alone are written to the objects late: once, whole, and never over what others put there. */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { writeLateAttributes } from "../../../src/actors/mirror-files/index.ts";
import { openOs } from "../../../src/app/os/index.ts";
import { systemRandom } from "../../../src/app/platform.ts";
import { byteStringOfText } from "../../../src/core/index.ts";
import type { ByteString } from "../../../src/core/index.ts";
import { openDirectoryStore } from "../../../src/objects/directory/index.ts";
import type { ObjectStore } from "../../../src/objects/index.ts";
import type { LateFile } from "../../../src/projections/index.ts";
import { MemoryMirrorFiles } from "../../support/memory-mirror-files.ts";
import { temporaryDirectory } from "../../support/temp.ts";

const test = suite("mirror: late attributes");
const PATH = byteStringOfText("f");
const ALL = "" as ByteString;

interface World {
  readonly top: string;
  readonly store: ObjectStore;
  readonly files: MemoryMirrorFiles;
  readonly late: readonly LateFile[];
}

/** A stored file whose time changed upstream, and in the list alone. */
async function world(): Promise<World> {
  const top = temporaryDirectory("objects");
  const store = openDirectoryStore({ path: byteStringOfText(top), os: openOs(), random: systemRandom() });
  const files = new MemoryMirrorFiles();
  const stamp = { mode: 0o644, mtimeSeconds: 1000, mtimeNanos: 0 };
  const metadata = { kind: "file", ...stamp, linkTarget: undefined, digest: undefined } as const;
  const [place] = await store.put([{ key: PATH, metadata, bytes: Buffer.from("content") }]);
  await files.record([{ type: "FileArrived", path: PATH, kind: "file", ...stamp, sizeBytes: 7, rdev: 0, digest: undefined, place }]);
  await files.record([{ type: "AttributesSet", path: PATH, mode: 0o600, mtimeSeconds: 2000, mtimeNanos: 0 }]);
  return { top, store, files, late: files.lateAttributes.some(ALL, 10) };
}

const facts = ({ top, files }: World): unknown[] => {
  const { mode, mtimeMs } = statSync(join(top, "f"));
  return [mode & 0o777, mtimeMs, files.lateAttributes.some(ALL, 10).length, readFileSync(join(top, "f"), "utf8")];
};

test("they are written, and nothing is late any more", async () => {
  const made = await world();
  assert.is(made.late.length, 1);
  assert.is(await writeLateAttributes(made.files, made.store, made.late), 1);
  assert.equal(facts(made), [0o600, 2_000_000, 0, "content"]);
  const list = await made.files.list();
  const found = await made.store.head({ key: PATH, kind: "file" });
  assert.equal(list.entry(PATH)?.place, found?.place);
  assert.is(list.entry(PATH)?.mtimeSeconds, 2000);
});

test("where they were written and a crash kept the fact of it back, it is recorded the next time", async () => {
  const made = await world();
  await made.store.setMetadata(PATH, { kind: "file", mode: 0o600, mtimeSeconds: 2000, mtimeNanos: 0, linkTarget: undefined, digest: undefined });
  assert.is(await writeLateAttributes(made.files, made.store, made.late), 1);
  assert.equal(facts(made), [0o600, 2_000_000, 0, "content"]);
});

test("what others replaced, or took away, is left as it is", async () => {
  const replaced = await world();
  await replaced.store.put([
    {
      key: PATH,
      metadata: { kind: "file", mode: 0o644, mtimeSeconds: 5, mtimeNanos: 0, linkTarget: undefined, digest: undefined },
      bytes: Buffer.from("another"),
    },
  ]);
  assert.is(await writeLateAttributes(replaced.files, replaced.store, replaced.late), 0);
  assert.equal(facts(replaced), [0o644, 5000, 1, "another"]);
  const grown = await world();
  writeFileSync(join(grown.top, "f"), "grown content");
  assert.is(await writeLateAttributes(grown.files, grown.store, grown.late), 0);
  const gone = await world();
  await gone.store.delete([{ key: PATH, kind: "file" }]);
  assert.is(await writeLateAttributes(gone.files, gone.store, gone.late), 0);
  await gone.files.record([{ type: "FileWithdrawn", path: PATH, reason: "gone" }]);
  assert.is(await writeLateAttributes(gone.files, gone.store, gone.late), 0);
});

test("attributes that change meanwhile stay late, until they are written too", async () => {
  const made = await world();
  await made.files.record([{ type: "AttributesSet", path: PATH, mode: 0o640, mtimeSeconds: 3000, mtimeNanos: 0 }]);
  await writeLateAttributes(made.files, made.store, made.late);
  await writeLateAttributes(made.files, made.store, made.files.lateAttributes.some(ALL, 10));
  assert.equal(facts(made), [0o640, 3_000_000, 0, "content"]);
});

test.run();
