/** Mirrors over several connections to a real daemon: what they leave is what one connection leaves, whatever becomes of the others. */
import { appendFileSync, existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { lastOfProfile, SYNC_OPTIONS } from "../../src/actors/mirror/index.ts";
import type { Dial, SyncOptions, Wire } from "../../src/actors/mirror/index.ts";
import { dialTcp } from "../../src/app/rsync-wire.ts";
import { RainbowError } from "../../src/core/index.ts";
import type { ByteString } from "../../src/core/index.ts";
import { MemoryMirrorFiles } from "../support/memory-mirror-files.ts";
import { MemoryObjects } from "../support/memory-objects.ts";
import { riggedCases } from "../support/mirror-rig.ts";
import type { MirrorRig } from "../support/mirror-rig.ts";
import { seededRandom } from "../support/random.ts";
import { cut, Recorder, replayed } from "../support/recorded-wire.ts";

const test = suite("mirror: lanes");
const random = seededRandom(1);
/** Everything but the smallest files goes over lanes, a few in each session. */
const SMALL = { ...SYNC_OPTIONS.laneLimits, fileBytesMin: 10_000, mainBytes: 0, batchBytesMin: 100_000, batchBytesMax: 400_000, batchCountMax: 5 };
const LANES: Partial<SyncOptions> = { connections: 4, laneLimits: SMALL };

const rigged = riggedCases(test);

/** Connections through here are counted; `change` may make another wire of the one of that number, from 0 on, or refuse it. */
class Counter {
  count = 0;
  openCount = 0;
  openCountMax = 0;
  onChange: () => void = () => undefined;

  dial(change: (wire: Wire, number: number) => Wire = (wire) => wire): Dial {
    return async (address, timeouts) => {
      const number = this.count++;
      const wire = await dialTcp(address, timeouts);
      this.openCountMax = Math.max(this.openCountMax, ++this.openCount);
      this.onChange();
      let isOpen = true;
      const changed = change(wire, number);
      const close = (): void => {
        if (isOpen) this.openCount--;
        isOpen = false;
        changed.close();
        this.onChange();
      };
      return { read: () => changed.read(), write: (pieces) => changed.write(pieces), close };
    };
  }
}

/** Says nothing before `gate` opens, as long as it `isHeld`. */
function gated(wire: Wire, gate: Promise<void>, isHeld = (): boolean => true): Wire {
  return { read: () => (isHeld() ? gate.then(() => wire.read()) : wire.read()), write: (pieces) => wire.write(pieces), close: () => wire.close() };
}

/** Files of all sizes in a few folders, with names that patterns must escape. */
function makeUpstream(rig: MirrorRig): void {
  for (const folder of ["a", "b [x]*", "c\\d/e", "Größe", "ends "]) {
    mkdirSync(join(rig.upstream, folder), { recursive: true });
    for (const name of ["one", "t?o", "a*b", "back\\slash", "[set]", " spaces ", "line\nend", "\\*"])
      writeFileSync(join(rig.upstream, folder, name), random.bytes(random.pick([10, 9_000, 20_000, 150_000])));
  }
  mkdirSync(join(rig.upstream, "empty"));
  writeFileSync(join(rig.upstream, "a/large"), random.bytes(3 << 20));
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof RainbowError) return error.code;
    throw error;
  }
  return "none";
}

for (const protocolMax of [27, 28, 29, 30, 31, 32]) {
  rigged(`a fresh mirror is what rsync -rlpt makes, and a second sync moves nothing: protocol ${protocolMax}`, async (rig) => {
    makeUpstream(rig);
    const counter = new Counter();
    const areFourOpen = new Promise<void>((resolve) => (counter.onChange = () => counter.openCount === 4 && resolve()));
    rig.dial = counter.dial((wire, number) => (number === 0 ? wire : gated(wire, areFourOpen))); // However fast the lanes are.
    const first = await rig.sync({ ...LANES, protocolMax });
    assert.equal(rig.differences(`--protocol=${protocolMax}`), []);
    assert.equal([first.heldBecause, first.counts.failedCount], ["", 0]);
    assert.ok(counter.count > 4, `${counter.count} connections`);
    assert.is(counter.openCountMax, 4);
    const before = counter.count;
    const second = await rig.sync({ ...LANES, protocolMax });
    assert.equal([second.counts.arrivedCount, second.counts.touchedCount, second.counts.fetchedBytes], [0, 0, 0], JSON.stringify(second.items));
    assert.is(counter.count, before + 1, "without large files to fetch there is one connection");
  });
}

