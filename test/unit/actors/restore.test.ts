import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { restore, undelete } from "../../../src/actors/restore/index.ts";
import type { UndeleteRequest } from "../../../src/actors/restore/index.ts";
import { openOs } from "../../../src/app/os/index.ts";
import { systemClock } from "../../../src/app/platform.ts";
import { isRainbowError, MACHINE_NODE, RainbowError } from "../../../src/core/index.ts";
import type { ByteString, ErrorCode, NodeId } from "../../../src/core/index.ts";
import { bytePath } from "../../support/compare-trees.ts";
import { FakeView } from "../../support/fake-view.ts";
import { failingOs, gather, requestOf, runRestore, told } from "../../support/restore-run.ts";
import { temporaryDirectory } from "../../support/temp.ts";

const test = suite("restore");
const os = openOs();

interface Scene {
  readonly base: string;
  readonly to: ByteString;
  readonly view: FakeView;
  readonly root: NodeId;
  readonly nodes: Readonly<Record<"a" | "big" | "sub" | "c", NodeId>>;
}

/** /…/root with a file a, a file big of 3 MiB and a bit, and a folder sub with a file c. */
function scene(): Scene {
  const base = temporaryDirectory("restore");
  const view = new FakeView();
  const mine = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const root = view.add(MACHINE_NODE, bytePath(join(base, "root")), "directory", { attributes: { ...mine, mode: 0o755 } });
  const a = view.add(root, "a", "file", { attributes: mine });
  view.write(a, Buffer.from("hello"));
  const big = view.add(root, "big", "file", { attributes: mine });
  view.write(big, Buffer.alloc((3 << 20) + 77, "big"));
  const sub = view.add(root, "sub", "directory", { attributes: { ...mine, mode: 0o755 } });
  const c = view.add(sub, "c", "file", { attributes: mine });
  view.write(c, Buffer.from("below"));
  return { base, to: bytePath(join(base, "to")), view, root, nodes: { a, big, sub, c } };
}

const inexact = os.source === "native" ? 0 : 1; // Without the addon the times' loss is one more item.

test("a run of a file is read once, at most 1 MiB at a time, and never cut inside an extent", async () => {
  const { view, to, root, nodes } = scene();
  const reads: [from: number, length: number][] = [];
  view.onRead = (node, offset, length) => void (node === nodes.big && reads.push([offset, length]));
  await runRestore(requestOf(os, { view, root }, to));
  assert.equal(reads, [
    [0, 1 << 20],
    [1 << 20, 1 << 20],
    [2 << 20, 1 << 20],
    [3 << 20, 77],
  ]);
});

test("a damaged file is named and never given, and the others are restored", async () => {
  const { base, view, to, root, nodes } = scene();
  view.onRead = (node, offset) => {
    if (node === nodes.big && offset > 0) throw new RainbowError("DIG_CHECKSUM", "chunk 7 does not match its hash");
  };
  const { items, summary } = await runRestore(requestOf(os, { view, root }, to));
  assert.ok(told(items, to).includes("failed /big (chunk 7 does not match its hash)"));
  assert.is(summary.failedCount, 1 + inexact);
  assert.equal(readdirSync(join(base, "to")), ["a", "sub"]);
});

test("a folder whose names cannot all be read is told, and nothing in it is deleted", async () => {
  const { base, view, to, root, nodes } = scene();
  mkdirSync(join(base, "to", "sub"), { recursive: true });
  writeFileSync(join(base, "to", "sub", "mine"), "");
  const list = view.list.bind(view);
  view.list = function* (parent) {
    yield* list(parent);
    if (parent === nodes.sub) throw new RainbowError("DIG_CHECKSUM", "page 3 does not match its checksum");
  };
  const { items } = await runRestore(requestOf(os, { view, root }, to, { with: { delete: true } }));
  assert.ok(told(items, to).includes("failed /sub (not all its names can be read: page 3 does not match its checksum)"));
  assert.ok(existsSync(join(base, "to", "sub", "mine")));
});

test("one file that the system refuses is one failure", async () => {
  const { view, to, root } = scene();
  const failing = failingOs(os, "openWrite", (path) => path.startsWith(`${to}/sub/`), "EACCES");
  const { items, summary } = await runRestore(requestOf(failing, { view, root }, to));
  assert.ok(told(items, to).includes("failed /sub/c (openWrite: EACCES)"));
  assert.is(summary.failedCount, 1 + inexact);
});

