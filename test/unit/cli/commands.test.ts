/** What commands say and how they end, over operations that the test makes up. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { InstantWords, Operations, RestoreRequest, RestoreSummary } from "../../../src/app/index.ts";
import { COMMANDS, commandName } from "../../../src/cli/commands/index.ts";
import { RainbowError } from "../../../src/core/index.ts";
import { AS_OF, bytes, entry, items, notFound, NOW_US, PROTECTED, rainbow, root, statusAnswer } from "./fake-context.ts";
import type { Fake } from "./fake-context.ts";

const test = suite("commands");

/** `list` that notes what it was asked. */
function listing(asked: { path?: string; at?: InstantWords; depthMax?: number }[], ...entries: ReturnType<typeof entry>[]): Fake {
  const list: Operations["list"] = (request) => {
    asked.push(request);
    return items(AS_OF, ...entries);
  };
  return { operations: { list } };
}

test("ls prints entries on stdout and as of when on stderr, with the user's zone", async () => {
  const answer = await rainbow(["ls"], listing([], entry(`${PROTECTED}/a.txt`), entry(`${PROTECTED}/sub`, { kind: "directory", mode: 0o755 })));
  assert.is(answer.stderr, "as of 2026-05-01 17:00:00.123 +08:00 (r4821)\n");
  assert.match(answer.stdout, /^-rw-r--r-- {2}1000:1000 {4}4\.0 KiB {2}2026-04-24 11:06:40 {2}a\.txt\ndrwxr-xr-x .* sub\/\n$/);
  assert.is(answer.exitCode, 0);
});

test("ls takes PATH@INSTANT, a plain path, --at, and nothing", async () => {
  const asked: { path?: string; at?: InstantWords }[] = [];
  for (const words of [["sub@10m"], [`${PROTECTED}/../docs/sub/`], ["--at", "r7", "sub"], [], ["@r7"]]) await rainbow(["ls", ...words], listing(asked));
  assert.equal(
    asked.map(({ path, at }) => [path, at?.kind === "time" ? at.us : at]),
    [
      [`${PROTECTED}/sub`, NOW_US - 600e6],
      [`${PROTECTED}/sub`, { kind: "now" }],
      [`${PROTECTED}/sub`, { kind: "revision", revision: 7 }],
      [PROTECTED, { kind: "now" }],
      [PROTECTED, { kind: "revision", revision: 7 }],
    ],
  );
});

test("mirror:NAME/PATH is a mirror's, with an instant as ever; ./mirror:x is a file of that name", async () => {
  const asked: { path?: string; at?: InstantWords }[] = [];
  for (const words of [["mirror:debian/dists//a/../b/@r7"], ["mirror:debian"], ["--at", "r7", "mirror:debian/"], ["./mirror:x"]])
    await rainbow(["ls", ...words], listing(asked));
  assert.equal(
    asked.map(({ path, at }) => [path, at]),
    [
      ["mirror:debian/dists/b", { kind: "revision", revision: 7 }],
      ["mirror:debian", { kind: "now" }],
      ["mirror:debian", { kind: "revision", revision: 7 }],
      [`${PROTECTED}/mirror:x`, { kind: "now" }],
    ],
  );
});

test("an @ that no instant follows belongs to the name, unless a snapshot has that name", async () => {
  const asked: { path?: string; at?: InstantWords }[] = [];
  await rainbow(["ls", "me@host"], listing(asked));
  const named = listing(asked);
  await rainbow(["ls", "me@host"], { operations: { ...named.operations, snapshots: async () => [{ name: "host", revision: 3, timeUs: 0, pinned: false }] } });
  assert.equal(asked, [
    { path: bytes(`${PROTECTED}/me@host`), at: { kind: "now" }, depthMax: 1 },
    { path: bytes(`${PROTECTED}/me`), at: { kind: "name", name: "host" }, depthMax: 1 },
  ]);
});

