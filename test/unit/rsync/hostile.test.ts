/** A server that lies: each lie is refused with an error that says what it was, and costs no memory. */
import { createHash } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isRainbowError } from "../../../src/core/index.ts";
import type { ByteString, ErrorCode } from "../../../src/core/index.ts";
import { openDigests, parseRule } from "../../../src/rsync/index.ts";
import type { Basis } from "../../../src/rsync/index.ts";
import { directory, file, ROOT_ENTRY, ScriptedServer } from "../../support/rsync-script.ts";
import type { ScriptOptions } from "../../support/rsync-script.ts";
import { frame, writeEntry } from "../../support/rsync-wire.ts";
import type { WireEntry } from "../../support/rsync-wire.ts";

const digests = await openDigests();
const test = suite("rsync: hostile servers");

function refuses(name: string, code: ErrorCode, words: RegExp, script: (server: ScriptedServer) => unknown, options: ScriptOptions = {}): void {
  test(name, () => {
    const server = new ScriptedServer(digests, options);
    let failure: unknown;
    try {
      script(server);
    } catch (error) {
      failure = error;
    }
    if (!isRainbowError(failure, code)) throw failure ?? new Error(`nothing was refused: ${server.typesOf().join(" ")}`);
    assert.match(failure.message, words);
    assert.throws(
      () => server.session.next(),
      (error: unknown) => error === failure,
      "and it stays refused",
    );
  });
}

const md5 = (text: string): Buffer => createHash("md5").update(text).digest();
const basis: Basis = { blockCount: 2, blockBytes: 700, remainderBytes: 100, strongBytes: 16, sums: Buffer.alloc(40) };

// Before the session.
refuses("a greeting that is none", "RSYNC_PROTOCOL", /no greeting/, (server) => server.send("SSH-2.0-OpenSSH\n"));
refuses("a greeting without end", "RSYNC_PROTOCOL", /more than 8192 bytes/, (server) => server.send("@RSYNCD: ".padEnd(9000, "x")));
refuses("versions that cannot be", "RSYNC_PROTOCOL", /protocol 99/, (server) => server.send("@RSYNCD: 99.0\n"));
refuses("a protocol that is too old", "UNSUPPORTED", /speaks protocol 26/, (server) => server.send("@RSYNCD: 26\n"));
refuses("a message of the day without end", "RSYNC_PROTOCOL", /greets with more than/, (server) => {
  server.send("@RSYNCD: 32.0 md5\n");
  for (let i = 0; i < 100_000; i++) server.send("buy now\n");
});
refuses(
  "a login that would give the password away",
  "RSYNC_AUTHENTICATION",
  /md5, which is weaker than sha1/,
  (server) => server.send("@RSYNCD: 31.0\n@RSYNCD: AUTHREQD abc\n"),
  {
    session: { login: { user: "u", password: "p" } },
  },
);
refuses(
  "asking for the password twice",
  "RSYNC_PROTOCOL",
  /twice/,
  (server) => server.send("@RSYNCD: 31.0 sha512\n@RSYNCD: AUTHREQD abc\n@RSYNCD: AUTHREQD abd\n"),
  {
    session: { login: { user: "u", password: "p" } },
  },
);
refuses("capabilities that were not asked for", "RSYNC_PROTOCOL", /lists incrementally/, (server) => server.open(511));
refuses("capabilities that nobody knows", "RSYNC_PROTOCOL", /capabilities are 1022/, (server) => server.open(1022));
refuses("a list of names over its limit", "RSYNC_PROTOCOL", /list of names has 32767/, (server) =>
  server.send("@RSYNCD: 32.0 md5\n@RSYNCD: OK\n").send(Buffer.from([0x81, 0xfe, 0xff, 0xff])),
);
refuses("no checksum in common", "RSYNC_PROTOCOL", /no checksum in common/, (server) =>
  server.send("@RSYNCD: 32.0 md5\n@RSYNCD: OK\n").send("\x81\xfe\x04none"),
);

