/**
 * Files in a bucket that are made of what it had: the server's word on them is kept, and proven by reading them back. A real daemon, a
 * real S3 server, real events and trees; a connection that alters what the server says of a file makes the lies.
 */
// Time limit: 900 s
import { linkSync, mkdirSync, renameSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checkFiles, recoverFiles, scrubFiles, writeLateAttributes, writeLateDigests, writeSomeLateDigests } from "../../src/actors/mirror-files/index.ts";
import type { CheckReport, ScrubReport } from "../../src/actors/mirror-files/index.ts";
import type { Dial } from "../../src/actors/mirror/index.ts";
import { openXxh3 } from "../../src/app/os/index.ts";
import { dialTcp } from "../../src/app/rsync-wire.ts";
import type { ByteString } from "../../src/core/index.ts";
import { openS3Store } from "../../src/objects/s3/index.ts";
import type { FileEntry, MirrorFiles } from "../../src/projections/index.ts";
import { openDigests } from "../../src/rsync/index.ts";
import { MirrorRig } from "../support/mirror-rig.ts";
import { seededRandom } from "../support/random.ts";
import { startS3Server } from "../support/s3-server.ts";
import { hasCommand, skipped } from "../support/skip.ts";
import { StoredMirror } from "../support/stored-mirror.ts";

const test = suite("mirror: proof of what was not read");
const random = seededRandom(5);
const digests = await openDigests(openXxh3());
const server = hasCommand("rsync") ? await startS3Server() : "rsync is not installed";
let buckets = 0;

const at = (path: string): ByteString => path as ByteString;
const MIB = 2 ** 20;
const SIZE = 12 * MIB; // Two parts of it, and more, are copied.

class World {
  readonly rig: MirrorRig;
  readonly mirror: StoredMirror;
  /** What the server is to have said, in place of this digest. */
  readonly lie: { of: Buffer | undefined; toldCount: number };

  constructor(rig: MirrorRig, mirror: StoredMirror, lie: World["lie"]) {
    this.rig = rig;
    this.mirror = mirror;
    this.lie = lie;
  }

  get files(): MirrorFiles {
    return this.rig.files;
  }

  write(path: string, content: Buffer): void {
    mkdirSync(join(this.rig.upstream, path, ".."), { recursive: true });
    writeFileSync(join(this.rig.upstream, path), content);
  }

  async entry(path: string): Promise<FileEntry> {
    const list = await this.files.list();
    const entry = list.entry(at(path));
    list.close();
    if (entry === undefined) throw new Error(`${path} is not listed`);
    return entry;
  }

  async digestInObject(path: string): Promise<string | undefined> {
    const digest = (await this.rig.store.head({ key: at(path), kind: "file" }))?.metadata?.digest;
    return digest === undefined ? undefined : Buffer.from(digest.bytes).toString("hex");
  }

  async scrub(): Promise<{ readonly faults: readonly string[]; readonly report: ScrubReport }> {
    const faults: string[] = [];
    for await (const item of scrubFiles(this.files, this.rig.store, digests)) {
      if (item.type === "fault") faults.push(`${item.what} ${item.path}: ${item.detail}`);
      if (item.type === "summary") return { faults, report: item };
    }
    throw new Error("no summary");
  }

  async check(mends = false): Promise<{ readonly faults: readonly string[]; readonly report: CheckReport }> {
    const faults: string[] = [];
    for await (const item of checkFiles(this.files, this.rig.store, { readsData: true, mends, digests: async () => digests })) {
      if (item.type === "fault") faults.push(`${item.what} ${item.path}`);
      else return { faults, report: item };
    }
    throw new Error("no summary");
  }

  /** Stored whole, then changed in the middle and stored by its delta; the new content. */
  async delta(path: string, sizeBytes = SIZE): Promise<Buffer> {
    const content = random.bytes(sizeBytes);
    this.write(path, content);
    await this.rig.sync();
    content.fill(7, sizeBytes / 2, sizeBytes / 2 + 1000);
    this.write(path, content);
    const { counts } = await this.rig.sync();
    assert.ok(counts.fetchedBytes < sizeBytes / 8, `${counts.fetchedBytes} bytes were fetched`);
    return content;
  }
}

