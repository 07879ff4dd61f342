/** What every ObjectStore does, as one suite. A store is given as a harness, so that it can be opened again after a crash. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { byteStringOfText, isRainbowError } from "../../src/core/index.ts";
import type { ByteString, ErrorCode } from "../../src/core/index.ts";
import type { ByteRange, NewObject, ObjectMetadata, ObjectPlace, ObjectStore, StoredObject, Upload } from "../../src/objects/index.ts";
import { skipped } from "../support/skip.ts";

export interface ObjectStoreHarness {
  readonly name: string;
  /** An empty store of its own. */
  make(): Promise<ObjectStore>;
  /** The same place once more, as after a crash of the process that had `store`. */
  reopen(store: ObjectStore): Promise<ObjectStore>;
  stop(): Promise<void>;
}

const MIB = 2 ** 20;
export const key = (text: string): ByteString => byteStringOfText(text);

export const metadata = (values: Partial<ObjectMetadata> = {}): ObjectMetadata => ({
  kind: "file",
  mode: 0o644,
  mtimeSeconds: 1_700_000_000,
  mtimeNanos: 123_456_789,
  linkTarget: undefined,
  digest: undefined,
  ...values,
});

export const file = (name: string, content: string | Uint8Array, values: Partial<ObjectMetadata> = {}): NewObject => ({
  key: key(name),
  metadata: metadata(values),
  bytes: typeof content === "string" ? Buffer.from(content) : content,
});

export const symlink = (name: string, target: string): NewObject => ({
  key: key(name),
  metadata: metadata({ kind: "symlink", mode: 0o777, linkTarget: key(target) }),
  bytes: Buffer.alloc(0),
});

export const directory = (name: string, mode = 0o755): NewObject => ({
  key: key(name),
  metadata: metadata({ kind: "directory", mode }),
  bytes: Buffer.alloc(0),
});

export async function contentOf(store: ObjectStore, name: string, options: { range?: ByteRange; place?: ObjectPlace } = {}): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of store.read(key(name), options)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

export async function listed(store: ObjectStore, below?: string): Promise<StoredObject[]> {
  const all: StoredObject[] = [];
  for await (const page of store.list(below === undefined ? {} : { below: key(below) })) all.push(...page);
  return all;
}

export async function rejects(promise: Promise<unknown>, ...codes: ErrorCode[]): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(isRainbowError(error, ...codes), `expected ${codes.join(" or ")}, got ${String(error)}`);
}

/** Bytes that tell where they lie. */
export function numbered(byteCount: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(byteCount);
  for (let at = 0; at + 4 <= byteCount; at += 4) bytes.writeUInt32LE((at * 2654435761 + seed * 40503) >>> 0, at);
  return bytes;
}

async function begun(store: ObjectStore, name: string, content: Buffer, pieceBytes = 100_000): Promise<Upload> {
  const upload = await store.begin({ key: key(name), metadata: metadata(), sizeBytes: content.length });
  await written(upload, content, pieceBytes);
  return upload;
}

async function written(upload: Upload, content: Buffer, pieceBytes: number): Promise<void> {
  const piece = Buffer.alloc(pieceBytes);
  for (let at = 0; at < content.length; at += pieceBytes) {
    const count = content.copy(piece, 0, at);
    const more = upload.write(piece.subarray(0, count));
    if (more !== undefined) await more;
    piece.fill(0xee); // It may be used again.
  }
}

type Cases = ReturnType<typeof suite>;

export function objectStoreContract(harness: ObjectStoreHarness): void {
  const cases = suite(`object store: ${harness.name}`);
  wholeCases(cases, harness);
  nameCases(cases, harness);
  uploadCases(cases, harness);
  resumeCases(cases, harness);
  copyCases(cases, harness);
  listCases(cases, harness);
  metadataCases(cases, harness);
  deletionCases(cases, harness);
  cases.after(() => harness.stop());
  cases.run();
}

