// Time limit: 300 s
/** The audit from the outside: who asked for what, what became of files, and proof that the stored history is whole. */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { NewEvent, StoredEvent } from "../../src/events/index.ts";
import { openLmdbEventStore } from "../../src/events/lmdb/index.ts";
import { tamperedCopy } from "../support/audit-history.ts";
import { end, Household, start } from "../support/cli.ts";

const test = suite("audit from the outside");
const home = new Household();
const file = (name: string): string => join(home.docs, name);
const me = userInfo();

interface Item {
  readonly kind: string;
  readonly source: string;
  readonly result: string;
  readonly code: string;
  readonly detail: string;
  readonly paths: readonly string[];
  readonly operation?: string;
  readonly asOfRevision?: number;
  readonly who?: { readonly uid: number; readonly user: string; readonly pid: number };
}

async function audit(words: readonly string[], exitCode = 0): Promise<Item[]> {
  const text = await home.ok(["audit", ...words, "--json"], exitCode);
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Item);
}

const summary = (items: readonly Item[]): string[] => items.map(({ kind, result, operation }) => `${operation ?? kind} ${result}`);

test.before(async () => {
  mkdirSync(file("sub"));
  writeFileSync(file("letter.txt"), "one\n");
  writeFileSync(file("sub/other.txt"), "other\n");
  await home.startUp("docs");
  await home.ok(["snapshot", "start"]);
  writeFileSync(file("letter.txt"), "one two\n");
  await home.ok(["flush"]);
  renameSync(file("letter.txt"), file("report.txt"));
  rmSync(file("sub/other.txt"));
  await home.ok(["flush"]);
});

test.after(async () => {
  await home.stopUp().catch(() => undefined); // Where a test failed before it was stopped.
  rmSync(home.docs, { recursive: true, force: true });
});

test("what people ask for is kept with who asked and what came of it", async () => {
  const since = new Date().toISOString();
  await home.ok(["cat", "docs/letter.txt@start"]);
  await home.ok(["ls", "docs@start"]);
  await home.ok(["ls", "docs"]);
  await home.ok(["cat", "docs/nothing"], 1);
  await home.ok(["restore", "docs@start", "--to", join(home.base, "back")]);
  await home.ok(["undelete", "docs/sub/other.txt"]);
  await home.ok(["policy", "set", "keep=90d"]);
  await home.ok(["policy", "set", "keep=never"], 2);
  await home.ok(["snapshots", "drop", "start"]);
  const items = (await audit(["--since", since])).filter(({ source }) => source === "asked").toReversed();
  assert.equal(summary(items), [
    "read done",
    "list done",
    "read refused",
    "restore started",
    "restore done",
    "undelete started",
    "undelete done",
    "setPolicy done",
    "setPolicy refused",
    "dropSnapshot done",
  ]);
  for (const { who } of items) assert.equal([who?.uid, who?.user, (who?.pid ?? 0) > 0], [me.uid, me.username, true]);
  const restored = items.find(({ operation, result }) => operation === "restore" && result === "done");
  assert.equal(restored?.paths, [home.docs]);
  assert.match(restored?.detail ?? "", /to '.*\/back': 4 created, 0 replaced/);
  assert.ok((restored?.asOfRevision ?? 0) > 0);
  assert.is(items.find(({ operation, result }) => operation === "read" && result === "refused")?.code, "NOT_FOUND");
  assert.match(await home.ok(["audit", "--what", "restore"]), new RegExp(`restore +done +${me.username} .*docs .*4 created`));
});

test("writes are the machine's own facts: by file through its renames, or all below a folder", async () => {
  const ofFile = (await audit(["docs/report.txt", "--what", "write"])).map(({ detail }) => detail);
  assert.match(ofFile.join("\n"), /^renamed from 'letter.txt'\nwritten 8 bytes.*\ncreated, written 4 bytes$/);
  const below = await audit(["--what", "write", "docs/sub"]);
  assert.ok(below.some(({ paths, detail }) => paths[0] === file("sub/other.txt") && detail === "deleted"));
  assert.ok(below.every(({ paths }) => paths[0]?.startsWith(file("sub"))));
  assert.equal(
    (await audit(["--what", "enrol"])).map(({ detail }) => /"hashKey":"\(secret\)"/.test(detail)),
    [true],
  );
});

test("filters choose by who, what, when, and how many; what does not exist is refused", async () => {
  assert.ok((await audit(["--who", me.username, "--limit", "3"])).length === 3);
  await audit(["--who", "nobody-of-that-name"], 1);
  assert.ok((await audit(["--what", "refused"])).every(({ result }) => result === "refused"));
  const all = await audit([]);
  const middle = all[Math.floor(all.length / 2)] as unknown as { readonly time: string };
  const [later, earlier] = [await audit(["--since", middle.time]), await audit(["--until", middle.time])];
  assert.ok(later.length + earlier.length >= all.length, "nothing is missing between the two");
  assert.ok(later.length < all.length && earlier.length < all.length);
  assert.match(await home.ok(["audit", "--machine", "elsewhere", "--json"], 1), /"code":"NOT_FOUND"/);
  const two = new Set((await audit(["--what", "enrol,start", "--what", "restore"])).map(({ kind }) => kind));
  assert.equal([...two].sort(), ["enrol", "restore", "start"]);
  await home.ok(["audit", "--what", "wishes"], 2);
  await home.ok(["audit", "--head", "00"], 2);
});