test("a full disk ends the restore with what to do, and leaves no half file under its name", async () => {
  const { base, view, to, root } = scene();
  let writes = 0;
  const failing = failingOs(os, "write", () => ++writes === 4, "ENOSPC"); // The marker, a, and the first run of big went well.
  await refuses(runRestore(requestOf(failing, { view, root }, to)), "DISK_FULL");
  assert.equal(
    readdirSync(join(base, "to")).filter((name) => !name.includes("unfinished")),
    ["a"],
  );
  const { summary } = await runRestore(requestOf(os, { view, root }, to));
  assert.is(summary.sameCount, 1);
  assert.is(summary.createdCount, 3);
});

test("metadata that cannot be set is told, and the file stands", async () => {
  const { base, view, to, root } = scene();
  const failing = failingOs(os, "chown", (path) => path.startsWith(`${to}/.rainbow`), "EPERM");
  const { items } = await runRestore(requestOf(failing, { view, root }, to));
  assert.ok(told(items, to).some((line) => line.startsWith("metadata-failed /a (could not set owner")));
  assert.is(readFileSync(join(base, "to", "a"), "utf8"), "hello");
});

test("an unsettled version and a gap are said with the item, and counted", async () => {
  const { view, to, root, nodes } = scene();
  view.unsettle(nodes.a);
  view.open({ node: nodes.sub, reason: "unreadable", detail: "list: EACCES" });
  const { items, summary } = await runRestore(requestOf(os, { view, root }, to));
  assert.ok(told(items, to).includes("created /a (unsettled: this version could not be read at rest)"));
  assert.ok(told(items, to).includes("created /sub (in a gap (unreadable): list: EACCES)"));
  assert.is(summary.doubtfulCount, 2);
});

test("a purged file is left out and counted, and what stands in its place stays", async () => {
  const { base, view, to, root, nodes } = scene();
  await runRestore(requestOf(os, { view, root }, to));
  writeFileSync(join(base, "to", "a"), "mine");
  view.purge(nodes.a);
  const { items, summary } = await runRestore(requestOf(os, { view, root }, to, { with: { overwrite: true, delete: true } }));
  assert.ok(told(items, to).includes("purged /a (its content was purged (r9))"));
  assert.equal([summary.purgedCount, summary.replacedCount], [1, 0]);
  assert.is(readFileSync(join(base, "to", "a"), "utf8"), "mine");
});

test("patterns restore a part, with only the folders on the way to it", async () => {
  const { base, view, to, root } = scene();
  view.add(root, "empty", "directory");
  const { summary } = await runRestore(requestOf(os, { view, root }, to, { with: { include: ["c"] } }));
  assert.equal(readdirSync(join(base, "to"), { recursive: true }).map(String).sort(), ["sub", "sub/c"]);
  assert.is(summary.createdCount, 3);
  rmSync(join(base, "to"), { recursive: true });
  await runRestore(requestOf(os, { view, root }, to, { with: { exclude: ["sub/", "big"] } }));
  assert.equal(readdirSync(join(base, "to")).sort(), ["a", "empty"]);
});

test("a file goes into a folder under its name, else under the target's, as cp has it", async () => {
  const { base, view, root, nodes } = scene();
  mkdirSync(join(base, "folder"));
  const path = bytePath(join(base, "root", "a"));
  const request = (target: string): ReturnType<typeof requestOf> => requestOf(os, { view, root }, bytePath(join(base, target)), { node: nodes.a, path });
  await runRestore(request("folder"));
  await runRestore(request("other"));
  assert.is(readFileSync(join(base, "folder", "a"), "utf8"), "hello");
  assert.is(readFileSync(join(base, "other"), "utf8"), "hello");
  await refuses(runRestore(request("folder")), "TARGET_REFUSED");
  await refuses(runRestore(request("missing/other")), "TARGET_REFUSED");
});

test("a file restored over a symlink replaces it and leaves what it leads to", async () => {
  const { base, view, root, nodes } = scene();
  writeFileSync(join(base, "elsewhere"), "elsewhere");
  symlinkSync(join(base, "elsewhere"), join(base, "link"));
  const path = bytePath(join(base, "root", "a"));
  await runRestore(requestOf(os, { view, root }, bytePath(join(base, "link")), { node: nodes.a, path, with: { overwrite: true } }));
  assert.is(readFileSync(join(base, "elsewhere"), "utf8"), "elsewhere");
  assert.is(readFileSync(join(base, "link"), "utf8"), "hello");
});

