/**
 * A server that lies to a mirror that stands: each lie is refused or told, nothing outside of the target is written, nothing that the
 * mirror has goes, and the next honest sync makes all of it what upstream is. The stream, the trees and the target are real ones.
 */
import { mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { SyncOptions } from "../../src/actors/mirror/index.ts";
import { dialTcp } from "../../src/app/rsync-wire.ts";
import { isRainbowError } from "../../src/core/index.ts";
import type { ErrorCode } from "../../src/core/index.ts";
import { MirrorRig } from "../support/mirror-rig.ts";
import type { Synced } from "../support/mirror-rig.ts";
import { seededRandom } from "../support/random.ts";
import { directory, file, ROOT_ENTRY, WrittenScript } from "../support/rsync-script.ts";
import { frame, writeEntry } from "../support/rsync-wire.ts";
import type { WireEntry } from "../support/rsync-wire.ts";
import { hasCommand, skipped } from "../support/skip.ts";
import { StoredMirror } from "../support/stored-mirror.ts";

const test = suite("mirror: hostile servers");
const LARGE = seededRandom(3).bytes(200_000);

interface Lie {
  readonly isIncremental?: boolean;
  readonly options?: Partial<SyncOptions>;
  /** What the server says. */
  readonly script: (script: WrittenScript) => unknown;
  /** What is said after it, without end. */
  readonly endless?: (script: WrittenScript, count: number) => unknown;
  /** Refused with that. */
  readonly code?: ErrorCode;
  readonly words?: RegExp;
  /** Not refused, and told otherwise. */
  readonly told?: (synced: Synced, said: readonly string[]) => void;
  /** Names of the mirror that may be others afterwards. */
  readonly changes?: readonly string[];
}

/** All that lies below, by path; symlinks are not followed. */
function contentsOf(top: string, prefix = ""): Map<string, string> {
  const found = new Map<string, string>();
  for (const entry of readdirSync(join(top, prefix), { withFileTypes: true })) {
    const path = join(prefix, entry.name);
    const full = join(top, path);
    found.set(path, entry.isDirectory() ? "/" : entry.isSymbolicLink() ? `-> ${readlinkSync(full)}` : readFileSync(full, "latin1"));
    if (entry.isDirectory()) for (const [below, content] of contentsOf(top, path)) found.set(below, content);
  }
  return found;
}

/** A mirror that stands, and something beside it. */
class World {
  readonly rig: MirrorRig;
  readonly mirror: StoredMirror;
  readonly root: string;

  private constructor(rig: MirrorRig, mirror: StoredMirror) {
    this.rig = rig;
    this.mirror = mirror;
    this.root = join(rig.target, "..");
  }

  static async make(): Promise<World> {
    const mirror = await StoredMirror.make();
    const rig = await MirrorRig.open({ files: await mirror.opened.files() });
    const world = new World(rig, mirror);
    mkdirSync(join(world.root, "outside"));
    writeFileSync(join(world.root, "outside", "precious"), "precious");
    mkdirSync(join(rig.upstream, "keep"));
    writeFileSync(join(rig.upstream, "keep", "small"), "kept");
    writeFileSync(join(rig.upstream, "keep", "large"), LARGE);
    writeFileSync(join(rig.upstream, "top"), "top");
    symlinkSync("../outside", join(rig.upstream, "link"));
    await rig.sync();
    return world;
  }

  /** What is beside the target. */
  outside(): string[] {
    return [...contentsOf(this.root)]
      .filter(([path]) => !path.startsWith("target/"))
      .map(([path, content]) => `${path}: ${content.slice(0, 40)} ${content.length}`);
  }

  /** What the hostile server is answered; how many of its pieces were read. */
  async hear({
    isIncremental = false,
    options = {},
    script,
    endless,
  }: Lie): Promise<{ readonly synced: Synced | undefined; readonly failure: unknown; readonly readCount: number }> {
    const written = new WrittenScript({ isIncremental });
    script(written);
    let readCount = 0;
    let more = 0;
    const read = (): Promise<Buffer | undefined> => {
      if (written.pieces.length === 0) endless?.(written, more++);
      readCount++;
      return Promise.resolve(written.pieces.shift());
    };
    this.rig.dial = () => Promise.resolve({ read, write: () => undefined, close: () => undefined });
    try {
      return { synced: await this.rig.sync({ limits: { openEntriesMax: 5000, growthBytesMax: 65_536 }, ...options }), failure: undefined, readCount };
    } catch (failure) {
      return { synced: undefined, failure, readCount };
    } finally {
      this.rig.dial = dialTcp;
    }
  }

  async close(): Promise<void> {
    await this.rig.close();
    await this.mirror.opened.close();
  }
}

const world = hasCommand("rsync") ? await World.make() : undefined;

function lies(name: string, lie: Lie): void {
  test(name, async () => {
    if (world === undefined) return skipped(`mirror: ${name}`, "rsync is not installed");
    const { rig, mirror } = world;
    const [beside, before] = [world.outside(), contentsOf(rig.target)];
    const { synced, failure, readCount } = await world.hear(lie);
    const after = contentsOf(rig.target);
    try {
      if (lie.code !== undefined) {
        if (!isRainbowError(failure, lie.code)) throw failure ?? new Error(`it was not refused: ${JSON.stringify(synced)}`);
        assert.match(failure.message, lie.words ?? /./);
        assert.not.match(failure.message, /[\x00-\x08\x0b-\x1f\x7f-\x9f]/);
      } else if (failure !== undefined) throw failure;
      else lie.told!(synced!, synced!.messages);
      assert.equal(world.outside(), beside, "nothing beside the target is another");
      for (const [path, content] of before) if (lie.changes?.includes(path) !== true) assert.ok(after.get(path) === content, `'${path}' is still there`);
      assert.ok(readCount < 20_000, `it was listened to for ${readCount} pieces`);
    } finally {
      // As a person allows it who has looked: a hostile server may have listed more than the rest of the mirror is.
      const { heldBecause, counts } = await rig.sync({ maxDelete: 10_000 });
      assert.is(heldBecause, "");
      assert.is(counts.failedCount, 0);
    }
    assert.equal(rig.differences(), []);
    assert.equal(contentsOf(rig.target), before);
    assert.is(rig.files.deletions.count, 0);
    assert.is(mirror.failure, undefined);
  });
}

const KEPT: readonly WireEntry[] = [ROOT_ENTRY, file("top", 3), directory("keep")];
const symlink = (path: string, linkTarget: string): WireEntry => ({ path, mode: 0o120777, linkTarget });

for (const path of ["../outside/evil", "..", "a/../../outside/evil", "/etc/evil", "keep//evil", "keep/", "./top", "a\0b", ""])
  lies(`the name ${JSON.stringify(path)} is refused`, { code: "RSYNC_PROTOCOL", script: (script) => script.open().list([...KEPT, file(path)]) });

lies("a symlink whose target has a zero byte is refused", {
  code: "RSYNC_PROTOCOL",
  script: (script) => script.open().list([ROOT_ENTRY, symlink("evil", "../out\0side")]),
});

for (const name of ["link", "fresh"])
  lies(`a file that is listed through the symlink '${name}' is refused`, {
    code: "RSYNC_PROTOCOL",
    script: (script) =>
      script
        .open()
        .list([ROOT_ENTRY, symlink(name, "../outside"), file(`${name}/evil`, 4)])
        .content(2, "evil")
        .finish(),
  });

lies("a file below a name that is listed as a file is refused", {
  code: "RSYNC_PROTOCOL",
  script: (script) =>
    script
      .open()
      .list([ROOT_ENTRY, file("new", 4), file("new/evil", 4)])
      .content(1, "evil")
      .content(2, "evil")
      .finish(),
});

lies("the list of a symlink is refused", {
  isIncremental: true,
  code: "RSYNC_PROTOCOL",
  script: (script) =>
    script
      .open()
      .list([ROOT_ENTRY, symlink("fresh", "../outside")])
      .index(-102)
      .list([file("fresh/evil", 4)]),
});

for (const isIncremental of [false, true])
  lies(`a directory where a symlink led out takes its place, and holds its own content (${isIncremental ? "list by list" : "in one list"})`, {
    isIncremental,
    changes: ["link", "keep", "top", "keep/small", "keep/large"],
    options: { maxDelete: 0 },
    script: (script) => {
      script.open();
      if (isIncremental)
        script
          .list([ROOT_ENTRY, directory("link")])
          .index(-102)
          .list([file("link/evil", 4)])
          .index(-2)
          .content(4, "evil")
          .finish(4);
      else
        script
          .list([ROOT_ENTRY, directory("link"), file("link/evil", 4)])
          .content(2, "evil")
          .finish();
    },
    told: ({ heldBecause }) => {
      assert.match(heldBecause, /gone upstream/);
      assert.is(readFileSync(join(world!.rig.target, "link", "evil"), "latin1"), "evil");
    },
  });

lies("a directory that is listed as a file, too, is a directory", {
  script: (script) =>
    script
      .open()
      .list([ROOT_ENTRY, file("keep", 4), directory("keep"), directory("keep")])
      .finish(),
  options: { maxDelete: 0 },
  told: ({ heldBecause, counts }) => assert.equal([heldBecause.includes("gone upstream"), counts.arrivedCount], [true, 0]),
});

lies("a name in the store's own directory is refused", {
  code: "TARGET_REFUSED",
  script: (script) =>
    script
      .open()
      .list([ROOT_ENTRY, directory(".rainbow"), file(".rainbow/evil", 4)])
      .content(2, "evil")
      .finish(),
});

lies("a name that no filesystem takes is refused, and what came beside it is known and goes again", {
  code: "LIMIT",
  changes: ["top"],
  script: (script) =>
    script
      .open()
      .list([ROOT_ENTRY, file("new", 4), file("top", 4), file("x".repeat(300), 4), file("zebra", 4)])
      .content(1, "evil")
      .content(2, "evil")
      .content(3, "evil")
      .content(4, "evil")
      .finish(),
});

lies("a list without end is refused at its limit", {
  code: "RSYNC_LIMIT",
  words: /more than 5000 entries/,
  script: (script) => script.open(),
  endless: (script, count) => script.data((out) => writeEntry(out, file(`f${count}`), script.style)),
});

lies("lists without end are refused at their limit", {
  isIncremental: true,
  code: "RSYNC_LIMIT",
  words: /more than 3000 entries/,
  options: { limits: { entriesMax: 3000 } },
  script: (script) => script.open().list([ROOT_ENTRY, ...Array.from({ length: 1000 }, (_, i) => directory(`d${String(i).padStart(4, "0")}`))]),
  endless: (script, count) =>
    script.index(-101 - count - 1).list(Array.from({ length: 10 }, (_, i) => symlink(`d${String(count).padStart(4, "0")}/s${i}`, "x"))),
});

for (const [name, code, script] of [
  ["name", "RSYNC_PROTOCOL", (script: WrittenScript) => script.open().data((out) => out.packed(0x40).packed(2 ** 31 - 1))],
  ["file", "RSYNC_LIMIT", (script: WrittenScript) => script.open().list([ROOT_ENTRY, file("evil", 2 ** 52)])],
  ["message", "RSYNC_PROTOCOL", (script: WrittenScript) => script.open().send(Buffer.from([0xff, 0xff, 0xff, 9]))],
  [
    "run of bytes",
    "RSYNC_PROTOCOL",
    (script: WrittenScript) =>
      script
        .open()
        .list([ROOT_ENTRY, file("evil", 2 ** 31)])
        .answer(1)
        .data((out) => out.i32(2 ** 31 - 1)),
  ],
] as const)
  lies(`a ${name} of an absurd length is refused before it comes`, { code, script });

lies("content that is not what its digest says, twice, is not stored, and deletes are held", {
  script: (script) =>
    script
      .open()
      .list([ROOT_ENTRY, file("top", 4)])
      .content(1, "evil", "good")
      .index(-1)
      .content(1, "evil", "good")
      .finish(2),
  told: ({ counts, heldBecause, heldBy }) => {
    assert.equal([counts.failedCount, counts.arrivedCount, counts.withdrawnCount, heldBy], [1, 0, 0, "top"]);
    assert.match(heldBecause, /could not be fetched/);
  },
});

lies("large content that is not what its digest says, twice, is not stored either", {
  script: (script) =>
    script
      .open()
      .list([ROOT_ENTRY, file("evil", 2 << 20)])
      .content(1, Buffer.alloc(2 << 20, 1), "good")
      .index(-1)
      .content(1, Buffer.alloc(2 << 20, 2), "good")
      .finish(2),
  told: ({ counts, heldBy }) => {
    assert.equal([counts.failedCount, counts.arrivedCount, counts.withdrawnCount, heldBy], [1, 0, 0, "evil"]);
    assert.not.ok(contentsOf(world!.rig.target).has("evil"));
  },
});

for (const sizeBytes of [10, 2 << 20])
  lies(`a file that goes on without end, listed with ${sizeBytes} bytes, is refused`, {
    code: "RSYNC_LIMIT",
    script: (script) =>
      script
        .open()
        .list([ROOT_ENTRY, file("evil", sizeBytes)])
        .answer(1),
    endless: (script) => script.data((out) => out.i32(30_000).bytes(Buffer.alloc(30_000))),
  });

lies("content that nobody asked for is refused", {
  code: "RSYNC_PROTOCOL",
  words: /not asked for/,
  script: (script) =>
    script
      .open()
      .list([ROOT_ENTRY, directory("keep")])
      .content(1, "evil"),
});

lies("a file that the server then does not send is told, and deletes are held", {
  script: (script) =>
    script
      .open()
      .list([ROOT_ENTRY, file("evil", 4)])
      .send(frame(102, Buffer.from([1, 0, 0, 0])))
      .finish(),
  told: ({ counts, heldBy }) => assert.equal([counts.failedCount, counts.withdrawnCount, heldBy], [1, 0, "evil"]),
});

lies("a list that ends early is refused", {
  code: "RSYNC_ENDED",
  script: (script) => script.open().data((out) => writeEntry(out, ROOT_ENTRY, script.style)),
});

lies("lists that are said to be all, where directories are missing, remove nothing of those", {
  isIncremental: true,
  options: { maxDelete: 0 },
  script: (script) =>
    script
      .open()
      .list([ROOT_ENTRY, directory("keep")])
      .index(-2)
      .finish(),
  told: ({ counts, heldBecause }) => {
    assert.match(heldBecause, /2 names are gone upstream/);
    assert.is(counts.withdrawnCount, 0);
  },
});

for (const isIncremental of [false, true])
  for (const entries of [[], [ROOT_ENTRY]])
    lies(`a list of ${entries.length} names removes nothing (${isIncremental ? "list by list" : "in one list"})`, {
      isIncremental,
      script: (script) => {
        script.open().list(entries);
        if (isIncremental) script.index(-2);
        script.finish();
      },
      told: ({ counts }) => assert.equal([counts.withdrawnCount, counts.failedCount], [0, 0]),
    });

lies("messages of any kind reach nobody's terminal as they are", {
  options: { maxDelete: 0 },
  script: (script) =>
    script
      .send("@RSYNCD: 32.0 sha512\n")
      .send("hello \x1b[31mred\x07\n")
      .send("@RSYNCD: OK\n")
      .send(openedRest())
      .send(frame(1, "failed \x1b]0;title\x07 \x9b2J"))
      .list([ROOT_ENTRY, file("top", 3)])
      .content(1, "top")
      .finish(),
  told: ({ heldBecause }, said) => {
    assert.is(said.length, 2);
    for (const text of [...said, heldBecause]) assert.not.match(text, /[\x00-\x08\x0a-\x1f\x7f-\x9f]/, JSON.stringify(text));
    assert.match(heldBecause, /failed/);
  },
});

for (const [name, script] of [
  ["before the module is open", (script: WrittenScript) => script.send("@RSYNCD: 32.0 sha512\n").send("@ERROR: no \x1b[31mreason\x07\n")],
  [
    "when it gives up",
    (script: WrittenScript) =>
      script
        .open()
        .send(frame(3, "no \x1b[31mreason"))
        .send(frame(86, Buffer.from([5, 0, 0, 0]))),
  ],
] as const)
  lies(`what a server says ${name} has no control characters`, { code: "RSYNC_REFUSED", words: /\\x1b/, script });

/** What follows the module's OK, as `open` says it. */
function openedRest(): Buffer {
  return new WrittenScript().open().pieces.at(-1)!;
}

test.after(() => world?.close());
test.run();