test("follow shows the newest of before and then what happens", async () => {
  const child = start(["audit", "--follow", "--limit", "2"], { cwd: home.base, env: home.env });
  const ended = end(child);
  let text = "";
  child.stdout?.on("data", (data: Buffer) => (text += data.toString()));
  while (text.split("\n").length < 3) await delay(50);
  writeFileSync(file("followed.txt"), "x");
  await home.ok(["flush"]);
  await home.ok(["cat", "docs/followed.txt"]);
  while (!/read +done .*followed\.txt/.test(text)) await delay(50);
  child.kill("SIGINT");
  assert.is((await ended).exitCode, 130);
  const lines = text.trimEnd().split("\n");
  assert.is(lines.filter((line) => /write .*followed\.txt {2}created/.test(line)).length, 1, text);
  assert.is(new Set(lines).size, lines.length, "nothing comes twice");
});

test("history is proven whole while it runs and when it does not, from the head that was kept, also after a rebase", async () => {
  const head = (await home.ok(["audit", "head"])).trim();
  assert.match(head, /^host-audit-[-0-9a-f]{36}@\d+:[0-9a-f]{64},machine-[-0-9a-f]{36}@\d+:[0-9a-f]{64}$/);
  writeFileSync(file("after-head.txt"), "x");
  await home.ok(["flush"]);
  assert.match(await home.ok(["audit", "--verify", "--head", head]), /history is whole, and goes on from the head that was kept/);
  await home.ok(["rebase", "--to", "now"]);
  const late = (await home.ok(["audit", "head"])).trim();
  assert.match(await home.ok(["audit", "--verify", "--head", late]), /machine-.*\(older events were let go\)/);
  await home.ok(["audit", "--verify", "--head", head], 1); // The machine's part is from before the window: nothing can prove it.
  for (const name of ["a", "b", "c", "d", "e", "f"]) {
    writeFileSync(file(`more-${name}`), name);
    await home.ok(["flush", "-q"]);
    await home.ok(["cat", `docs/more-${name}`]);
  }
  await home.stopUp();
  assert.match(await home.ok(["audit", "--verify", "--head", late]), /history is whole, and goes on/);
  await home.ok(["audit", "--verify", "--head", `${late.split(":")[0]}:${"ab".repeat(32)}`], 30);
});

const isMachine = (stream: string): boolean => stream.startsWith("machine-");

/** Puts a copy of events.lmdb in its place in which `tamper` had its way, and gives what `words` then say. */
async function tampered(tamper: (events: StoredEvent[], stream: string) => readonly NewEvent[], words: readonly string[], exitCode: number): Promise<string> {
  const [path, kept, copy] = [join(home.data, "events.lmdb"), join(home.data, "events.kept"), join(home.data, "events.copy")];
  const from = await openLmdbEventStore({ path, create: false });
  const to = await openLmdbEventStore({ path: copy, create: true });
  await tamperedCopy(from, tamper, to);
  await from.close();
  await to.close();
  renameSync(path, kept);
  renameSync(copy, path);
  try {
    return await home.ok(words, exitCode);
  } finally {
    renameSync(kept, path);
    for (const left of [`${copy}-lock`, `${path}-lock`, `${kept}-lock`]) if (existsSync(left)) rmSync(left);
  }
}

test("an event altered, removed, exchanged or cut off on the disk is found and named, a whole new history by the head alone", async () => {
  const head = (await home.ok(["audit", "head"])).trim();
  const verify = ["audit", "--verify"];
  assert.match(await tampered((events) => events, verify, 0), /history is whole/);
  const alter = (at: number) => (events: StoredEvent[], stream: string) =>
    isMachine(stream)
      ? events.map((event, i) => (i === at ? { ...event, data: event.data.map((byte, k) => (k === event.data.length - 1 ? byte ^ 1 : byte)) } : event))
      : events;
  // Which event it is decides what is told of it: that it cannot be read, or that its batch is another one.
  assert.match(await tampered(alter(6), verify, 30), /machine-.* r\d+: /);
  const remove = (events: StoredEvent[], stream: string) => (isMachine(stream) ? events.filter((_, i) => i !== 6) : events);
  assert.match(await tampered(remove, verify, 30), /machine-.* r\d+: /);
  const exchange = (events: StoredEvent[], stream: string) =>
    isMachine(stream) ? events.map((event, i) => (i === 6 ? events[9]! : i === 9 ? events[6]! : event)) : events;
  assert.match(await tampered(exchange, verify, 30), /machine-.* r\d+: /);
  // Whole batches, so that nothing of the chain itself is wrong: every entry of the audit knew more.
  const cutTail = (events: StoredEvent[], stream: string) => (isMachine(stream) ? events.slice(0, lastBatchStart(events, 4)) : events);
  assert.match(await tampered(cutTail, verify, 30), /machine-.*the stream ends at r\d+, and entry r\d+ of the audit knows of r\d+: its end was cut off/);
  const alone = (events: StoredEvent[], stream: string) =>
    isMachine(stream) ? events.slice(0, lastBatchStart(events, 1)) : stream.startsWith("host-audit") ? [] : events;
  assert.match(await tampered(alone, verify, 0), /history is whole/);
  assert.match(
    await tampered(alone, [...verify, "--head", head], 30),
    /machine-.*and the head that was kept knows of r\d+: its end was cut off[\s\S]*host-audit-.*it is gone/,
  );
  assert.match(await home.ok([...verify, "--head", head]), /history is whole/, "and nothing of this was left behind");
});

/** Where the last so many batches begin. */
function lastBatchStart(events: readonly StoredEvent[], count: number): number {
  const ids = events.map(({ id }) => Buffer.from(id).subarray(0, 14).toString("hex")); // Epoch and sequence.
  let at = events.length;
  for (let i = 0; i < count; i++) {
    at -= 1;
    while (at > 0 && ids[at - 1] === ids[at]) at -= 1;
  }
  return at;
}

test.run();