for (const allowed of [1, 2])
  rigged(
    `a daemon that takes ${allowed} connections is mirrored over as many, and that is said once`,
    async (rig) => {
      makeUpstream(rig);
      const counter = new Counter();
      const hasOneEnded = new Promise<void>((resolve) => (counter.onChange = () => counter.openCount < counter.count && resolve()));
      // The main session stays until a lane has ended: else it may be over before any comes.
      rig.dial = counter.dial((wire, number) => (number === 0 ? gated(wire, hasOneEnded, () => counter.count > 1) : wire));
      const synced = await rig.sync(LANES);
      assert.equal(rig.differences(), []);
      assert.equal([synced.heldBecause, synced.counts.failedCount], ["", 0]);
      const said = synced.messages.filter((text) => text.startsWith("fewer connections than 4 are used"));
      if (allowed === 1) assert.is(said.length, 1, synced.messages.join("; "));
      assert.ok(said.length <= 1 && said.every((text) => text.includes("max connections")), said.join("; "));
    },
    { settings: { "max connections": String(allowed) } },
  );

rigged("lanes that are cut anywhere, or refused, give their files to others, and no file is lost or counted as failed", async (rig) => {
  makeUpstream(rig);
  let cutCount = 0;
  for (let round = 0; round < 12; round++) {
    const counter = new Counter();
    rig.dial = counter.dial((wire, number) => {
      if (number === 0 || random.chance(0.4)) return wire;
      cutCount++;
      return cut(wire, random.pick([0, 30, random.int(2000), random.int(400_000), 1_200_000 + random.int(1_000_000)]));
    });
    writeFileSync(join(rig.upstream, "a/large"), random.bytes(3 << 20));
    for (const name of ["one", "a*b", "[set]"]) writeFileSync(join(rig.upstream, "c\\d/e", name), random.bytes(100_000));
    const code = await codeOf(rig.sync(LANES).then(({ counts, heldBecause }) => assert.equal([counts.failedCount, heldBecause], [0, ""])));
    if (code !== "none") {
      assert.is(code, "RSYNC_ENDED"); // One lane was cut five times in a row.
      rig.dial = dialTcp;
      await rig.sync(LANES);
    }
    assert.equal(rig.differences(), [], `round ${round}`);
  }
  assert.ok(cutCount > 0);
});

rigged("a sync whose lanes are always cut ends after a few attempts, and the next one goes on from there", async (rig) => {
  makeUpstream(rig);
  const counter = new Counter();
  rig.dial = counter.dial((wire, number) => (number === 0 ? wire : cut(wire, 100)));
  assert.is(await codeOf(rig.sync(LANES)), "RSYNC_ENDED");
  assert.ok(counter.count < 30, `${counter.count} connections`);
  assert.is(counter.openCount, 0);
  rig.dial = dialTcp;
  const { counts } = await rig.sync(LANES);
  assert.is(counts.failedCount, 0);
  assert.equal(rig.differences(), []);
});

rigged("the main session's end in the middle ends all lanes, and the sync", async (rig) => {
  makeUpstream(rig);
  for (const bytesMax of [500, 2000, 10_000, 30_000]) {
    const counter = new Counter();
    rig.dial = counter.dial((wire, number) => (number === 0 ? cut(wire, bytesMax) : wire));
    await codeOf(rig.sync(LANES));
    assert.is(counter.openCount, 0);
  }
  rig.dial = dialTcp;
  await rig.sync(LANES);
  assert.equal(rig.differences(), []);
});

rigged("a connection that nobody answers does not hold up the end", async (rig) => {
  makeUpstream(rig);
  let [count, closedCount] = [0, 0];
  const late: ((wire: Wire) => void)[] = [];
  rig.dial = (address, timeouts) => (count++ === 2 ? new Promise((resolve) => late.push(resolve)) : dialTcp(address, timeouts));
  await rig.sync(LANES);
  assert.equal(rig.differences(), []);
  assert.is(late.length, 1);
  late[0]!({ read: async () => undefined, write: () => undefined, close: () => void closedCount++ });
  await new Promise((resolve) => setImmediate(resolve));
  assert.is(closedCount, 1, "one that comes too late is closed");
});

rigged("lanes see no more of the module than the mirror does", async (rig) => {
  const inside = "c [x]/in*side";
  for (const folder of [inside, "other"]) mkdirSync(join(rig.upstream, folder), { recursive: true });
  for (const name of ["one", "two", "three"]) writeFileSync(join(rig.upstream, inside, name), random.bytes(100_000));
  const { counts } = await rig.sync(LANES, { source: { ...rig.source, path: inside as ByteString } });
  assert.equal([counts.entryCount, counts.fetchedBytes], [4, 300_000]);
  for (const name of ["one", "two", "three"]) assert.ok(readFileSync(join(rig.target, name)).equals(readFileSync(join(rig.upstream, inside, name))));
});