function wholeCases(cases: Cases, { make }: ObjectStoreHarness): void {
  cases("what is put is read back, whole and in parts, with mode and time to the nanosecond", async () => {
    const store = await make();
    const [place] = await store.put([file("a/b.txt", "hello world", { mode: 0o4751, mtimeSeconds: -86_400, mtimeNanos: 1 })]);
    assert.is((await contentOf(store, "a/b.txt")).toString(), "hello world");
    assert.is((await contentOf(store, "a/b.txt", { range: { offsetBytes: 6, lengthBytes: 3 } })).toString(), "wor");
    assert.is((await contentOf(store, "a/b.txt", { range: { offsetBytes: 6, lengthBytes: 300 } })).toString(), "world");
    assert.is((await contentOf(store, "a/b.txt", { range: { offsetBytes: 11, lengthBytes: 3 } })).toString(), "");
    const found = await store.head({ key: key("a/b.txt"), kind: "file" });
    assert.equal(found?.place, place);
    assert.is(found?.sizeBytes, 11);
    assert.equal({ ...found?.metadata, digest: undefined }, metadata({ mode: 0o4751, mtimeSeconds: -86_400, mtimeNanos: 1 }));
    await store.settle();
    await store.close();
  });

  cases("an empty file is a file, and a time after 2038 is kept", async () => {
    const store = await make();
    await store.put([file("empty", "", { mtimeSeconds: 4_102_444_800, mtimeNanos: 0 })]);
    const found = await store.head({ key: key("empty"), kind: "file" });
    assert.equal([found?.kind, found?.sizeBytes, found?.metadata?.mtimeSeconds], ["file", 0, 4_102_444_800]);
    assert.is((await contentOf(store, "empty")).length, 0);
    await store.close();
  });

  cases("many objects in one call get their places in order, and later ones win", async () => {
    const store = await make();
    const objects = Array.from({ length: 120 }, (_, i) => file(`many/${i % 100}`, `content ${i}`));
    const places = await store.put(objects.slice(0, 100));
    await store.put(objects.slice(100));
    assert.is(places.length, 100);
    assert.is((await contentOf(store, "many/7")).toString(), "content 107");
    assert.is((await contentOf(store, "many/70", { place: places[70]! })).toString(), "content 70");
    await store.close();
  });

  cases("replaced content is another place: the old one is read by its version or refused, never mixed up", async () => {
    const store = await make();
    const [old] = await store.put([file("f", "first")]);
    const [now] = await store.put([file("f", "second")]);
    assert.not.equal(old, now);
    assert.is((await contentOf(store, "f", { place: now! })).toString(), "second");
    if (store.features.keepsVersions) assert.is((await contentOf(store, "f", { place: old! })).toString(), "first");
    else await rejects(contentOf(store, "f", { place: old! }), "OBJECT_CHANGED");
    await store.close();
  });

  cases("what is not there is undefined for head and an error for read", async () => {
    const store = await make();
    assert.is(await store.head({ key: key("none"), kind: "file" }), undefined);
    assert.is(await store.head({ key: key("none/deeper"), kind: "directory" }), undefined);
    await rejects(contentOf(store, "none"), "OBJECT_CHANGED");
    await rejects(contentOf(store, "none/deeper"), "OBJECT_CHANGED");
    await rejects(store.setMetadata(key("none"), metadata()), "OBJECT_CHANGED");
    await store.close();
  });
}