test("a name that exists as a whole is an ambiguity with both ways out, and ./ and --at take them", async () => {
  const asked: { path?: string; at?: InstantWords }[] = [];
  const fake = { ...listing(asked), files: { [`${PROTECTED}/a@10m`]: "file" as const } };
  const refused = await rainbow(["ls", "a@10m"], fake);
  assert.is(refused.exitCode, 2);
  assert.match(refused.stderr, /write \.\/a@10m for the file of that name, --at 10m a for 'a' at that instant \[PATH_AMBIGUOUS\]/);
  await rainbow(["ls", "./a@10m"], fake);
  await rainbow(["ls", "--at", "10m", "a"], fake);
  assert.equal(
    asked.map(({ path, at }) => [path, at?.kind]),
    [
      [`${PROTECTED}/a@10m`, "now"],
      [`${PROTECTED}/a`, "time"],
    ],
  );
});

test("a name that exists only in the store is an ambiguity too", async () => {
  const stat: Operations["stat"] = async ({ path }) => ({ asOf: AS_OF, entry: entry(path) });
  const answer = await rainbow(["ls", "a@10m"], { operations: { stat } });
  assert.is(answer.exitCode, 2);
});

test("an instant that cannot be taken ends with 2 and names the choices", async () => {
  const future = await rainbow(["ls", "a@2027-01-01"], {});
  assert.is(future.exitCode, 2);
  assert.match(future.stderr, /still to come .*\[INSTANT_FUTURE\]/);
  assert.is((await rainbow(["ls", "--at", "25:00"], {})).exitCode, 2);
});

test("warnings follow the as-of line, and end with 3", async () => {
  const list: Operations["list"] = () => items({ ...AS_OF, warnings: ["a gap touches this: overflow since 16:00"] }, entry(`${PROTECTED}/a`));
  const answer = await rainbow(["ls", "--quiet"], { operations: { list } });
  assert.is(answer.exitCode, 3);
  assert.is(answer.stderr, "rainbow: a gap touches this: overflow since 16:00\n");
  assert.match(answer.stdout, / a\n$/);
});

test("--json gives one object a line, times in UTC, and names that are no text in base64 too", async () => {
  const odd = { ...entry(`${PROTECTED}/x`), path: `${PROTECTED}/\xff` as never, name: "\xff" as never };
  const answer = await rainbow(["ls", "--json"], listing([], odd));
  const [asOf, line] = answer.stdout
    .trimEnd()
    .split("\n")
    .map((text) => JSON.parse(text) as Record<string, unknown>);
  assert.equal(asOf, { type: "as-of", revision: 4821, time: "2026-05-01T09:00:00.123000Z", warnings: [] });
  assert.is(line?.["name"], "\\xff");
  assert.is(line?.["nameBase64"], "/w==");
  assert.is(line?.["mtime"], "2026-04-24T03:06:40.000000005Z");
  assert.not("mtimeNanos" in (line ?? {}));
});

test("names cannot speak to the terminal", async () => {
  const answer = await rainbow(["ls", "-1"], listing([], entry(`${PROTECTED}/a\x1b[31m\n`), entry(`${PROTECTED}/größe`)));
  assert.is(answer.stdout, "a\\x1b[31m\\x0a\ngröße\n");
});

test("tree indents, counts, and passes the depth on", async () => {
  const asked: { depthMax?: number }[] = [];
  const fake = listing(asked, entry(`${PROTECTED}/s`, { kind: "directory" }), { ...entry(`${PROTECTED}/s/f`), depth: 2 });
  const answer = await rainbow(["tree", "--depth", "2"], fake);
  assert.is(answer.stdout, `${PROTECTED}\n  s/\n    f\n`);
  assert.match(answer.stderr, /1 folder, 1 file\n$/);
  assert.is(asked[0]?.depthMax, 2);
  assert.is((await rainbow(["tree", "--depth", "0"], fake)).exitCode, 2);
});

test("cat prints bytes and nothing else on stdout, also with --json", async () => {
  const read: Operations["read"] = () =>
    items(AS_OF, { type: "bytes" as const, bytes: Buffer.from("a\0b") }, { type: "bytes" as const, bytes: Buffer.from("c") });
  for (const words of [
    ["cat", "f"],
    ["cat", "--json", "f"],
  ])
    assert.is((await rainbow(words, { operations: { read } })).stdout, "a\0bc");
});