function proven(name: string, body: (world: World) => Promise<void>, versioning?: true): void {
  test(name, async () => {
    if (typeof server === "string") return skipped(`mirror: ${name}`, server);
    const { endpoint, credentials } = server;
    const store = await openS3Store({ bucket: `proof-${++buckets}`, prefix: "", create: true, versioning, endpoint, credentials });
    const mirror = await StoredMirror.make();
    const lie = { of: undefined, toldCount: 0 };
    const rig = await MirrorRig.open({ store, files: await mirror.opened.files(), dial: lying(lie) });
    try {
      await body(new World(rig, mirror, lie));
    } finally {
      await rig.close();
      await store.close();
      await mirror.opened.close();
    }
  });
}

/** Alters the last byte of a digest wherever it comes by. */
function lying(lie: World["lie"]): Dial {
  return async (address, timeouts) => {
    const wire = await dialTcp(address, timeouts);
    let before = Buffer.alloc(0);
    const read = async (): Promise<Buffer | undefined> => {
      const piece = await wire.read();
      if (piece === undefined || lie.of === undefined) return piece;
      const said = Buffer.concat([before, piece]);
      for (let found = said.indexOf(lie.of); found !== -1; found = said.indexOf(lie.of, found + 1)) {
        said[found + lie.of.length - 1]! ^= 1;
        lie.toldCount += 1;
      }
      const altered = said.subarray(before.length);
      before = Buffer.from(Buffer.concat([before, piece]).subarray(1 - lie.of.length));
      return altered;
    };
    return { read, write: (pieces) => wire.write(pieces), close: () => wire.close() };
  };
}

function digestOf(content: Buffer): Buffer {
  const digest = digests.ofFile("xxh128", 0);
  digest.update(content);
  return digest.digest();
}

test.after(async () => {
  if (typeof server !== "string") await server.stop();
});

proven(
  "a delta rests on the server's word until it is read back; its digest is then in the list, in the object, and in what is recovered from it",
  async (world) => {
    const { rig, files } = world;
    const content = await world.delta("image");
    const expected = digestOf(content);
    const unproven = await world.entry("image");
    assert.is(unproven.digest, undefined);
    assert.equal(files.claims.of(unproven)?.bytes, expected);
    const { faults, report } = await world.scrub();
    assert.equal([faults, report.provenCount, report.lostCount, report.readBytes], [[], 1, 0, SIZE]);
    const { digest } = await world.entry("image");
    assert.equal(digest, { name: "xxh128", bytes: expected });
    assert.is(files.claims.count, 0);
    assert.equal((await world.scrub()).report.readBytes, 0, "once is enough");
    assert.is(await world.digestInObject("image"), undefined);
    assert.is(await writeLateDigests(files, rig.store, files.lateDigests.some(at(""), 10)), 1);
    assert.is(await world.digestInObject("image"), expected.toString("hex"));
    assert.equal(files.lateDigests.some(at(""), 10), []);
    assert.equal((await world.check()).faults, []);
    const empty = await StoredMirror.make();
    for await (const item of recoverFiles(await empty.opened.files(), rig.store)) assert.is(item.type === "summary" || item.what === "adopted", true);
    const list = await (await empty.opened.files()).list();
    assert.equal(list.entry(at("image"))?.digest?.bytes, expected);
    list.close();
    await empty.opened.close();
    content.fill(9, 0, 1000);
    world.write("image", content);
    assert.ok((await rig.sync()).counts.fetchedBytes < MIB, "its block sums are known still");
  },
);

