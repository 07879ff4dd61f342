/** What people read of mirrors: how far a sync is and what it came to, checks and recoveries, and the syncs of before. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { MirrorLogItem, MirrorProgressItem, Operations } from "../../../src/app/index.ts";
import { checkText, recoveryText, scrubText } from "../../../src/cli/mirror-words.ts";
import { items, rainbow } from "./fake-context.ts";

const test = suite("cli: words about mirrors");

const COUNTS = {
  entryCount: 12,
  totalBytes: 40 * 2 ** 30,
  arrivedCount: 3,
  touchedCount: 0,
  withdrawnCount: 1,
  failedCount: 0,
  leftOverCount: 0,
  skippedCount: 0,
  queuedCount: 0,
  wantedCount: 3,
  wantedBytes: 2 ** 30,
  fetchedBytes: 2 ** 30,
  reusedBytes: 0,
  receivedBytes: 2 ** 30,
  sentBytes: 1000,
  ioError: 0,
  heldBecause: "",
  heldBy: "" as never,
};
const synced = { type: "mirror-synced", name: "m", ...COUNTS, isUnchanged: false, seconds: 10 } as const;
const progress = (more: Partial<MirrorProgressItem>): MirrorProgressItem => ({
  type: "mirror-progress",
  name: "m",
  phase: "fetching",
  doneCount: 0,
  allCount: 0,
  doneBytes: 0,
  allBytes: 0,
  listedCount: 7,
  receivedBytes: 0,
  isGrowing: true,
  ...more,
});

test("a sync says on a terminal what it has of what is known so far, and at its end what came, how fast, and what that saved", async () => {
  const fetching = progress({ doneCount: 1, allCount: 3, doneBytes: 2 ** 29, allBytes: 2 ** 30 });
  const mirrorSync: Operations["mirrorSync"] = () =>
    items(progress({ phase: "comparing" }), fetching, { ...fetching, phase: "committing", isGrowing: false }, synced);
  const answer = await rainbow(["mirror", "sync", "m"], { operations: { mirrorSync }, isTerminal: true });
  assert.match(answer.stderr, /m: comparing: 7\b/);
  assert.match(answer.stderr, /m: fetching: 1 of 3 · 512\.0 MiB of 1\.0 GiB so far/);
  assert.match(answer.stderr, /m: committing: 1 of 3 · 512\.0 MiB of 1\.0 GiB \(50 %\)/);
  assert.match(
    answer.stdout,
    /m: 12 entries, 40\.0 GiB upstream; 3 new or changed, 1 deleted; 1\.0 GiB received, 1000 B sent in 10 s \(102\.4 MiB\/s\); speedup 40\.00/,
  );
  assert.is((await rainbow(["mirror", "sync", "m"], { operations: { mirrorSync } })).stderr, "", "nobody looks at a terminal");
});

test("several mirrors share one line; programs are told at most once a second", async () => {
  const one = progress({ doneCount: 1, allCount: 2, doneBytes: 2 ** 20, allBytes: 2 ** 21, isGrowing: false });
  const mirrorSync: Operations["mirrorSync"] = () => items(one, { ...one, name: "n" }, one, { ...synced, name: "n" }, synced);
  assert.match(
    (await rainbow(["mirror", "sync"], { operations: { mirrorSync }, isTerminal: true })).stderr,
    /2 mirrors: 2 of 4 · 2\.0 MiB of 4\.0 MiB \(50 %\)/,
  );
  const told = (await rainbow(["mirror", "sync", "--json"], { operations: { mirrorSync } })).stdout
    .split("\n")
    .filter((line) => line.includes("mirror-progress"));
  assert.is(told.length, 2);
});

test("a check and a recovery end with a sentence", () => {
  const none = new Map<string, number>();
  assert.is(checkText({ entryCount: 6, faultCount: 0, readBytes: 18_000_012, unprovenCount: 0 }, none, true), "6 names, 17.2 MiB read, nothing wrong");
  assert.is(checkText({ entryCount: 1, faultCount: 0, readBytes: 0, unprovenCount: 0 }, none, false), "1 name, nothing wrong");
  const faults = new Map([
    ["missing", 2],
    ["attributes", 1],
  ]);
  assert.is(checkText({ entryCount: 1200, faultCount: 3 }, faults, false), "1,200 names, 3 wrong (2 missing, 1 of another mode or time)");
  assert.match(checkText({ entryCount: 2, readBytes: 5, provenCount: 2 }, none, true), /nothing wrong, 2 files proven to be as the server said$/);
  assert.is(scrubText({ readBytes: 0, provenCount: 0, lostCount: 0 }), "nothing was to be proven");
  assert.is(scrubText({ readBytes: 3000, provenCount: 1, lostCount: 0 }), "1 file proven to be as the server said, 2.9 KiB read");
  assert.match(
    scrubText({ readBytes: 0, provenCount: 0, lostCount: 2 }),
    /^0 files proven to be as the server said, 2 not: the next sync fetches them whole, /,
  );
  assert.match(checkText({ entryCount: 2, readBytes: 5, unprovenCount: 1 }, none, true), /no digest is known of 1 file: only the length speaks for it$/);
  const counts = { objectCount: 9, sameCount: 9, adoptedCount: 0, correctedCount: 0, withdrawnCount: 0, ignoredCount: 0 };
  assert.is(recoveryText(counts), "9 objects, all in the list as they are");
  assert.is(recoveryText({ ...counts, sameCount: 4, adoptedCount: 5 }), "9 objects: 4 in the list as they are, 5 taken into the list");
});

test("the log has a line for each sync, the newest first, with what it came to and how long it took", async () => {
  const at = (seconds: number): number => (1_777_000_000 + seconds) * 1e6;
  const item = (revision: number, seconds: number, event: MirrorLogItem["event"], data: Record<string, unknown> = {}): MirrorLogItem => ({
    type: "mirror-log",
    revision,
    timeUs: at(seconds),
    event,
    data,
  });
  const log = [
    item(60, 900, "SyncStarted", { cause: "schedule" }),
    item(52, 800, "SyncFailed", { code: "RSYNC_ENDED", message: "the server went away" }),
    item(50, 788, "SyncStarted", { cause: "trigger" }),
    item(40, 700, "SyncStarted", { cause: "schedule" }),
    item(30, 610, "SyncFinished", { ...COUNTS, withdrawnCount: 0, heldBecause: "an I/O error", heldBy: "pool/x" }),
    item(20, 600, "SyncStarted", { cause: "command" }),
    item(0, 0, "MirrorDefined", { source: "rsync://h/m", target: "/t", options: { everyMs: 3_600_000, targetIdentity: "x" } }),
  ];
  const asked: number[] = [];
  const mirrorLog: Operations["mirrorLog"] = ({ maxCount }) => (asked.push(maxCount), items(...log.slice(0, maxCount)));
  const lines = (await rainbow(["mirror", "log", "m"], { operations: { mirrorLog } })).stdout.trimEnd().split("\n");
  assert.equal(
    lines.map((line) => line.replace(/^.*?\(r/, "r").replace(")", "")),
    [
      "r60  started, and has no end yet (by schedule)",
      "r52  failed after 12 s: the server went away [RSYNC_ENDED] (triggered)",
      "r40  started, and was cut off: the process ended (by schedule)",
      "r30  finished: 3 arrived, 1.0 GiB received of 40.0 GiB, 10 s; nothing was deleted: an I/O error (pool/x) (asked for)",
      "r0  defined: rsync://h/m to /t, --every 1h",
    ],
  );
  assert.is((await rainbow(["mirror", "log", "m", "--number", "2"], { operations: { mirrorLog } })).stdout.trimEnd().split("\n").length, 2);
  const json = await rainbow(["mirror", "log", "m", "--number", "2", "--json"], { operations: { mirrorLog } });
  assert.is(json.stdout.trimEnd().split("\n").length, 2);
  assert.equal(asked, [40, 4, 2]);
});

test("a check that cannot ask the server does not say that it has the same", async () => {
  const operations: Partial<Operations> = {
    mirrorCheck: () => items({ type: "summary" as const, counts: { entryCount: 1, faultCount: 0, readCount: 0, readBytes: 0, unprovenCount: 0 } }),
    mirrorSync: () => items({ type: "mirror-failed" as const, name: "m", code: "RSYNC_UNREACHABLE", message: "cannot be reached" }),
  };
  const { exitCode, stdout } = await rainbow(["mirror", "check", "m"], { operations });
  assert.is(exitCode, 23);
  assert.is(stdout, "m: 1 name, nothing wrong\n");
});

test.run();