function nameCases(cases: Cases, { make }: ObjectStoreHarness): void {
  const bytes = (text: string): ByteString => text as ByteString;
  const odd = ["with space", "plus+percent%41&=?#", "über/ñandú/日本語", `${"n".repeat(250)}`, "tab\tand\nnewline", 'quote"and\\back', "a.b..c/...d", "%"].map(
    key,
  );
  const names = [...odd, bytes("latin\xe4\xff"), bytes("\xfe/\x80\x81/x"), bytes("del\x7f\x01"), key(`${"d".repeat(200)}/`.repeat(7) + "deep")];

  cases("names of every kind are kept byte by byte", async () => {
    const store = await make();
    await store.put(names.map((name, i) => ({ key: name, metadata: metadata(), bytes: Buffer.from(`content ${i}`) })));
    for (const [i, name] of names.entries()) {
      const pieces: Buffer[] = [];
      for await (const piece of store.read(name)) pieces.push(Buffer.from(piece));
      assert.is(Buffer.concat(pieces).toString(), `content ${i}`, JSON.stringify(name));
    }
    const found = (await listed(store)).filter((object) => object.kind === "file").map((object) => object.key);
    assert.equal(found, [...names].sort());
    const failed = await store.delete(names.map((name) => ({ key: name, kind: "file" as const })));
    assert.equal(failed, []);
    assert.equal(
      (await listed(store)).filter((object) => object.kind === "file"),
      [],
    );
    await store.close();
  });

  cases("what is no path below the store is refused, whatever asks for it", async () => {
    const store = await make();
    for (const bad of ["", "/etc", "a/../b", "..", "a//b", "a/", "./a", "a/.", "nul\0", "x".repeat(4096)].map(bytes)) {
      await rejects(store.put([{ key: bad, metadata: metadata(), bytes: Buffer.alloc(0) }]), "TARGET_REFUSED");
      await rejects(store.begin({ key: bad, metadata: metadata(), sizeBytes: 1 }), "TARGET_REFUSED");
      await rejects(store.head({ key: bad, kind: "file" }), "TARGET_REFUSED");
      await rejects(store.delete([{ key: bad, kind: "file" }]), "TARGET_REFUSED");
    }
    assert.equal(await listed(store), []);
    await store.close();
  });
}

function uploadCases(cases: Cases, { make }: ObjectStoreHarness): void {
  cases("an upload is not visible until it is complete, and then whole; what was there stays readable until then", async () => {
    const store = await make();
    const content = numbered(17 * MIB + 13);
    await store.put([file("big", "before")]);
    const upload = await begun(store, "big", content);
    assert.is(upload.writtenBytes, content.length);
    assert.is((await contentOf(store, "big")).toString(), "before");
    assert.equal(
      (await listed(store)).map((object) => object.key),
      ["big"],
    );
    const place = await upload.complete(metadata({ mode: 0o600 }));
    await store.settle();
    assert.ok((await contentOf(store, "big")).equals(content));
    const found = await store.head({ key: key("big"), kind: "file" });
    assert.equal([found?.place, found?.sizeBytes, found?.metadata?.mode], [place, content.length, 0o600]);
    await store.close();
  });

  cases("an upload without a byte, one that stays small and one that is bigger than expected are complete as well", async () => {
    const store = await make();
    for (const [name, size] of [
      ["none", 0],
      ["small", 1000],
      ["grown", 9 * MIB],
    ] as const) {
      const upload = await store.begin({ key: key(`sub/${name}`), metadata: metadata(), sizeBytes: 500 });
      await written(upload, numbered(size), MIB);
      await upload.complete(metadata());
      assert.ok((await contentOf(store, `sub/${name}`)).equals(numbered(size)), name);
    }
    await store.close();
  });

  cases("an aborted upload leaves what was there", async () => {
    const store = await make();
    await store.put([file("f", "before")]);
    const upload = await begun(store, "f", numbered(9 * MIB));
    await upload.abort();
    await upload.abort();
    assert.is((await contentOf(store, "f")).toString(), "before");
    assert.is(await store.abortUnfinished(new Set()), 0);
    await store.close();
  });
}