rigged("a stop after the main session, while a lane connects, ends the sync", async (rig) => {
  writeFileSync(join(rig.upstream, "large"), random.bytes(100_000));
  const stop = new AbortController();
  const stopSoon = (): void => void setImmediate(() => stop.abort(new RainbowError("BUSY", "stopped")));
  const dial = new Counter().dial((wire) => ({ read: () => wire.read(), write: (pieces) => wire.write(pieces), close: () => (wire.close(), stopSoon()) }));
  let count = 0;
  rig.dial = (address, timeouts) => (count++ === 0 ? dial(address, timeouts) : new Promise(() => undefined));
  assert.is(await codeOf(rig.sync({ ...LANES, connections: 2 }, { signal: stop.signal })), "BUSY");
  assert.not(existsSync(join(rig.target, "large")));
});

rigged("a stop ends all connections at once", async (rig) => {
  makeUpstream(rig);
  const stop = new AbortController();
  const counter = new Counter();
  rig.dial = counter.dial((wire, number) => {
    if (number === 3) stop.abort(new RainbowError("BUSY", "stopped"));
    return wire;
  });
  assert.is(await codeOf(rig.sync(LANES, { signal: stop.signal })), "BUSY");
  assert.is(counter.openCount, 0);
  rig.dial = dialTcp;
  await rig.sync(LANES);
  assert.equal(rig.differences(), []);
});

for (const kind of ["a tree", "no tree"])
  rigged(`a large file whose lane broke is gone on with by another in the same sync: ${kind}`, async (rig) => {
    if (kind === "no tree") rig.use(new MemoryObjects(), rig.files);
    const content = random.bytes(12 << 20);
    writeFileSync(join(rig.upstream, "image"), content);
    rig.dial = new Counter().dial((wire, number) => (number === 1 ? cut(wire, 7 << 20) : wire));
    const { counts } = await rig.sync(LANES);
    assert.equal([counts.arrivedCount, counts.failedCount], [2, 0]);
    assert.ok(counts.receivedBytes < 14 << 20, `${counts.receivedBytes} bytes were received`);
    if (kind === "a tree") assert.equal(rig.differences(), []);
    else assert.ok((rig.store as MemoryObjects).contentOf("image") === content.toString("latin1"));
    assert.is((await rig.sync(LANES)).counts.arrivedCount, 0);
  });

rigged("names of one file are fetched once over whichever connection, and each is a file of its own", async (rig) => {
  const at = (name: string): string => join(rig.upstream, name);
  for (const folder of ["a", "b", "c"]) mkdirSync(at(folder));
  for (const name of ["x", "y", "z"]) {
    writeFileSync(at(`a/${name}`), random.bytes(300_000));
    for (const folder of ["a/other", "b/", "c/"]) linkSync(at(`a/${name}`), at(folder + name));
  }
  rig.dial = new Counter().dial((wire, number) => (number === 1 || number === 2 ? cut(wire, 150_000) : wire));
  const synced = await rig.sync(LANES);
  assert.equal(rig.differences(), []);
  assert.is(synced.counts.fetchedBytes, 900_000);
  appendFileSync(at("b/x"), "all of them change");
  assert.ok((await rig.sync(LANES)).counts.fetchedBytes < 20_000);
  assert.equal(rig.differences(), []);
});

rigged("what names other files is published after them, however they come", async (rig) => {
  for (const store of [rig.store, new MemoryObjects()]) {
    rig.use(store, new MemoryMirrorFiles());
    const at = (name: string): string => join(rig.upstream, name);
    for (const folder of ["dists", "pool"]) mkdirSync(at(folder), { recursive: true });
    writeFileSync(at("dists/InRelease"), "names Packages");
    for (const name of ["Packages", "Packages.gz", "Sources"]) writeFileSync(at(`dists/${name}`), random.bytes(2 << 20));
    for (let i = 0; i < 20; i++) writeFileSync(at(`pool/${i}.deb`), random.bytes(100_000));
    rig.dial = new Counter().dial((wire, number) => (number === 2 ? cut(wire, 1 << 20) : wire));
    await rig.sync({ ...LANES, last: lastOfProfile("debian") });
    const paths = (rig.files as MemoryMirrorFiles).facts.flatMap((fact) => (fact.type === "FileArrived" && fact.kind === "file" ? [fact.path as string] : []));
    const rankOf = (path: string): number => (path.startsWith("pool") ? 0 : path.endsWith("InRelease") ? 3 : path.includes("Packages") ? 1 : 2);
    assert.equal(
      paths.map(rankOf),
      paths.map(rankOf).toSorted((a, b) => a - b),
      paths.join(" "),
    );
    assert.is(paths.length, 24);
    if (store instanceof MemoryObjects) assert.not([...store.objects.keys()].some((key) => key.startsWith(".rainbow-waiting")));
    else assert.equal(rig.differences(), []);
  }
});