test("undelete makes the folders above again, as they were", async () => {
  const { base, view, nodes } = scene();
  const path = bytePath(join(base, "root", "sub", "c"));
  const { items } = await runUndelete({ os, view, path, clock: systemClock() });
  assert.is(readFileSync(join(base, "root", "sub", "c"), "utf8"), "below");
  assert.is(os.lstat(bytePath(join(base, "root", "sub"))).mtimeSeconds, view.node(nodes.sub)?.attributes.mtimeSeconds);
  assert.is(items.filter(({ what }) => what === "created").length, 3);
});

test("undelete never takes the place of anything", async () => {
  const { base, view } = scene();
  const path = bytePath(join(base, "root", "a"));
  mkdirSync(join(base, "root"));
  writeFileSync(join(base, "root", "a"), "new");
  await refuses(runUndelete({ os, view, path, clock: systemClock() }), "TARGET_REFUSED");
  assert.is(readFileSync(join(base, "root", "a"), "utf8"), "new");
  await runUndelete({ os, view, path, target: bytePath(join(base, "aside")), clock: systemClock() });
  assert.is(readFileSync(join(base, "aside"), "utf8"), "hello");
  await refuses(runUndelete({ os, view, path: `${path}-not` as ByteString, clock: systemClock() }), "NOT_FOUND");
});

test("undelete does not go through a symlink that stands where a folder was", async () => {
  const { base, view } = scene();
  mkdirSync(join(base, "outside"));
  mkdirSync(join(base, "root"));
  symlinkSync(join(base, "outside"), join(base, "root", "sub"));
  await refuses(runUndelete({ os, view, path: bytePath(join(base, "root", "sub", "c")), clock: systemClock() }), "TARGET_REFUSED");
  assert.equal(readdirSync(join(base, "outside")), []);
});

test("a reader that goes away stops the restore, and waits until nothing runs any more", async () => {
  const { base, view, to, root, nodes } = scene();
  const clock = { ...systemClock(), now: () => 1, monotonicUs: busyClock(), sleep: async () => {} } as never;
  for await (const output of restore(requestOf(os, { view, root }, to, { clock }))) if (output.type === "restored" && output.path === `${to}/a`) break;
  view.onRead = () => assert.unreachable("it went on");
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.not.ok(existsSync(join(base, "to", "sub")));
  assert.ok(nodes.sub > 0);
});

test("more items than the reader takes at once arrive in order, and the summary is the last", async () => {
  const { view, to, root } = scene();
  for (let i = 0; i < 3000; i++) view.add(root, `n${String(i).padStart(4, "0")}`, "symlink", { linkTarget: "x" });
  const names: string[] = [];
  let last = "";
  for await (const output of restore(requestOf(os, { view, root }, to))) {
    if (output.type === "restored" && output.what === "created") names.push(output.path.slice(to.length + 1));
    last = output.type;
  }
  assert.equal(
    names.filter((name) => name.startsWith("n")),
    Array.from({ length: 3000 }, (_, i) => `n${String(i).padStart(4, "0")}`),
  );
  assert.is(last, "summary");
});

test("the target is made durable before the marker of an unfinished restore goes", async () => {
  const { base, view, to, root } = scene();
  let wasMarked = false;
  const sync = async (): Promise<void> => void (wasMarked = readdirSync(join(base, "to")).includes(".rainbow-restore-unfinished"));
  await runRestore(requestOf(os, { view, root }, to, { sync }));
  assert.ok(wasMarked);
  assert.equal(readdirSync(join(base, "to")), ["a", "big", "sub"]);
});

/** Each look finds a second gone, so that the restore rests wherever it may. */
function busyClock(): () => number {
  let nowUs = 0;
  return () => (nowUs += 1_000_000);
}

function runUndelete(request: UndeleteRequest): ReturnType<typeof gather> {
  return gather(undelete(request));
}

async function refuses(running: Promise<unknown>, code: ErrorCode): Promise<void> {
  try {
    await running;
    assert.unreachable("it was not refused");
  } catch (error) {
    assert.ok(isRainbowError(error, code), String(error));
  }
}

test.run();