// Frames.
refuses("a tag that does not exist", "RSYNC_PROTOCOL", /tag 55/, (server) => server.open().send(frame(55, "x")));
refuses("a tag below the base", "RSYNC_PROTOCOL", /tag -7/, (server) => server.open().send(Buffer.alloc(4)));
refuses("a message over its limit, before it comes", "RSYNC_PROTOCOL", /message has 16777215 bytes/, (server) =>
  server.open().send(Buffer.from([0xff, 0xff, 0xff, 9])),
);
refuses("messages without end", "RSYNC_PROTOCOL", /without end/, (server) => {
  server.open();
  for (let i = 0; i < 20_000; i++) server.send(frame(2, "still here"));
});
refuses("a number message of the wrong length", "RSYNC_PROTOCOL", /tag 22 has 3 bytes/, (server) => server.open().send(frame(22, "abc")));
refuses("a server that gives up", "RSYNC_REFUSED", /code 5: no\\x1b\[31m reason/, (server) =>
  server
    .open()
    .send(frame(3, "no\x1b[31m reason"))
    .send(frame(86, Buffer.from([5, 0, 0, 0]))),
);
refuses("an end in the middle", "RSYNC_ENDED", /while it listed its files/, (server) =>
  server
    .open()
    .data((out) => out.u8(0x04))
    .end(),
);

// Names.
const badNames: readonly (readonly [string, RegExp])[] = [
  ["../x", /component of dots/],
  ["a/../x", /component of dots/],
  ["a/..", /component of dots/],
  ["..", /component of dots/],
  ["./x", /component of dots/],
  ["a/./x", /component of dots/],
  ["/etc/passwd", /is absolute/],
  ["a//x", /empty component/],
  ["a/", /empty component/],
  ["a\0b", /zero byte/],
  ["", /is empty/],
];
for (const [path, words] of badNames)
  refuses(`the name ${JSON.stringify(path)}`, "RSYNC_PROTOCOL", words, (server) => server.open().list([ROOT_ENTRY, file(path)]));
refuses("a name over its limit, before it comes", "RSYNC_PROTOCOL", /name has 999999 bytes/, (server) =>
  server.open().data((out) => out.packed(0x40).packed(999_999)),
);
refuses("a prefix longer than the name before", "RSYNC_PROTOCOL", /shares more bytes/, (server) =>
  server.open().data((out) => out.packed(0x20).bytes(Buffer.from([9, 1, 65]))),
);
refuses("a root that is a file", "RSYNC_PROTOCOL", /is none/, (server) => server.open().list([file(".")]));
refuses("an entry below what is no directory", "RSYNC_PROTOCOL", /'a\/x' below what is no directory/, (server) =>
  server.open().list([ROOT_ENTRY, { path: "a", mode: 0o120777, linkTarget: "/etc" }, file("a/x")]),
);
refuses("a path of too many folders", "RSYNC_LIMIT", /more than 1024 components/, (server) => server.open().list([file(Array(1100).fill("a").join("/"))]));

// Entries.
const entryCases: readonly (readonly [string, ErrorCode, RegExp, WireEntry])[] = [
  ["a mode without a kind", "RSYNC_PROTOCOL", /the mode 644/, { ...file("a"), mode: 0o644 }],
  ["a size below zero", "RSYNC_PROTOCOL", /size below zero/, file("a", -5)],
  ["a size over the limit", "RSYNC_LIMIT", /a file of 1180591620717411303424|file of/, file("a", 2 ** 51)],
  ["too many nanoseconds", "RSYNC_PROTOCOL", /1000000000 nanoseconds/, { ...file("a"), mtimeNanos: 1_000_000_000 }],
  ["a symlink to nothing", "RSYNC_PROTOCOL", /target has 0 bytes/, { path: "a", mode: 0o120777, linkTarget: "" }],
  ["a symlink's target over its limit", "RSYNC_PROTOCOL", /target has 5000 bytes/, { path: "a", mode: 0o120777, linkTarget: "x".repeat(5000) }],
  ["a target with a zero byte", "RSYNC_PROTOCOL", /zero byte/, { path: "a", mode: 0o120777, linkTarget: "x\0y" }],
  ["a hard link to the future", "RSYNC_PROTOCOL", /not listed yet/, { ...file("a"), hardLink: 7 }],
  ["a hard link to what is no first name", "RSYNC_PROTOCOL", /not the first of its group/, { ...file("a"), hardLink: 0 }],
  ["flags that nobody knows", "RSYNC_PROTOCOL", /flags 0x4000/, { ...file("a"), flags: 0x4000 }],
];
for (const [name, code, words, entry] of entryCases) refuses(name, code, words, (server) => server.open().list([ROOT_ENTRY, entry]));

test("a list without end meets the limit of entries, and costs no more than those", () => {
  const server = new ScriptedServer(digests, { session: { limits: { openEntriesMax: 5000 } } });
  server.open();
  assert.throws(() => {
    for (let i = 0; ; i++) server.data((out) => writeEntry(out, file(`f${i}`), server.style));
  }, /more than 5000 entries in one list/);
});

test("lists without end meet the limit of all entries", () => {
  const server = new ScriptedServer(digests, { isIncremental: true, asksNothing: true, session: { limits: { entriesMax: 5000 } } });
  server.open().list([ROOT_ENTRY, directory("d")]);
  assert.throws(() => {
    let path = "d";
    for (let i = 1; ; i++) {
      server.index(-101 - i).list([directory(`${path}/d`)]);
      path += "/d";
    }
  }, /more than (1024 components|5000 entries)/);
});

test("folders whose content never comes meet a limit too", () => {
  const server = new ScriptedServer(digests, { isIncremental: true, asksNothing: true, session: { limits: { openEntriesMax: 5000 } } });
  server.open().list([ROOT_ENTRY, directory("d")]);
  assert.throws(() => {
    for (let i = 1; i < 100; i++) {
      const parent = i === 1 ? "d" : server.events.findLast((event) => event.type === "entry")!.entry.path;
      server.index(-102 - (i - 1) * 1000).list(Array.from({ length: 1000 }, (_, at) => directory(`${parent}/e${String(at).padStart(4, "0")}`)));
    }
  }, /more than 5000 directories whose content is still to come/);
});

// Incremental lists.
const incremental: ScriptOptions = { isIncremental: true };
refuses(
  "a list of an unknown folder",
  "RSYNC_PROTOCOL",
  /unknown or was listed already/,
  (server) => server.open().list([ROOT_ENTRY]).index(-105),
  incremental,
);
refuses(
  "a list that comes twice",
  "RSYNC_PROTOCOL",
  /unknown or was listed already/,
  (server) =>
    server
      .open()
      .list([ROOT_ENTRY, directory("d")])
      .index(-102)
      .list([file("d/x")])
      .index(-102),
  incremental,
);
refuses(
  "an entry outside of its folder",
  "RSYNC_PROTOCOL",
  /the list of 'd' has 'e\/x'/,
  (server) =>
    server
      .open()
      .list([ROOT_ENTRY, directory("d")])
      .index(-102)
      .list([file("e/x")]),
  incremental,
);
refuses(
  "an entry deeper than its folder",
  "RSYNC_PROTOCOL",
  /the list of 'd' has 'd\/e\/x'/,
  (server) =>
    server
      .open()
      .list([ROOT_ENTRY, directory("d")])
      .index(-102)
      .list([file("d/e/x")]),
  incremental,
);
refuses("the end of lists twice", "RSYNC_PROTOCOL", /ends its lists twice/, (server) => server.open().list([ROOT_ENTRY]).index(-2).index(-2), incremental);
refuses(
  "a list after the last one",
  "RSYNC_PROTOCOL",
  /after the last one/,
  (server) =>
    server
      .open()
      .list([ROOT_ENTRY, directory("d")])
      .index(-2)
      .index(-102),
  incremental,
);
refuses("a list that was never agreed to", "RSYNC_PROTOCOL", /after the last one/, (server) =>
  server
    .open()
    .list([ROOT_ENTRY, directory("d")])
    .index(-102),
);

// Answers.
const opened = (server: ScriptedServer): ScriptedServer => server.open().list([ROOT_ENTRY, file("a", 1000)]);
refuses("a file that was not asked for", "RSYNC_PROTOCOL", /not asked for/, (server) => opened(server).answer(1), { asksNothing: true });
refuses("a folder's content", "RSYNC_PROTOCOL", /not asked for/, (server) => opened(server).answer(0));
refuses("a file that comes twice", "RSYNC_PROTOCOL", /not asked for/, (server) =>
  opened(server)
    .answer(1)
    .data((out) => out.i32(0).bytes(md5("")))
    .answer(1),
);
refuses("flags that were not asked for", "RSYNC_PROTOCOL", /flags 0x9800/, (server) => opened(server).answer(1, [0, 0, 0, 0], 0x9800));
refuses("blocks that were not given", "RSYNC_PROTOCOL", /other blocks/, (server) => opened(server).answer(1, [5, 700, 16, 0]));
refuses("a block where there is none", "RSYNC_PROTOCOL", /copies block 0 of 0/, (server) =>
  opened(server)
    .answer(1)
    .data((out) => out.i32(-1)),
);
refuses(
  "a block behind the last one",
  "RSYNC_PROTOCOL",
  /copies block 2 of 2/,
  (server) =>
    opened(server)
      .answer(1, [2, 700, 16, 100])
      .data((out) => out.i32(-3)),
  { basis: () => basis },
);
refuses("a run of bytes over its limit", "RSYNC_PROTOCOL", /2147483647 bytes at once/, (server) =>
  opened(server)
    .answer(1)
    .data((out) => out.i32(2 ** 31 - 1)),
);
refuses("an index out of range", "RSYNC_PROTOCOL", /out of range|not asked for/, (server) =>
  opened(server).data((out) => out.bytes(Buffer.from([0xfe, 0xff, 0xff, 0xff, 0xff]))),
);
refuses("refusing what was not asked for", "RSYNC_PROTOCOL", /refuses a file that was not asked for/, (server) =>
  opened(server).send(frame(102, Buffer.from([9, 0, 0, 0]))),
);
refuses("being done with what was never ended", "RSYNC_PROTOCOL", /never ended/, (server) => opened(server).index(-1), incremental);
refuses("data after the goodbye", "RSYNC_PROTOCOL", /after the goodbye/, (server) => {
  opened(server)
    .answer(1)
    .data((out) => out.i32(0).bytes(md5("")));
  server.index(-1).index(-1).index(-1);
  server.data((out) => [1, 2, 3, 4, 5].forEach((value) => out.long(value, 3))).index(-1);
  server.data((out) => out.u8(1));
});
refuses(
  "content without end",
  "RSYNC_LIMIT",
  /more than 65536 bytes for 'a'/,
  (server) => {
    opened(server).answer(1);
    for (;;) server.data((out) => out.i32(1000).bytes(Buffer.alloc(1000)));
  },
  { session: { limits: { growthBytesMax: 64_536 } } },
);
refuses(
  "copies without end",
  "RSYNC_LIMIT",
  /more than 65536 bytes for 'a'/,
  (server) => {
    opened(server).answer(1, [2, 700, 16, 100]);
    for (;;) server.data((out) => out.i32(-1));
  },
  { basis: () => basis, session: { limits: { growthBytesMax: 64_536 } } },
);

test("a lying digest is asked about once more, and then the file has failed", () => {
  for (const isIncremental of [false, true]) {
    const server = new ScriptedServer(digests, { isIncremental });
    const index = isIncremental ? 2 : 1;
    const lie = (): void =>
      void server
        .answer(index)
        .data((out) => out.i32(3).bytes(Buffer.from("abc")))
        .data((out) => out.i32(0).bytes(md5("abd")));
    server.open().list([ROOT_ENTRY, file("a", 3)]);
    if (isIncremental) server.index(-2);
    lie();
    if (!isIncremental) server.index(-1);
    lie();
    server.index(-1).index(-1);
    if (isIncremental) server.index(-1);
    server
      .data((out) => [1, 2, 3, 4, 5].forEach((value) => out.long(value, 3)))
      .index(-1)
      .end();
    const outcomes = server.events.flatMap((event) => (event.type === "fileEnd" ? [event.outcome] : event.type === "fileFailed" ? [event.why] : []));
    assert.equal(outcomes, ["mismatch", "mismatch", "digest"]);
    assert.is(server.events.at(-1)?.type, "finished");
    assert.ok(server.session.isFinished);
  }
});

test("a name that is listed twice is handed on once, and indexes still count both", () => {
  const server = new ScriptedServer(digests);
  server.open().list([ROOT_ENTRY, file("a", 3), file("a", 4), directory("b"), file("b"), file("c", 3)]);
  const listed = server.events.flatMap((event) => (event.type === "entry" ? [`${event.index} ${event.entry.path} ${event.entry.kind}`] : []));
  assert.equal(listed, ["0 . directory", "1 a file", "4 c file", "5 b directory"]);
});

test("an entry that our own filter leaves out is refused", () => {
  const server = new ScriptedServer(digests, { session: { filters: [parseRule("- *.bin" as ByteString)] } });
  assert.throws(() => server.open().list([ROOT_ENTRY, file("a.bin")]), /lists 'a\.bin', which our filter leaves out/);
});

test.run();