test("find ends with 1 where nothing is found", async () => {
  const find: Operations["find"] = ({ pattern }) => (pattern === "*.txt" ? items(AS_OF, entry(`${PROTECTED}/a.txt`)) : items(AS_OF));
  assert.equal(await rainbow(["find", "*.txt", "-q"], { operations: { find } }), { exitCode: 0, stdout: `${PROTECTED}/a.txt\n`, stderr: "" });
  assert.is((await rainbow(["find", "*.md"], { operations: { find } })).exitCode, 1);
  assert.is((await rainbow(["find", "*.txt", "--print0"], { operations: { find } })).stdout, `${PROTECTED}/a.txt\0`);
});

test("log shows versions, and a name where it changed", async () => {
  const version = {
    type: "version",
    revision: 5,
    timeUs: AS_OF.timeUs,
    sizeBytes: 10,
    changes: ["written 10 B"],
    unsettled: false,
    purged: null,
    origins: [],
  } as const;
  const log: Operations["log"] = () =>
    items(
      { ...version, path: bytes(`${PROTECTED}/a`) },
      { ...version, revision: 2, path: bytes(`${PROTECTED}/old`), unsettled: true, origins: [{ pid: 7, name: "sh\n" }] },
    );
  const answer = await rainbow(["log", "a"], { operations: { log } });
  assert.is(answer.stdout.split("\n")[0], "r5        2026-05-01 17:00:00.123 +08:00        10 B  written 10 B");
  assert.match(answer.stdout, /r2 .* {2}by sh\\x0a \(7\) {2}\(unsettled\) {2}\[.*\/old\]\n$/);
  assert.is((await rainbow(["log", "a"], { operations: { log: () => items() } })).exitCode, 1);
});

test("diff ends with 1 where something differs, and needs two different sides", async () => {
  const asked: unknown[] = [];
  const diff: Operations["diff"] = (request) => {
    asked.push([request.path, request.at.kind, request.otherPath, request.otherAt.kind]);
    return items(AS_OF, { type: "difference" as const, what: "changed" as const, path: bytes(`${PROTECTED}/a`), text: "@@ -1 +1 @@\n-a\n+b\n" });
  };
  const answer = await rainbow(["diff", "a@10m"], { operations: { diff } });
  assert.is(answer.exitCode, 1);
  assert.is(answer.stdout, `M ${PROTECTED}/a\n@@ -1 +1 @@\n-a\n+b\n`);
  await rainbow(["diff", "a@10m", "b@r5"], { operations: { diff } });
  await rainbow(["diff", "a", "--at", "10m", "--against", "5m"], { operations: { diff } });
  await rainbow(["diff", "a", "b"], { operations: { diff } });
  assert.equal(asked, [
    [`${PROTECTED}/a`, "time", `${PROTECTED}/a`, "now"],
    [`${PROTECTED}/a`, "time", `${PROTECTED}/b`, "revision"],
    [`${PROTECTED}/a`, "time", `${PROTECTED}/a`, "time"],
    [`${PROTECTED}/a`, "now", `${PROTECTED}/b`, "now"],
  ]);
  assert.is((await rainbow(["diff", "a"], { operations: { diff } })).exitCode, 2);
  assert.is((await rainbow(["diff", "a@10m"], { operations: { diff: () => items(AS_OF) } })).exitCode, 0);
});

const SUMMARY: RestoreSummary = {
  type: "summary",
  createdCount: 2,
  replacedCount: 0,
  sameCount: 0,
  deletedCount: 0,
  writtenBytes: 10,
  purgedCount: 0,
  failedCount: 0,
  doubtfulCount: 0,
};

/** `restore` that notes what it was asked; a dry run finds `doomed` to delete. */
function restoring(asked: RestoreRequest[], doomed: readonly string[] = [], summary: RestoreSummary = SUMMARY, kind: "file" | "directory" = "directory"): Fake {
  return {
    operations: {
      instant: async () => AS_OF,
      stat: async ({ path }) => ({ asOf: AS_OF, entry: path.includes("@") ? notFound(path) : entry(path, { kind }) }),
      restore: (request) => {
        asked.push(request);
        const deletions = doomed.map((path) => ({ type: "restored" as const, path: bytes(path), what: "would-delete" as const, detail: "" }));
        return request.dryRun ? items(AS_OF, ...deletions, summary) : items(AS_OF, summary);
      },
    },
  };
}

