/** Reading back what only the server's word speaks for: stopped, without an answer, and with digests of all kinds. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { scrubFiles, writeLateAttributes } from "../../../src/actors/mirror-files/index.ts";
import type { ScrubbedItem } from "../../../src/actors/mirror-files/index.ts";
import { openXxh3 } from "../../../src/app/os/index.ts";
import { isRainbowError, RainbowError } from "../../../src/core/index.ts";
import type { ByteString } from "../../../src/core/index.ts";
import type { ObjectStore } from "../../../src/objects/index.ts";
import type { Claim } from "../../../src/projections/index.ts";
import { openDigests } from "../../../src/rsync/index.ts";
import type { DigestName } from "../../../src/rsync/index.ts";
import { MemoryMirrorFiles } from "../../support/memory-mirror-files.ts";
import { MemoryObjects } from "../../support/memory-objects.ts";

const test = suite("mirror: scrubbing");
const digests = await openDigests(openXxh3());
const SEED = -12345;

function digestOf(name: DigestName, seed: number, content: string): Buffer {
  const digest = digests.ofFile(name, seed);
  digest.update(Buffer.from(content));
  return digest.digest();
}

const claimOf = (digest: DigestName, content: string): Claim => ({ digest, seed: SEED, bytes: digestOf(digest, SEED, content) });

class World {
  readonly files = new MemoryMirrorFiles();
  readonly objects = new MemoryObjects();

  async store(path: string, content: string, claim: Claim): Promise<void> {
    const key = path as ByteString;
    const stamp = { mode: 0o644, mtimeSeconds: 1000, mtimeNanos: 0 };
    const [place] = await this.objects.put([
      { key, metadata: { kind: "file", ...stamp, linkTarget: undefined, digest: undefined }, bytes: Buffer.from(content) },
    ]);
    await this.files.claims.note([{ path: key, place: place!, claim }]);
    await this.files.record([{ type: "FileArrived", path: key, kind: "file", ...stamp, sizeBytes: content.length, rdev: 0, digest: undefined, place }]);
  }

  async digests(): Promise<(string | undefined)[]> {
    const list = await this.files.list();
    return [...list.children("." as ByteString)].map(({ path, digest }) => `${path} ${digest?.name ?? "-"} ${digest?.bytes.toString("hex") ?? ""}`.trimEnd());
  }

  get claimed(): string[] {
    return this.files.claims.some("" as ByteString, 10).map(({ path }) => path);
  }
}

/** Whose content is read by way of `through`. */
function reading(objects: ObjectStore, through: (key: ByteString, pieces: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>): ObjectStore {
  return Object.create(objects, { read: { value: (key: ByteString, options: object) => through(key, objects.read(key, options)) } }) as ObjectStore;
}

async function all(items: AsyncIterable<ScrubbedItem>): Promise<ScrubbedItem[]> {
  const found: ScrubbedItem[] = [];
  for await (const item of items) found.push(item);
  return found;
}

test("each digest of the protocol proves a file; one with the session's seed is recorded as MD5", async () => {
  const world = new World();
  const names: readonly DigestName[] = ["xxh128", "xxh3", "xxh64", "md5", "md4", "sha1", "md4-seeded"];
  for (const name of names) await world.store(name, `content of ${name}`, claimOf(name, `content of ${name}`));
  const items = await all(scrubFiles(world.files, world.objects, digests));
  assert.equal(items.at(-1), { type: "summary", readBytes: 112, provenCount: 7, lostCount: 0 });
  const expected = names.map((path) => {
    const recorded = path === "md4-seeded" ? "md5" : path;
    return `${path} ${recorded} ${digestOf(recorded, 0, `content of ${path}`).toString("hex")}`;
  });
  assert.equal(await world.digests(), expected.toSorted());
  assert.equal(world.claimed, []);
});

test("a digest that cannot be computed here proves nothing, and loses nothing", async () => {
  const world = new World();
  await world.store("a", "content", { digest: "blake3", seed: 0, bytes: Buffer.alloc(32) });
  const items = await all(scrubFiles(world.files, world.objects, digests));
  assert.equal(items, [{ type: "summary", readBytes: 7, provenCount: 0, lostCount: 0 }]);
  assert.equal([await world.digests(), world.claimed], [["a -"], []]);
});

test("what is another than the server said is withdrawn, whoever changed it", async () => {
  const world = new World();
  await world.store("rotten", "CONTENT", claimOf("xxh128", "content"));
  await world.store("short", "content", claimOf("xxh128", "content"));
  await world.store("gone", "content", claimOf("xxh128", "content"));
  const short = world.objects.objects.get("short")!;
  world.objects.objects.set("short", { ...short, bytes: Buffer.from("conten") });
  world.objects.objects.delete("gone");
  const faults = (await all(scrubFiles(world.files, world.objects, digests))).flatMap((item) => (item.type === "fault" ? [`${item.what} ${item.path}`] : []));
  assert.equal(faults, ["changed gone", "damaged rotten", "damaged short"]);
  assert.equal([await world.digests(), world.claimed], [[], []]);
});

test("stopped in the middle it keeps what it proved, and goes on with the rest", async () => {
  const world = new World();
  for (const path of ["a", "b", "c"]) await world.store(path, "content", claimOf("md5", "content"));
  const read: string[] = [];
  const progress = { nameCount: 0, readBytes: 0 };
  const stop = new AbortController();
  const noting = reading(world.objects, async function* (key, pieces) {
    read.push(key);
    yield* pieces;
    stop.abort();
  });
  assert.equal(await all(scrubFiles(world.files, noting, digests, { signal: stop.signal, progress })), []);
  assert.equal([world.claimed, read, progress], [["b", "c"], ["a"], { nameCount: 1, readBytes: 7 }]);
  const late = new AbortController();
  const cut = reading(world.objects, async function* (key, pieces) {
    if (key === "c") late.abort();
    yield* pieces;
  });
  assert.equal(await all(scrubFiles(world.files, cut, digests, { signal: late.signal })), []);
  assert.equal(world.claimed, ["c"], "a file that was read in part proves nothing");
  assert.equal((await all(scrubFiles(world.files, world.objects, digests))).at(-1), { type: "summary", readBytes: 7, provenCount: 1, lostCount: 0 });
});

test("the server's word goes along where a content gets another place as its attributes are written", async () => {
  const world = new World();
  const { files, objects } = world;
  await world.store("a", "content", claimOf("md5", "content"));
  await files.record([{ type: "AttributesSet", path: "a" as ByteString, mode: 0o600, mtimeSeconds: 2000, mtimeNanos: 0 }]);
  const [before] = files.claims.some("" as ByteString, 10);
  assert.is(await writeLateAttributes(files, objects, files.lateAttributes.some("" as ByteString, 10)), 1);
  const [after] = files.claims.some("" as ByteString, 10);
  assert.is.not(after?.place.etag, before?.place.etag);
  assert.equal((await all(scrubFiles(files, objects, digests))).at(-1), { type: "summary", readBytes: 7, provenCount: 1, lostCount: 0 });
});

test("what is left of a crash, a claim of an object that nobody knows, is passed over and goes", async () => {
  const world = new World();
  await world.store("a", "content", claimOf("md5", "content"));
  await world.files.claims.note([
    { path: "a" as ByteString, place: { version: undefined, etag: "another" }, claim: claimOf("md5", "other") },
    { path: "b" as ByteString, place: { version: undefined, etag: "e" }, claim: claimOf("md5", "other") },
  ]);
  assert.equal(await all(scrubFiles(world.files, world.objects, digests)), [{ type: "summary", readBytes: 0, provenCount: 0, lostCount: 0 }]);
  assert.equal([await world.digests(), world.claimed], [["a -"], []]);
});

test("a store that does not answer loses nothing", async () => {
  const world = new World();
  for (const path of ["a", "b"]) await world.store(path, "content", claimOf("md5", "content"));
  const broken = reading(world.objects, async function* (key, pieces) {
    if (key === "b") throw new RainbowError("OBJECTS_UNREACHABLE", "nobody answers");
    yield* pieces;
  });
  const error = await all(scrubFiles(world.files, broken, digests)).catch((reason: unknown) => reason);
  assert.ok(isRainbowError(error, "OBJECTS_UNREACHABLE"));
  assert.equal([(await world.digests()).length, world.claimed], [2, ["b"]]);
});

test.run();