function resumeCases(cases: Cases, { make, reopen }: ObjectStoreHarness): void {
  cases("a suspended upload goes on where the store says, or before where that is wanted, and ends as if it had never stopped", async () => {
    const store = await make();
    const content = numbered(21 * MIB);
    const upload = await begun(store, "f", content.subarray(0, 13 * MIB));
    await upload.suspend();
    const again = await reopen(store);
    const resumed = await again.resume(upload.token, { key: key("f"), metadata: metadata(), sizeBytes: content.length }, 11 * MIB);
    assert.ok(resumed !== undefined);
    assert.ok(resumed.writtenBytes > 0 && resumed.writtenBytes <= 11 * MIB, `${resumed.writtenBytes} bytes are kept`);
    await written(resumed, content.subarray(resumed.writtenBytes), MIB);
    await resumed.complete(metadata());
    assert.ok((await contentOf(again, "f")).equals(content));
    assert.is(await again.resume(upload.token, { key: key("f"), metadata: metadata(), sizeBytes: 1 }), undefined);
    await again.close();
  });

  cases("uploads of a run that died are forgotten, all but those that are to be resumed", async () => {
    const store = await make();
    const left = await begun(store, "left", numbered(9 * MIB));
    const spared = await begun(store, "deep/spared", numbered(9 * MIB));
    await spared.suspend();
    const again = await reopen(store);
    assert.is(await again.abortUnfinished(new Set([spared.token])), 1);
    assert.is(await again.abortUnfinished(new Set([spared.token])), 0);
    const resume = (upload: Upload, name: string): Promise<Upload | undefined> =>
      again.resume(upload.token, { key: key(name), metadata: metadata(), sizeBytes: 9 * MIB });
    assert.is(await resume(left, "left"), undefined);
    const resumed = await resume(spared, "deep/spared");
    assert.ok(resumed !== undefined);
    await resumed.abort();
    assert.equal(await listed(again), []);
    await again.close();
  });
}

function copyCases(cases: Cases, { make }: ObjectStoreHarness): void {
  cases("ranges of a stored file and new bytes make a new file, over the same key too", async () => {
    const store = await make();
    const old = numbered(24 * MIB, 1);
    const place = await (await begun(store, "f", old, MIB)).complete(metadata());
    const upload = await store.begin({ key: key("f"), metadata: metadata(), sizeBytes: old.length });
    const expected: Buffer[] = [];
    const fresh = async (bytes: Buffer): Promise<void> => (expected.push(bytes), written(upload, bytes, MIB));
    const copied = async (offsetBytes: number, lengthBytes: number): Promise<void> => {
      expected.push(old.subarray(offsetBytes, offsetBytes + lengthBytes));
      await upload.copyFrom(key("f"), place, { offsetBytes, lengthBytes });
    };
    await copied(0, 700);
    await fresh(numbered(1000, 2));
    await copied(1700, 11 * MIB);
    await copied(1700 + 11 * MIB, 3 * MIB); // Goes on where the last one ended.
    await fresh(numbered(7 * MIB, 3));
    await copied(5, 1);
    await fresh(Buffer.from("x"));
    await copied(16 * MIB + 3, 8 * MIB - 3);
    await upload.complete(metadata());
    assert.ok((await contentOf(store, "f")).equals(Buffer.concat(expected)));
    await store.close();
  });

  cases("a range that is not there, or of what was replaced, is refused, and nothing becomes visible", async () => {
    const store = await make();
    const [place] = await store.put([file("f", "0123456789")]);
    const upload = await store.begin({ key: key("g"), metadata: metadata(), sizeBytes: 100 });
    const beyond = async (): Promise<unknown> => {
      await upload.copyFrom(key("f"), place!, { offsetBytes: 5, lengthBytes: 6 });
      return upload.complete(metadata());
    };
    await rejects(beyond(), "OBJECT_CHANGED");
    await upload.abort();
    const [gone] = await store.put([file("h", "first")]);
    await store.delete([{ key: key("h"), kind: "file" }]);
    const second = await store.begin({ key: key("g"), metadata: metadata(), sizeBytes: 100 });
    const replaced = async (): Promise<unknown> => {
      await second.copyFrom(key("h"), { version: undefined, etag: gone!.etag }, { offsetBytes: 0, lengthBytes: 5 });
      return second.complete(metadata());
    };
    await rejects(replaced(), "OBJECT_CHANGED");
    await second.abort();
    assert.is(await store.head({ key: key("g"), kind: "file" }), undefined);
    await store.close();
  });

  cases("a copy is a whole object of its own", async () => {
    const store = await make();
    const [place] = await store.put([file("from", "content", { mode: 0o600 })]);
    await store.copy(key("from"), place!, key("to/deep"), metadata({ mode: 0o640, mtimeSeconds: 5 }));
    await store.delete([{ key: key("from"), kind: "file" }]);
    assert.is((await contentOf(store, "to/deep")).toString(), "content");
    const found = await store.head({ key: key("to/deep"), kind: "file" });
    assert.equal([found?.metadata?.mode, found?.metadata?.mtimeSeconds], [0o640, 5]);
    await rejects(store.copy(key("from"), { version: undefined, etag: place!.etag }, key("other"), metadata()), "OBJECT_CHANGED");
    await store.close();
  });
}