test("restore asks for one settled revision, says what it did, and resolves the target from where the user stands", async () => {
  const asked: RestoreRequest[] = [];
  const answer = await rainbow(["restore", "sub@10m", "--to", "../out", "--exclude", "*.o", "--exclude", "tmp"], restoring(asked));
  assert.is(answer.exitCode, 0);
  assert.is(answer.stdout, `restored ${PROTECTED}/sub to /home/me/out: 2 created, 0 replaced, 0 already the same; 10 B written\n`);
  const { at, target, overwrite, exclude, inPlace } = asked[0]!;
  assert.equal([at, target, overwrite, exclude, inPlace], [{ kind: "revision", revision: 4821 }, "/home/me/out", false, ["*.o", "tmp"], false]);
});

test("a file goes into a target that is a folder, as cp has it", async () => {
  const asked: RestoreRequest[] = [];
  const fake = { ...restoring(asked, [], SUMMARY, "file"), files: { "/tmp": "directory" as const } };
  await rainbow(["restore", "f", "--at", "1h", "--to", "/tmp"], fake);
  await rainbow(["restore", "f", "--at", "1h", "--to", "/new-name"], fake);
  assert.equal(
    asked.map(({ target }) => target),
    ["/tmp/f", "/new-name"],
  );
  assert.is((await rainbow(["restore", "f", "--at", "1h", "--to", "/nowhere/"], fake)).exitCode, 2);
});

test("restore refuses words that make no sense together", async () => {
  for (const words of [[], ["--to", "x", "--in-place"], ["--to", "x", "--delete"], ["--in-place"], ["--to", ""]]) {
    const answer = await rainbow(["restore", "sub", ...words], restoring([]));
    assert.is(answer.exitCode, 2, words.join(" "));
  }
});

test("restore --delete shows the count first, and does nothing without a yes", async () => {
  const asked: RestoreRequest[] = [];
  const words = ["restore", "sub@1h", "--to", "/out", "--overwrite", "--delete"];
  const fake = restoring(asked, ["/out/x", "/out/y"]);
  const alone = await rainbow(words, fake);
  assert.is(alone.exitCode, 2);
  assert.match(alone.stderr, /2 entries below \/out would be deleted:\n {2}\/out\/x\n {2}\/out\/y\n/);
  const no = await rainbow(words, { ...fake, answer: "n" });
  assert.match(no.stderr, /nothing was done/);
  assert.ok(asked.every((request) => request.dryRun));
  assert.is((await rainbow(words, { ...fake, answer: "y" })).exitCode, 0);
  assert.is((await rainbow([...words, "--yes"], fake)).exitCode, 0);
  assert.equal(asked.filter((request) => !request.dryRun).length, 2);
});

test("restore --in-place prints the command that undoes it", async () => {
  const answer = await rainbow(["--data-dir", "/d d", "restore", "sub", "--at", "1h", "--in-place"], restoring([], [], { ...SUMMARY, undoRevision: 5000 }));
  assert.match(answer.stderr, /to undo it: rainbow --data-dir '\/d d' restore \/home\/me\/docs\/sub --at r5000 --in-place --delete\n/);
});

test("what could not be restored is named, and ends with 3", async () => {
  const restore: Operations["restore"] = () =>
    items(AS_OF, { type: "restored" as const, path: bytes("/out/dev"), what: "failed" as const, detail: "EPERM: mknod" }, { ...SUMMARY, failedCount: 1 });
  const answer = await rainbow(["restore", "sub@1h", "--to", "/out"], { operations: { ...restoring([]).operations, restore } });
  assert.is(answer.exitCode, 3);
  assert.match(answer.stderr, /\/out\/dev: could not be restored: EPERM: mknod/);
});

test("restore --to - streams the file", async () => {
  const read: Operations["read"] = () => items(AS_OF, { type: "bytes" as const, bytes: Buffer.from("content") });
  assert.is((await rainbow(["restore", "f@1h", "--to", "-"], { operations: { read } })).stdout, "content");
});

