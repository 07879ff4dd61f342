/** Names, numbers and progress as people see them. */
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { spawnSync } from "node:child_process";
import {
  argumentBytes,
  argumentOf,
  entryLine,
  formatBytes,
  formatCount,
  formatSpan,
  jsonLine,
  modeText,
  nameForPeople,
  plural,
  Progress,
  shellWord,
} from "../../../src/cli/format/index.ts";
import { progressText } from "../../../src/cli/format/progress.ts";
import { absolutePath } from "../../../src/cli/paths.ts";
import { parseSize } from "../../../src/cli/root-options.ts";
import { byteStringOf, bytesOf } from "../../../src/core/index.ts";
import type { ByteString, TimeUs } from "../../../src/core/index.ts";
import { campaignSeed } from "../../support/campaign.ts";
import { entry } from "./fake-context.ts";

const test = suite("format");

test("an argument of any bytes becomes text and the same bytes again", () => {
  const anyBytes = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.string({ unit: "binary", maxLength: 20 }).map((text) => new Uint8Array(Buffer.from(text, "utf8"))),
    fc
      .array(fc.constantFrom("a", "ä", "\u{1f308}", "\ufffd", "\x80", "\xed\xa0\x80", "\xf0\x9f"), { maxLength: 8 })
      .map((parts) => new Uint8Array(Buffer.concat(parts.map((p) => Buffer.from(p, p < "\x80" || p > "\xff" ? "utf8" : "latin1"))))),
  );
  const property = fc.property(anyBytes, (bytes) => {
    assert.ok(bytesOf(argumentBytes(argumentOf(bytes))).equals(Buffer.from(bytes)), Buffer.from(bytes).toString("hex"));
  });
  fc.assert(property, { seed: campaignSeed(), numRuns: 2000 });
});

test("valid UTF-8 stays as it is, stray bytes are shown", () => {
  assert.is(argumentOf(Buffer.from("größe \u{1f308}")), "größe \u{1f308}");
  assert.is(argumentOf(Buffer.from([0x61, 0xff, 0x62])), "a\udcffb");
  assert.is(nameForPeople(byteStringOf(Buffer.from("größe\\x"))), "größe\\x");
  assert.is(nameForPeople(byteStringOf(Buffer.from([0x61, 0xff, 0x5c]))), "a\\xff\\\\");
  assert.is(nameForPeople(byteStringOf(Buffer.from("a\u202eb\u0085"))), "a\\xe2\\x80\\xaeb\\xc2\\x85");
});

test("a shell reads a word back as the same bytes", () => {
  const property = fc.property(fc.uint8Array({ minLength: 1, maxLength: 30 }), (bytes) => {
    const clean = bytes.map((byte) => (byte === 0 ? 1 : byte));
    const { stdout } = spawnSync("bash", ["-c", `printf %s ${shellWord(byteStringOf(clean))}`]);
    assert.ok(stdout.equals(Buffer.from(clean)), shellWord(byteStringOf(clean)));
  });
  fc.assert(property, {
    seed: campaignSeed(),
    numRuns: 40,
    examples: [[Buffer.from("it's")], [Buffer.from("a b")], [Buffer.from("größe")], [Buffer.from("$x`y`")], [Buffer.from("a\n'b\\")]],
  });
});

test("sizes, counts and spans", () => {
  assert.equal([0, 1023, 1024, 1_048_575, 1.5 * 2 ** 30].map(formatBytes), ["0 B", "1023 B", "1.0 KiB", "1.0 MiB", "1.5 GiB"]);
  assert.equal([0, 999, 1000, 1234567].map(formatCount), ["0", "999", "1,000", "1,234,567"]);
  assert.equal([plural(1, "entry", "entries"), plural(2000, "entry", "entries"), plural(0, "file")], ["1 entry", "2,000 entries", "0 files"]);
  assert.equal([4e5, 42e6, 185e6, 3600e6, 7800e6, 97_200e6].map(formatSpan), ["0.4 s", "42 s", "3 min 5 s", "1 h", "2 h 10 min", "1 d 3 h"]);
  assert.equal(["4096", "1k", "10G", "1.5MiB"].map(parseSize), [4096, 1024, 10 * 2 ** 30, 1.5 * 2 ** 20]);
  for (const bad of ["", "0", "-1", "x", "1X"]) assert.throws(() => parseSize(bad));
});

