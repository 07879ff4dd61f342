/** A mirror's history is pruned by the code that prunes a machine's: what is older than the window goes, snapshots and the rest stay. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { commitRebase, finishRebase, takeSnapshot } from "../../../src/actors/retention/index.ts";
import type { RebaseContext } from "../../../src/actors/retention/index.ts";
import { isRainbowError } from "../../../src/core/index.ts";
import type { ByteString, Revision, TimeUs } from "../../../src/core/index.ts";
import { TreeFileList } from "../../../src/projections/index.ts";
import type { MirrorFact } from "../../../src/projections/index.ts";
import { StoredMirror } from "../../support/stored-mirror.ts";

const test = suite("retention of mirrors");

const arrived = (path: string, sizeBytes: number): MirrorFact => ({
  type: "FileArrived",
  path: path as ByteString,
  kind: "file",
  mode: 0o644,
  mtimeSeconds: 5,
  mtimeNanos: 0,
  sizeBytes,
  rdev: 0,
  digest: { name: "xxh128", bytes: Buffer.alloc(16, sizeBytes) },
  place: { version: `v${sizeBytes}`, etag: '"e"' },
});

async function pathsAt({ opened }: StoredMirror, revision: Revision): Promise<string[]> {
  const list = new TreeFileList(await opened.machine.projection.viewAt(revision));
  const paths = [...list.children("d" as ByteString)].map(({ path, sizeBytes }) => `${path} ${sizeBytes}`);
  list.close();
  return paths;
}

function contextOf({ opened, store, clock }: StoredMirror): RebaseContext {
  return { machine: opened.machine, store, clock, signal: new AbortController().signal };
}

test("the window moves, a snapshot before it is kept, and what comes after goes on through a reopening and a replay", async () => {
  const mirror = await StoredMirror.make();
  const revisions: Revision[] = [];
  for (let i = 0; i < 30; i++) {
    const files = await mirror.opened.files();
    revisions.push(await files.record([arrived("d/steady", 7), arrived(`d/${i % 4}`, i)]));
    const { machine } = mirror.opened;
    if (i === 9) {
      await machine.projection.projected(revisions[9]!);
      await takeSnapshot(machine, { name: "kept", revision: revisions[9]!, atUs: 0 as TimeUs, pinned: true });
    }
    if (i === 20) {
      await machine.projection.projected(revisions[20]!);
      await machine.projection.buildTree();
    }
  }
  const before = await Promise.all([9, 20, 25, 29].map((i) => pathsAt(mirror, revisions[i]!)));
  const context = contextOf(mirror);
  assert.ok(await commitRebase(context, revisions[20]!));
  await finishRebase(context);
  const isGone = async (revision: Revision): Promise<boolean> =>
    isRainbowError(await pathsAt(mirror, revision).catch((error: unknown) => error), "INSTANT_OUTSIDE");
  for (const reopens of [false, true]) {
    if (reopens) await mirror.reopen();
    assert.equal(await Promise.all([9, 20, 25, 29].map((i) => pathsAt(mirror, revisions[i]!))), before);
    assert.ok((await isGone(revisions[5]!)) && (await isGone(revisions[15]!)));
    assert.equal(mirror.opened.definition().source, "rsync://host/module");
  }
  assert.ok((await mirror.store.info(mirror.opened.machine.stream)).truncatedBefore > 0, "events went, too");
  await (await mirror.opened.files()).record([arrived("d/0", 99)]);
  assert.equal((await mirror.opened.machine.projection.verifyReplay()).differences, []);
  assert.is(mirror.opened.machine.projection.ignoredCount, 0);
  await mirror.opened.close();
});

test("what a mirror is may be changed, and the newest word counts, also after the window moved", async () => {
  const mirror = await StoredMirror.make();
  await (await mirror.opened.files()).record([arrived("d/a", 1)]);
  await mirror.opened.redefine({ label: "other", source: "rsync://elsewhere/module", target: "/srv/other", options: { schedule: "1h" } });
  await mirror.reopen();
  assert.equal(mirror.opened.definition(), { label: "other", source: "rsync://elsewhere/module", target: "/srv/other", options: { schedule: "1h" } });
  const head = await (await mirror.opened.files()).record([arrived("d/b", 2)]);
  await mirror.opened.machine.projection.projected(head);
  await mirror.opened.machine.projection.buildTree();
  await commitRebase(contextOf(mirror), head);
  await finishRebase(contextOf(mirror));
  await mirror.reopen();
  assert.is(mirror.opened.definition().label, "other");
  await mirror.opened.close();
});

test.run();