test("deleted and undelete", async () => {
  const deleted: Operations["deleted"] = ({ path }) =>
    items({ type: "deleted" as const, path: path ?? bytes("/x"), kind: "file" as const, sizeBytes: 5, timeUs: AS_OF.timeUs, lastRevision: 11, purged: null });
  const answer = await rainbow(["deleted", "gone"], { operations: { deleted } });
  assert.is(answer.stdout, `2026-05-01 17:00:00.123 +08:00         5 B  ${PROTECTED}/gone  (last in r11)\n`);
  assert.is((await rainbow(["deleted"], { operations: { deleted: () => items() } })).exitCode, 1);
  const undelete: Operations["undelete"] = () => items(AS_OF, SUMMARY);
  assert.match((await rainbow(["undelete", "gone"], { operations: { undelete } })).stdout, /^brought back \/home\/me\/docs\/gone: 2 created/);
});

test("status ends with 0, 3 or 11", async () => {
  const code = async (more: Parameters<typeof statusAnswer>[0]): Promise<number> =>
    (await rainbow(["status", "-q"], { isRunning: true, operations: { status: async () => statusAnswer(more) } })).exitCode;
  assert.is(await code({}), 0);
  assert.is(await code({ state: "degraded", reasons: ["the disk is full"] }), 3);
  assert.is(await code({ state: "paused" }), 3);
  assert.is(await code({ state: "starting" }), 11);
  assert.is((await rainbow(["status"])).exitCode, 11);
  assert.is((await rainbow(["status"], { isDataDirectory: false })).exitCode, 10);
  const full = await rainbow(["status"], {
    isRunning: true,
    operations: { status: async () => statusAnswer({ gaps: [{ reason: "overflow", sinceUs: NOW_US, detail: "x" }] }) },
  });
  assert.match(full.stdout, /newest: +2026-05-01 17:29:58\.000 \+08:00 \(r4821\), 2\.0 s ago/);
  assert.match(full.stdout, /gap: +since .*: overflow, x/);
});

test("flush, pause and resume need a running instance", async () => {
  for (const words of [["flush"], ["pause"], ["resume"]]) assert.is((await rainbow(words)).exitCode, 11, words[0] as string);
  const flush: Operations["flush"] = async () => ({ revision: 9, timeUs: AS_OF.timeUs, notices: ["stores through mmap"], incomplete: ["/x never rests"] });
  const answer = await rainbow(["flush"], { isRunning: true, operations: { flush } });
  assert.is(answer.exitCode, 3);
  assert.match(answer.stdout, /^durable as of .* \(r9\)/);
  const asked: (number | undefined)[] = [];
  const pause: Operations["pause"] = async ({ forMs }) => void asked.push(forMs);
  await rainbow(["pause", "--for", "2h"], { isRunning: true, operations: { pause } });
  await rainbow(["pause"], { isRunning: true, operations: { pause } });
  assert.equal(asked, [7_200_000, undefined]);
  assert.is((await rainbow(["pause", "--for", "soon"], { isRunning: true, operations: { pause } })).exitCode, 2);
});

test("snapshots cannot have a time's name", async () => {
  const snapshot: Operations["snapshot"] = async ({ name, pinned }) => ({ name, revision: 3, timeUs: AS_OF.timeUs, pinned });
  assert.match((await rainbow(["snapshot", "v1", "--pin"], { operations: { snapshot } })).stdout, /^v1 is 2026-05-01 17:00:00\.123 \+08:00 \(r3\), pinned/);
  for (const name of ["now", "10m", "a@b", "2026-05-01"]) assert.is((await rainbow(["snapshot", name], { operations: { snapshot } })).exitCode, 2, name);
});

test("check ends with 30 where there is a problem", async () => {
  const check: Operations["check"] = () => items({ type: "problem" as const, what: "checksum", where: "data.dig block 9", paths: [bytes(`${PROTECTED}/a`)] });
  const answer = await rainbow(["check"], { operations: { check } });
  assert.is(answer.exitCode, 30);
  assert.match(answer.stdout, /data\.dig block 9: checksum\n {2}touches \/home\/me\/docs\/a\n1 problem/);
  assert.is((await rainbow(["check"], { operations: { check: () => items() } })).exitCode, 0);
});