function listCases(cases: Cases, { make }: ObjectStoreHarness): void {
  cases("a list is in the order of keys, in pages, and can start below a directory", async () => {
    const store = await make();
    await store.put([directory("a"), directory("a/b"), directory("empty")]);
    const names = ["a/b/1", "a/b.txt", "a/b0", "a.txt", "a0", ...Array.from({ length: 2100 }, (_, i) => `z/${i}`)];
    await store.put([directory("z"), ...names.map((name) => file(name, name)), symlink("link", "a/b.txt")]);
    const all = await listed(store);
    const order = all.map(({ key: name, kind }) => (kind === "directory" ? `${name}/` : name));
    assert.equal(order, [...order].sort());
    assert.equal(new Set(order), new Set([...names, "a/", "a/b/", "empty/", "z/", "link"]));
    assert.is(all.find((object) => object.key === "a/b0")?.sizeBytes, 4);
    assert.equal(
      (await listed(store, "a")).map((object) => object.key),
      ["a/b.txt", "a/b", "a/b/1", "a/b0"],
    );
    assert.equal(await listed(store, "nowhere"), []);
    await store.close();
  });

  cases("a listed place is the one that put gave", async () => {
    const store = await make();
    const places = await store.put([file("f", "content"), symlink("l", "f")]);
    const found = await listed(store);
    assert.equal(
      found.map(({ place }) => place.etag),
      places.map(({ etag }) => etag),
    );
    await store.close();
  });
}