proven("a file that came whole in parts has its digest in its object late", async (world) => {
  const { rig, files } = world;
  const contents = [random.bytes(9 * MIB), random.bytes(12 * MIB), random.bytes(1000), random.bytes(9 * MIB)];
  for (const [i, content] of contents.entries()) world.write(`f${i}`, content);
  await rig.sync();
  const digestsNow = async (): Promise<unknown[]> => Promise.all(contents.map((_, i) => world.digestInObject(`f${i}`)));
  const whole = contents.map((content) => digestOf(content).toString("hex"));
  assert.equal(await digestsNow(), [undefined, undefined, whole[2], undefined]);
  assert.is(await writeSomeLateDigests(files, rig.store, { countMax: 10, bytesMax: 10 * MIB }), 1, "what fits");
  assert.equal(await digestsNow(), [whole[0], undefined, whole[2], undefined]);
  assert.is(await writeSomeLateDigests(files, rig.store, { countMax: 1, bytesMax: 100 * MIB }), 1);
  assert.equal(await digestsNow(), [whole[0], whole[1], whole[2], undefined]);
  assert.is(await writeSomeLateDigests(files, rig.store, { countMax: 10, bytesMax: 100 * MIB }), 1);
  assert.equal(await digestsNow(), whole);
  assert.is(await writeSomeLateDigests(files, rig.store, { countMax: 10, bytesMax: 100 * MIB }), 0);
  assert.equal((await world.check()).faults, []);
  const again = await rig.sync();
  assert.equal([again.counts.arrivedCount, again.counts.touchedCount], [0, 0]);
});

proven(
  "where the bucket keeps versions, a sync makes no copies for digests alone; settling does",
  async (world) => {
    const { rig, files } = world;
    world.write("f", random.bytes(12 * MIB));
    await rig.sync();
    const limits = { countMax: 10, bytesMax: 100 * MIB };
    assert.is(await writeSomeLateDigests(files, rig.store, limits), 0);
    assert.is(await writeLateDigests(files, rig.store, files.lateDigests.some(at(""), 10)), 1);
    assert.ok((await world.digestInObject("f")) !== undefined);
  },
  true,
);

proven("a check that reads everything proves what the server said, and records it", async (world) => {
  const content = await world.delta("image");
  linkSync(join(world.rig.upstream, "image"), join(world.rig.upstream, "second"));
  await world.rig.sync();
  assert.equal(world.files.claims.of(await world.entry("second"))?.bytes, digestOf(content), "a copy has the claim of what it is a copy of");
  const { faults, report } = await world.check();
  assert.equal([faults, report.readCount, report.provenCount, report.unprovenCount], [[], 2, 2, 0]);
  for (const path of ["image", "second"]) assert.equal((await world.entry(path)).digest?.bytes, digestOf(content));
  assert.equal((await world.check()).report.provenCount, 0);
});

proven("a delta that comes last waits with the server's word on it", async (world) => {
  const content = random.bytes(SIZE);
  for (const byte of [1, 2]) {
    content.fill(byte, 6 * MIB, 6 * MIB + 1000);
    world.write("dists/Packages", content);
    await world.rig.sync({ last: ["Packages"] });
  }
  assert.is((await world.entry("dists/Packages")).digest, undefined);
  assert.equal((await world.scrub()).report.provenCount, 1);
  assert.equal((await world.entry("dists/Packages")).digest?.bytes, digestOf(content));
});

proven("what the server said stays with a content whose time is written late", async (world) => {
  const { rig, files } = world;
  const content = await world.delta("image");
  utimesSync(join(rig.upstream, "image"), 1_500_000_000, 1_500_000_000);
  await rig.sync();
  assert.is(await writeLateAttributes(files, rig.store, files.lateAttributes.some(at(""), 10)), 1);
  assert.equal((await world.scrub()).report.provenCount, 1);
  assert.equal((await world.entry("image")).digest?.bytes, digestOf(content));
});

proven("a proven file that moved takes its digest along, unread", async (world) => {
  const { rig } = world;
  const content = random.bytes(SIZE);
  world.write("pool/image", content);
  await rig.sync();
  mkdirSync(join(rig.upstream, "old"));
  renameSync(join(rig.upstream, "pool/image"), join(rig.upstream, "old/image"));
  assert.is((await rig.sync()).counts.fetchedBytes, 0);
  assert.equal((await world.entry("old/image")).digest?.bytes, digestOf(content));
  assert.equal([world.files.claims.count, await world.digestInObject("old/image")], [0, digestOf(content).toString("hex")]);
});