test("excludes --why ends with 1 where the path is kept", async () => {
  const why: Operations["why"] = async ({ path }) => (path.endsWith("cache") ? { path, why: "cachedir-tag", detail: "" } : undefined);
  assert.is((await rainbow(["excludes", "--why", "cache"], { operations: { why } })).exitCode, 0);
  assert.is((await rainbow(["excludes", "--why", "doc"], { operations: { why } })).exitCode, 1);
});

test("up says where the data lies, what it protects, and the initial backup's report; Ctrl-C ends it with 0", async () => {
  const operations: Partial<Operations> = {
    roots: async () => [root(PROTECTED, { firstScanDone: false })],
    addRoot: async ({ path }) => root(path),
    status: async () => statusAnswer(),
    flush: async () => ({ revision: 9, timeUs: AS_OF.timeUs, notices: [], incomplete: [] }),
    largest: async () => [{ path: bytes(`${PROTECTED}/big`), bytes: 2 ** 30, nodeCount: 1234 }],
    leftOut: async () => ({ rules: [], items: [{ path: bytes(`${PROTECTED}/.cache`), why: "default-cache", detail: "" }], total: 1 }),
  };
  const answer = await rainbow(["up", "."], { operations, sleepsUntilInterrupt: 3, machine: { sharesDisk: async () => true } });
  assert.is(answer.exitCode, 0);
  assert.match(answer.stdout, /^data directory: \/data\nprotects \/home\/me\/docs; the initial backup begins\n/);
  assert.match(answer.stdout, /the initial backup of \/home\/me\/docs is done: 3 entries, 4\.9 KiB/);
  assert.match(answer.stdout, /1\.0 GiB +1,234 entries {2}\/home\/me\/docs\/big/);
  assert.match(answer.stdout, /left out \(1 path\):\n {2}\/home\/me\/docs\/\.cache {2}a cache, left out by default/);
  assert.match(answer.stderr, /lies on the same disk as \/home\/me\/docs/);
  assert.match(answer.stderr, /rainbow service install/);
  assert.match(answer.stderr, /stopping/);
});

test("up does not report an initial backup that was done before it started", async () => {
  const operations: Partial<Operations> = { roots: async () => [root(PROTECTED, { firstScanDone: true })], status: async () => statusAnswer() };
  const answer = await rainbow(["up"], { operations, sleepsUntilInterrupt: 3 });
  assert.is(answer.exitCode, 0, answer.stderr);
  assert.not.match(answer.stdout, /initial backup/);
  assert.match(answer.stderr, /In another terminal/);
});

test("up says how far the replay of a long tail is: an object a second with --json, a line on a terminal, nothing otherwise", async () => {
  const opened: Partial<Operations> = { roots: async () => [root(PROTECTED)], status: async () => statusAnswer(), flush: () => new Promise(() => undefined) };
  const served: Operations[] = [];
  const machine: Fake["machine"] = {
    open: async ({ onReplay, onStarting }) => {
      await onStarting?.(opened as Operations);
      assert.is(served.length, 1);
      for (const doneEvents of [100, 200]) onReplay?.({ doneEvents, allEvents: 900, eventsPerSecond: 50, secondsLeft: 14 });
      return { operations: opened as Operations, close: async () => undefined };
    },
    serve: async (operations) => (served.push(operations), { close: async () => void served.pop() }),
  };
  const answer = await rainbow(["up", "--json"], { machine, sleepsUntilInterrupt: 1 });
  assert.is(answer.stdout.split("\n")[0], '{"type":"replaying","doneEvents":100,"allEvents":900,"eventsPerSecond":50,"secondsLeft":14}');
  assert.is(answer.stdout.match(/replaying/g)?.length, 1);
  assert.is(served.length, 0);
  assert.match((await rainbow(["up"], { machine, sleepsUntilInterrupt: 1, isTerminal: true })).stderr, /\rreplaying events: 100 of 900/);
  assert.not.match((await rainbow(["up"], { machine, sleepsUntilInterrupt: 1 })).stderr, /replaying/);
});