function metadataCases(cases: Cases, { make, name }: ObjectStoreHarness): void {
  cases("directories and symlinks are kept with their own mode, time and target, however long", async () => {
    const store = await make();
    const targets = ["../away", "/absolute/über", "t".repeat(4000), "new\nline", "\x80\xff"] as const;
    const links = targets.map((target, i) => ({
      ...symlink(`l${i}`, ""),
      metadata: metadata({ kind: "symlink", mode: 0o777, linkTarget: target as ByteString }),
    }));
    await store.put([directory("d", 0o2775), ...links]);
    const found = await store.head({ key: key("d"), kind: "directory" });
    assert.equal([found?.kind, found?.metadata?.mode, found?.metadata?.mtimeNanos], ["directory", 0o2775, 123_456_789]);
    for (const [i, target] of targets.entries()) {
      const link = await store.head({ key: key(`l${i}`), kind: "symlink" });
      assert.equal([link?.kind, link?.metadata?.linkTarget, link?.metadata?.mtimeNanos], ["symlink", target, 123_456_789]);
    }
    await store.close();
  });

  cases("mode and time are set without touching the content", async () => {
    const store = await make();
    await store.put([file("f", "content"), directory("d"), symlink("l", "f")]);
    const place = await store.setMetadata(key("f"), metadata({ mode: 0o755, mtimeSeconds: 77, mtimeNanos: 5 }));
    await store.setMetadata(key("d"), metadata({ kind: "directory", mode: 0o700, mtimeSeconds: 78 }));
    await store.setMetadata(key("l"), metadata({ kind: "symlink", mode: 0o777, mtimeSeconds: 79, linkTarget: key("f") }));
    const found = await store.head({ key: key("f"), kind: "file" });
    assert.equal(found?.place, place);
    assert.equal([found?.metadata?.mode, found?.metadata?.mtimeSeconds, found?.metadata?.mtimeNanos], [0o755, 77, 5]);
    assert.is((await contentOf(store, "f", { place })).toString(), "content");
    assert.is((await store.head({ key: key("d"), kind: "directory" }))?.metadata?.mode, 0o700);
    assert.is((await store.head({ key: key("l"), kind: "symlink" }))?.metadata?.mtimeSeconds, 79);
    await store.close();
  });

  cases("a digest is kept where the store has a place for it", async () => {
    const store = await make();
    const digest = { name: "xxh128", bytes: Buffer.from("00112233445566778899aabbccddeeff", "hex") };
    await store.put([file("f", "content", { digest })]);
    const found = await store.head({ key: key("f"), kind: "file" });
    await store.close();
    if (found?.metadata?.digest === undefined) return skipped(`digests: ${name}`, "this store keeps none");
    assert.is(found.metadata.digest.name, "xxh128");
    assert.equal(Buffer.from(found.metadata.digest.bytes), digest.bytes);
  });

  cases("the top directory can be given its mode and time", async () => {
    const store = await make();
    await store.put([directory(".", 0o750)]);
    await store.setMetadata(key("."), metadata({ kind: "directory", mode: 0o755 }));
    assert.equal(await listed(store), []);
    await store.close();
  });
}

function deletionCases(cases: Cases, { make }: ObjectStoreHarness): void {
  cases("deleting removes files, symlinks and empty directories; what is not there is fine", async () => {
    const store = await make();
    await store.put([directory("d"), file("d/f", "x"), symlink("l", "nowhere"), file("kept", "y")]);
    const failed = await store.delete([
      { key: key("d/f"), kind: "file" },
      { key: key("d"), kind: "directory" },
      { key: key("l"), kind: "symlink" },
      { key: key("none"), kind: "file" },
      { key: key("none/deeper"), kind: "directory" },
    ]);
    assert.equal(failed, []);
    assert.equal(
      (await listed(store)).map((object) => object.key),
      ["kept"],
    );
    await store.close();
  });

  cases("more than one request holds are deleted in one call", async () => {
    const store = await make();
    const names = Array.from({ length: 1100 }, (_, i) => `f${i}`);
    await store.put(names.map((name) => file(name, "")));
    assert.equal(await store.delete(names.map((name) => ({ key: key(name), kind: "file" }))), []);
    assert.equal(await listed(store), []);
    await store.close();
  });

  cases("a file takes the place of a symlink or an empty directory, and a directory that of a file", async () => {
    const store = await make();
    await store.put([symlink("a", "b"), directory("c"), file("e", "old")]);
    await store.delete([{ key: key("c"), kind: "directory" }]);
    await store.put([file("a", "new a"), file("c", "new c")]);
    await store.delete([{ key: key("e"), kind: "file" }]);
    await store.put([directory("e"), file("e/f", "inside")]);
    assert.is((await contentOf(store, "a")).toString(), "new a");
    assert.is((await contentOf(store, "c")).toString(), "new c");
    assert.is((await contentOf(store, "e/f")).toString(), "inside");
    assert.is((await store.head({ key: key("a"), kind: "file" }))?.kind, "file");
    await store.close();
  });
}