rigged("a delta over a lane costs what it costs over the one connection", async (rig) => {
  const content = random.bytes(8 << 20);
  const change = (): void => {
    content.fill(random.int(256), 1_000_000, 1_080_000);
    writeFileSync(join(rig.upstream, "image"), content);
  };
  change();
  await rig.sync(LANES);
  change();
  const over = await rig.sync(LANES);
  assert.equal(rig.differences(), []);
  change();
  const alone = await rig.sync();
  assert.equal(rig.differences(), []);
  assert.is(over.counts.fetchedBytes, alone.counts.fetchedBytes);
  const wireBytes = ({ counts }: typeof over): number => counts.receivedBytes + counts.sentBytes;
  assert.ok(wireBytes(over) < wireBytes(alone) + 1500, `${wireBytes(over)} bytes over a lane, ${wireBytes(alone)} alone`); // A second greeting and list.
});

rigged("a file that changes after it was listed comes as it is by then, and its names each by themselves", async (rig) => {
  const at = (name: string): string => join(rig.upstream, name);
  for (const name of ["changes", "goes", "becomes a folder", "linked"]) writeFileSync(at(name), random.bytes(50_000));
  for (const name of ["other name", "third name"]) linkSync(at("linked"), at(name));
  writeFileSync(at("gone"), "gone by the next sync");
  await rig.sync();
  rmSync(at("gone"));
  for (const name of ["changes", "goes", "becomes a folder", "linked"]) appendFileSync(at(name), "a change");
  rig.dial = new Counter().dial((wire, number) => {
    if (number !== 1) return wire;
    writeFileSync(at("changes"), random.bytes(60_000));
    rmSync(at("goes"));
    rmSync(at("becomes a folder"));
    mkdirSync(at("becomes a folder"));
    writeFileSync(at("replaced"), random.bytes(50_008));
    utimesSync(at("replaced"), 1000, 1000);
    renameSync(at("replaced"), at("linked"));
    return wire;
  });
  const synced = await rig.sync({ ...LANES, connections: 2 });
  assert.equal(
    synced.items.filter(({ what }) => what === "failed").map(({ path }) => path as string),
    ["becomes a folder", "goes"],
  );
  assert.is(synced.heldBy, "becomes a folder" as ByteString);
  assert.ok(existsSync(join(rig.target, "gone")), "nothing is removed while a file is missing");
  for (const name of ["changes", "linked", "other name", "third name"]) assert.ok(readFileSync(join(rig.target, name)).equals(readFileSync(at(name))), name);
  const again = await rig.sync(LANES);
  assert.equal(rig.differences(), []);
  assert.is(again.counts.fetchedBytes, 0, "what came is recorded as what it is");
});

rigged("a lane's server that lists what was not asked for is refused", async (rig) => {
  makeUpstream(rig);
  const recorder = new Recorder();
  rig.dial = recorder.dial(dialTcp);
  await rig.sync();
  rig.use(new MemoryObjects(), new MemoryMirrorFiles());
  const [first] = recorder.connections;
  let count = 0;
  rig.dial = (address, timeouts) => (count++ === 0 ? dialTcp(address, timeouts) : replayed([first!])(address, timeouts));
  assert.is(await codeOf(rig.sync(LANES)), "RSYNC_PROTOCOL");
  assert.not((rig.store as MemoryObjects).objects.has("a/large"));
});

rigged("a store that fails ends all connections, and the next sync goes on", async (rig) => {
  makeUpstream(rig);
  const objects = new MemoryObjects(50_000);
  rig.use(objects, rig.files);
  for (const failing of ["put", "begin", "write", "complete", "settle"]) {
    const counter = new Counter();
    rig.dial = counter.dial();
    objects.onCall = (name) => {
      if (name === failing) throw new RainbowError("OBJECTS_UNREACHABLE", "the store does not answer");
    };
    assert.is(await codeOf(rig.sync(LANES)), "OBJECTS_UNREACHABLE", failing);
    assert.is(counter.openCount, 0, failing);
  }
  objects.onCall = () => undefined;
  assert.is((await rig.sync(LANES)).counts.failedCount, 0);
  const again = await rig.sync();
  assert.equal([again.counts.arrivedCount, again.counts.failedCount], [0, 0]);
});

rigged("the main session waits with its lists, or fetches itself, where more waits than lanes can do", async (rig) => {
  for (let folder = 0; folder < 12; folder++) {
    mkdirSync(join(rig.upstream, `d${folder}`));
    for (let i = 0; i < 10; i++) writeFileSync(join(rig.upstream, `d${folder}/f${i}`), random.bytes(30_000));
  }
  const laneLimits = { ...SMALL, mainBytes: 40_000, queuedCountEnough: 3, queuedCountMax: 6, batchCountMax: 2 };
  const { counts } = await rig.sync({ connections: 2, laneLimits });
  assert.equal([counts.failedCount, counts.fetchedBytes], [0, 120 * 30_000]);
  assert.equal(rig.differences(), []);
});

test.run();
