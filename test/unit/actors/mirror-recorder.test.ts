/** The recorder of a mirror when something beside it fails: nothing more is taken, the mirror says so, and its next opening goes on. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isRainbowError, RainbowError } from "../../../src/core/index.ts";
import type { ByteString, ErrorCode } from "../../../src/core/index.ts";
import { MemoryEventStore } from "../../../src/events/index.ts";
import type { MirrorFact, MirrorFiles, RememberedSums } from "../../../src/projections/index.ts";
import { StoredMirror } from "../../support/stored-mirror.ts";

const path = "a" as ByteString;
const place = { version: undefined, etag: "e" };
const arrived: MirrorFact = {
  type: "FileArrived",
  path,
  kind: "file",
  mode: 0o644,
  mtimeSeconds: 1,
  mtimeNanos: 0,
  sizeBytes: 3,
  rdev: 0,
  digest: undefined,
  place,
};
const touched: MirrorFact = { type: "AttributesSet", path, mode: 0o600, mtimeSeconds: 2, mtimeNanos: 0 };
const sums: RememberedSums = {
  digest: "md5",
  seed: 1,
  blockBytes: 700,
  remainderBytes: 3,
  strongBytes: 2,
  blockCount: 1,
  sums: Buffer.alloc(6),
  offsets: undefined,
};

async function rejects(work: Promise<unknown>, code: ErrorCode): Promise<void> {
  const error = await work.then(
    () => "nothing",
    (reason: unknown) => reason,
  );
  assert.ok(isRainbowError(error, code), String(error));
}

async function timeOf(files: MirrorFiles): Promise<number | undefined> {
  const list = await files.list();
  const entry = list.entry(path);
  list.close();
  return entry?.mtimeSeconds;
}

const test = suite("the recorder of a mirror");

test("a fact whose late attributes cannot be noted is not recorded, and sums that cannot be forgotten keep their file as it is", async () => {
  for (const fact of [touched, arrived]) {
    const mirror = await StoredMirror.make();
    let files = await mirror.opened.files();
    await files.record([arrived]);
    files.sums.remember(path, { sizeBytes: 3, mtimeSeconds: 1, mtimeNanos: 0 }, sums);
    await files.sums.flush();
    mirror.isMemoryFull = true;
    await rejects(files.record([fact]), "DISK_FULL");
    assert.ok(isRainbowError(mirror.failure, "DISK_FULL"), "the mirror says that it is to be opened anew");
    await rejects(files.record([arrived]), "NOT_RUNNING");
    assert.is(await timeOf(files), 1);
    mirror.isMemoryFull = false;
    await mirror.reopen();
    files = await mirror.opened.files();
    assert.equal(files.sums.of({ path, sizeBytes: 3 }), sums);
    await files.record([fact]);
    assert.is(await timeOf(files), fact === touched ? 2 : 1);
    await mirror.opened.close();
  }
});

test("a session that cannot be opened is tried anew by the next opening", async () => {
  const store = new MemoryEventStore();
  const mirror = await StoredMirror.make({ store });
  const append = store.append.bind(store);
  store.append = () => Promise.reject(new RainbowError("STORE_UNREACHABLE", "the event store is away"));
  await rejects(mirror.opened.files(), "STORE_UNREACHABLE");
  assert.ok(isRainbowError(mirror.failure, "STORE_UNREACHABLE"));
  store.append = append;
  await mirror.reopen();
  await (await mirror.opened.files()).record([arrived]);
  await mirror.opened.close();
});

test("a later opening shuts out the recorder of before", async () => {
  const store = new MemoryEventStore();
  const before = await StoredMirror.make({ store });
  const old = await before.opened.files();
  await old.record([arrived]);
  const after = await StoredMirror.make({ store });
  const files = await after.opened.files();
  await rejects(old.record([touched]), "REVISION_CONFLICT");
  await rejects(old.record([touched]), "NOT_RUNNING");
  assert.is(await timeOf(files), 1);
  await files.record([touched]);
  assert.is(await timeOf(files), 2);
  await after.opened.close();
  await before.opened.close();
});

test.run();