test("modes and kinds as ls -l has them", () => {
  assert.is(modeText("file", 0o4755), "-rwsr-xr-x");
  assert.is(modeText("directory", 0o1777), "drwxrwxrwt");
  assert.is(modeText("file", 0o7000), "---S--S--T");
  assert.match(entryLine(entry("/a/l", { kind: "symlink", linkTarget: "to\n" as ByteString }), "UTC"), /l -> to\\x0a$/);
  assert.match(entryLine(entry("/a/b", { unsettled: true }), "UTC"), /b {2}\(unsettled\)$/);
});

test("JSON leaves an event's data as it is, and turns paths and times in lists", () => {
  const line = jsonLine({ type: "event", data: { path: "\xc3\xa4", timeUs: 1 }, gaps: [{ sinceUs: 0 }], paths: ["\xc3\xa4"], scan: undefined });
  assert.is(line, '{"type":"event","data":{"path":"Ã¤","timeUs":1},"gaps":[{"since":"1970-01-01T00:00:00.000000Z"}],"paths":["ä"]}\n');
});

test("paths are absolute, without . and .., byte for byte", () => {
  const cwd = "/home/\xff" as ByteString;
  assert.is(absolutePath("a/../b/./c//", cwd), "/home/\xff/b/c");
  assert.is(absolutePath("/x/../../y", cwd), "/y");
  assert.is(absolutePath("..", cwd), "/home");
  assert.is(absolutePath("/", cwd), "/");
  assert.is(absolutePath("\udcfe", cwd), "/home/\xff/\xfe");
  assert.throws(() => absolutePath("a\0b", cwd));
});

test("progress says how far, how fast and how long, on a terminal and not more than ten times a second", async () => {
  assert.is(
    progressText({ phase: "restore", doneBytes: 2 ** 20, allBytes: 3 * 2 ** 20, doneCount: 10, allCount: 30 }, 2 ** 20),
    "restore: 10 of 30 · 1.0 MiB of 3.0 MiB (33 %) · 1.0 MiB/s · 2.0 s left",
  );
  assert.is(progressText({ phase: "replay", doneBytes: 0, allBytes: 0, doneCount: 10, allCount: 30 }, 0, 5), "replay: 10 of 30 · 5/s · 4.0 s left");
  const small = { phase: "check", doneBytes: 990, allBytes: 1000, doneCount: 10, allCount: 30 };
  assert.is(progressText(small, 10, 1), "check: 10 of 30 · 990 B of 1000 B (99 %) · 10 B/s · 20 s left", "many small files are left");
  assert.is(progressText({ ...small, doneBytes: 900 }, 10, 0.1), "check: 10 of 30 · 900 B of 1000 B (90 %) · 10 B/s · 10 s left", "a large one is");
  let nowUs = 0;
  const written: string[] = [];
  const line = { isTerminal: true, columnCount: 80, write: async (text: string) => void written.push(text) };
  const clock = { now: () => 0 as TimeUs, monotonicUs: () => nowUs, sleep: async () => undefined };
  const progress = new Progress(line, clock);
  for (let i = 0; i < 100; i++) {
    nowUs += 10_000;
    await progress.show({ phase: "check", doneBytes: i * 1000, allBytes: 0, doneCount: 0, allCount: 0 });
  }
  assert.ok(written.length >= 9 && written.length <= 11, `${written.length} lines`);
  await progress.clear();
  assert.is(written.at(-1), "\r\x1b[K");
  const silent = new Progress({ ...line, isTerminal: false }, clock);
  const before = written.length;
  await silent.show({ phase: "check", doneBytes: 1, allBytes: 0, doneCount: 0, allCount: 0 });
  await silent.clear();
  assert.is(written.length, before);
});

test.run();