test("status of a Rainbow that is starting says how far it is, and that nothing is protected yet", async () => {
  const replay = { doneEvents: 1, allEvents: 9, eventsPerSecond: 4000, secondsLeft: 3 };
  const status = async (): Promise<ReturnType<typeof statusAnswer>> => statusAnswer({ state: "starting", reasons: ["it has replayed 1 of 9 events"], replay });
  const answer = await rainbow(["status"], { isRunning: true, operations: { status } });
  assert.is(answer.exitCode, 11);
  assert.match(answer.stdout, /^state: +starting; it has replayed 1 of 9 events; 4,000 events\/s; 3\.0 s left\n/);
});

test("up hands its folders to the instance that runs, and is busy without any", async () => {
  const added: string[] = [];
  const operations: Partial<Operations> = { status: async () => statusAnswer(), addRoot: async ({ path }) => (added.push(path), root(path)) };
  const answer = await rainbow(["up", "."], { isRunning: true, operations });
  assert.is(answer.exitCode, 0);
  assert.match(answer.stdout, /process 42 runs already and protects \/home\/me\/docs from now on/);
  assert.equal(added, [PROTECTED]);
  assert.is((await rainbow(["up"], { isRunning: true, operations })).exitCode, 12);
});

test("up makes a data directory only for a folder that it is given", async () => {
  assert.is((await rainbow(["up"], { isDataDirectory: false })).exitCode, 10);
  assert.is((await rainbow(["up", "missing"], { isDataDirectory: false })).exitCode, 2);
  assert.is((await rainbow(["up"], { operations: { roots: async () => [] } })).exitCode, 2);
});

test("a command waits a while for another to finish, then says BUSY", async () => {
  let tries = 0;
  const busy = async (): Promise<never> => {
    tries++;
    throw new RainbowError("BUSY", "/data: another Rainbow works on this data directory");
  };
  assert.is((await rainbow(["roots"], { machine: { open: busy } })).exitCode, 12);
  assert.ok(tries > 10, `${tries} tries`);
});

test("errors say what, where and what to do, with the stable code; a bug says so", async () => {
  const fail = (error: Error): Fake => ({ operations: { list: () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }) }) } });
  const damaged = await rainbow(["ls"], fail(new RainbowError("DIG_CHECKSUM", "data.dig: block 7 is bad; run 'rainbow repair'")));
  assert.equal(damaged, { exitCode: 30, stdout: "", stderr: "rainbow: data.dig: block 7 is bad; run 'rainbow repair' [DIG_CHECKSUM]\n" });
  const bug = await rainbow(["ls"], fail(new TypeError("undefined is no function")));
  assert.is(bug.exitCode, 70);
  assert.match(bug.stderr, /this is a bug in Rainbow/);
});

test("usage errors end with 2, help and version with 0", async () => {
  for (const words of [["nonsense"], ["cat"], ["ls", "--nonsense"], ["completion", "tcsh"], ["service", "remove"], ["events", "--from", "x"]]) {
    const answer = await rainbow(words);
    assert.is(answer.exitCode, 2, words.join(" "));
    assert.match(answer.stderr, /^rainbow: /);
  }
  assert.equal(await rainbow(["--version"]), { exitCode: 0, stdout: "rainbow 0.1.0\n", stderr: "" });
  for (const words of [["--help"], ["help"], ["help", "ls"], ["ls", "--help"]]) {
    const answer = await rainbow(words);
    assert.is(answer.exitCode, 0, words.join(" "));
    assert.match(answer.stdout, /^Usage: rainbow/);
  }
});

test("every command's help is there, and every shell's completion names every command", async () => {
  const names = [...(await rainbow(["--help"])).stdout.matchAll(/^ {2}([a-z]+) /gm)].map((match) => match[1] as string).filter((name) => name !== "help");
  assert.equal(names.toSorted(), COMMANDS.map(commandName).sort());
  for (const name of names) assert.is((await rainbow([name, "--help"])).exitCode, 0, name);
  for (const shell of ["bash", "zsh", "fish"]) {
    const { stdout } = await rainbow(["completion", shell]);
    for (const name of names) assert.ok(new RegExp(`\\b${name}\\b`).test(stdout), `${shell}: ${name}`);
  }
});

test.run();