proven("what was changed behind our back between the sync and the reading is found, and fetched anew", async (world) => {
  const { rig } = world;
  const content = await world.delta("image");
  await world.delta("other", 2 * MIB);
  const { mode, mtimeSeconds, mtimeNanos } = await world.entry("image");
  const metadata = { kind: "file", mode, mtimeSeconds, mtimeNanos, linkTarget: undefined, digest: undefined } as const;
  await rig.store.put([{ key: at("image"), metadata, bytes: Buffer.alloc(SIZE, 1) }]);
  const { faults, report } = await world.scrub();
  assert.is(faults.length, 1);
  assert.match(faults[0]!, /^changed image/);
  assert.equal([report.provenCount, report.lostCount], [1, 1]);
  assert.ok((await rig.sync()).counts.fetchedBytes >= SIZE, "it comes whole");
  assert.equal((await world.entry("image")).digest?.bytes, digestOf(content));
  assert.equal((await world.check()).faults, []);
});

proven("a server that lies about the digest of a delta is found out, and the file fetched whole", async (world) => {
  const { rig, lie } = world;
  const content = random.bytes(SIZE);
  const changed = Buffer.from(content).fill(7, 6 * MIB, 6 * MIB + 1000);
  const write = (time: number, contents: Readonly<Record<string, Buffer>>): void => {
    for (const [path, bytes] of Object.entries(contents)) world.write(path, bytes);
    for (const path of Object.keys(contents)) utimesSync(join(rig.upstream, path), time, time);
  };
  write(1_600_000_000, { "a/image": content, "b/image": content });
  await rig.sync();
  lie.of = digestOf(changed);
  write(1_700_000_000, { "a/image": changed, "b/image": Buffer.from(content).fill(8, 0, 1000) });
  await rig.sync();
  assert.ok(lie.toldCount > 0);
  lie.of = undefined;
  assert.is((await world.entry("a/image")).digest, undefined);
  assert.equal((await world.check()).faults, ["damaged a/image"]);
  assert.is(world.files.claims.count, 1, "that of the other file was proven");
  const { faults, report } = await world.scrub();
  assert.equal([faults, report.lostCount], [["damaged a/image: its xxh128 is another than the server said"], 1]);
  assert.equal(await world.scrub(), { faults: [], report: { type: "summary", readBytes: 0, provenCount: 0, lostCount: 0 } });
  assert.ok((await rig.sync()).counts.fetchedBytes >= SIZE, "nothing serves as a basis");
  assert.equal((await world.entry("a/image")).digest?.bytes, digestOf(changed));
  assert.equal((await world.check()).faults, []);
});

proven("a file that is, block for block, what is stored, and by its digest is not, is fetched whole", async (world) => {
  const { rig, lie } = world;
  const content = random.bytes(SIZE);
  world.write("pool/image", content);
  await rig.sync();
  mkdirSync(join(rig.upstream, "old"));
  renameSync(join(rig.upstream, "pool/image"), join(rig.upstream, "old/image"));
  lie.of = digestOf(content);
  const lied = await rig.sync();
  assert.ok(lied.counts.receivedBytes > 2 * SIZE, `${lied.counts.receivedBytes} bytes were received: whole, and whole once more`);
  const failed = lied.items.filter(({ what }) => what === "failed").map(({ path }) => path);
  assert.equal(failed, ["old/image"], "it lied about the whole content as well");
  lie.of = undefined;
  await rig.sync();
  assert.equal((await world.entry("old/image")).digest?.bytes, digestOf(content));
});

proven("a crash between claim, fact and proof leaves nothing that speaks for another content", async (world) => {
  const { rig, mirror } = world;
  const content = await world.delta("image");
  content.fill(8, 0, 1000);
  world.write("image", content);
  const { record } = rig.files;
  const before = rig.files.claims.of(await world.entry("image"));
  rig.files.record = async (facts) => {
    if (facts.some(({ type }) => type === "FileArrived")) throw new Error("killed");
    return record.call(rig.files, facts);
  };
  await rig.sync().catch(() => undefined);
  await mirror.reopen();
  rig.use(rig.store, await mirror.opened.files());
  rig.forget();
  assert.ok(before !== undefined);
  assert.is(world.files.claims.of(await world.entry("image")), undefined, "the claim is of an object that the list does not know");
  assert.is((await rig.sync()).counts.arrivedCount, 0, "the object that is there is what upstream has");
  assert.is((await world.scrub()).report.provenCount, 1, "the claim is of that object");
  assert.equal((await world.entry("image")).digest?.bytes, digestOf(content));
  assert.equal((await world.check()).faults, []);
});

test.run();
