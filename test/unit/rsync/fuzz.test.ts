// Time limit: 600 s
/**
 * Bytes that no server would send, by the million: whatever they are, a parser asks for more, refuses them with an error of the table,
 * or gives what keeps its promises. In a campaign ten million lists and token streams, and thousands of spoilt sessions.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isRainbowError } from "../../../src/core/index.ts";
import { WANTED } from "../../../src/rsync/agreement.ts";
import { Cursor, SHORT } from "../../../src/rsync/cursor.ts";
import type { Entry } from "../../../src/rsync/entry.ts";
import { EntryReader } from "../../../src/rsync/entry-reader.ts";
import { Inbox } from "../../../src/rsync/inbox.ts";
import { LIMITS } from "../../../src/rsync/limits.ts";
import { PackedTokens } from "../../../src/rsync/packed-tokens.ts";
import { CONTENT_END, PlainTokens } from "../../../src/rsync/tokens.ts";
import type { TokenReader } from "../../../src/rsync/tokens.ts";
import { InflateUnpacker, Lz4Unpacker } from "../../../src/rsync/unpack/index.ts";
import { campaignSeed, isCampaign, scale } from "../../support/campaign.ts";
import { seededRandom } from "../../support/random.ts";
import type { SeededRandom } from "../../support/random.ts";
import { frame, WireWriter, writeEntry, writeListEnd } from "../../support/rsync-wire.ts";
import { NotedSession, VECTOR_CASES } from "../../vectors/rsync/sessions.ts";
import type { CapturedSession } from "../../vectors/rsync/sessions.ts";

const TEST_SHARE = 0.2; // Of the tenth that npm test does: parsers of bytes need millions, which are for campaigns.

const test = suite("rsync: fuzzed");

const share = (campaignCount: number): number => Math.ceil(scale(campaignCount) * (isCampaign ? 1 : TEST_SHARE));

function mustBeRefused(error: unknown, bytes: Buffer): void {
  if (isRainbowError(error, "RSYNC_PROTOCOL", "RSYNC_LIMIT")) return;
  throw new Error(`not refused as it should be, with the bytes ${bytes.toString("hex")}`, { cause: error });
}

function isSafe({ path }: Entry): boolean {
  return path === "." || (path.length < 4096 && path.split("/").every((part) => part !== "" && part !== "." && part !== "..") && !path.includes("\0"));
}

/** Some good entries, as a beginning that is then spoilt; for each protocol. */
function goodLists(random: SeededRandom): Buffer[][] {
  return [27, 28, 29, 30, 31, 32].map((protocol) =>
    Array.from({ length: 50 }, () => {
      const out = new WireWriter();
      const style = { protocol, hasVarintFlags: protocol >= 30, owners: true, devices: true };
      for (let i = random.int(4); i >= 0; i--)
        writeEntry(
          out,
          { path: `${"d/".repeat(random.int(3))}name${i}`, mode: random.pick([0o100644, 0o040755, 0o010644]), sizeBytes: random.int(1e6) },
          style,
        );
      if (random.chance(0.3)) writeEntry(out, { path: "link", mode: 0o120777, linkTarget: "target" }, style);
      writeListEnd(out, style);
      return out.copy();
    }),
  );
}

function spoilt(bytes: Buffer, random: SeededRandom): Buffer {
  const copy = Buffer.from(bytes);
  for (let i = random.int(4); i >= 0; i--)
    copy[random.int(copy.length)] = random.chance(0.5) ? random.int(256) : random.pick([0, 0x20, 0x2e, 0x2f, 0x40, 0x7f, 0x80, 0xfe, 0xff]);
  return copy;
}

test("file lists of every protocol", () => {
  const random = seededRandom(campaignSeed());
  const lists = goodLists(random);
  const cursor = new Cursor();
  const count = share(5_000_000);
  for (let round = 0; round < count; round++) {
    const at = round % lists.length;
    const protocol = 27 + at;
    const compat = protocol >= 30 ? 510 : 0;
    const agreement = { protocol, compat, isIncremental: false, digest: "md5", compressor: undefined, seed: 0 } as const;
    const reader = new EntryReader(agreement, { ...WANTED, module: "m", owners: true, groups: true, devices: true, hardLinks: true }, LIMITS, {
      users: new Map(),
      groups: new Map(),
    });
    const bytes = random.chance(0.1) ? random.bytes(1 + random.int(60)) : spoilt(random.pick(lists[at]!), random);
    const entries: Entry[] = [];
    try {
      for (let used = 0; ; used += cursor.readBytes) {
        cursor.set(bytes, used, bytes.length);
        const read = reader.read(cursor, { startIndex: 0, entries });
        if ("end" in read) break;
        if (!isSafe(read)) throw new Error(`an unsafe path: ${read.path}`);
        entries.push(read);
      }
    } catch (error) {
      if (error === SHORT) assert.ok(SHORT.needBytes < 16_000, "a unit stays small");
      else mustBeRefused(error, bytes);
    }
  }
});

function readTokens(tokens: TokenReader, blockCount: number): number {
  tokens.begin(blockCount);
  let plainBytes = 0;
  for (const course = { at: tokens.next() }; ;) {
    const { value, done } = course.at.next();
    if (done !== true) return plainBytes; // It waits for bytes that do not come.
    if (value === CONTENT_END) return plainBytes;
    if (typeof value === "number") assert.ok(value >= 0 && value < blockCount);
    else plainBytes += value.length;
    if (plainBytes > 1 << 24) return plainBytes;
    course.at = tokens.next();
  }
}

test("token streams, plain and packed, in frames", () => {
  const random = seededRandom(campaignSeed());
  const count = share(5_000_000);
  const good = [
    Buffer.from("05000000 68656c6c6f ffffffff 00000000".replaceAll(" ", ""), "hex"),
    Buffer.from("4003 cbc8040080c00100 20 02000000 2101000000 0100 00".replaceAll(" ", ""), "hex"),
  ];
  for (let round = 0; round < count; round++) {
    const bytes = random.chance(0.2) ? random.bytes(1 + random.int(40)) : spoilt(random.pick(good), random);
    const inbox = new Inbox();
    const isFramed = random.chance(0.3);
    if (isFramed) inbox.beginFrames();
    inbox.feed(isFramed && random.chance(0.8) ? frame(0, bytes) : bytes);
    const kind = random.int(8);
    const unpacker = kind < 2 ? new Lz4Unpacker() : kind < 3 ? new InflateUnpacker({ needsCopies: false, repeatsLongCopies: false }) : undefined;
    try {
      readTokens(unpacker === undefined ? new PlainTokens(inbox) : new PackedTokens(inbox, unpacker), random.int(4));
    } catch (error) {
      mustBeRefused(error, bytes);
    }
  }
});

test("whole sessions of a real daemon, spoilt", () => {
  const random = seededRandom(campaignSeed());
  const captured = JSON.parse(readFileSync(join(import.meta.dirname, "../../vectors/rsync/sessions.json"), "utf8")) as CapturedSession[];
  const sessions = captured.map((vector) => ({
    vector,
    received: zstdDecompressSync(Buffer.from(vector.received, "base64")),
    options: VECTOR_CASES.find(({ name }) => name === vector.name)!,
  }));
  for (let round = 0; round < share(30_000); round++) {
    const { vector, received, options } = random.pick(sessions);
    const bytes = spoilt(received, random);
    const noted = new NotedSession(options.session, options.old === true);
    let at = 0;
    try {
      for (const length of [0, ...vector.pieces]) {
        if (length > 0) noted.session.feed(Buffer.from(bytes.subarray(at, (at += length))));
        for (let event = noted.session.next(); event !== undefined; event = noted.session.next()) noted.take(event);
        noted.session.takeOutput();
      }
      noted.session.feedEnd();
      for (let event = noted.session.next(); event !== undefined; event = noted.session.next()) noted.take(event);
    } catch (error) {
      if (!isRainbowError(error)) throw new Error(`round ${round}, ${vector.name}`, { cause: error });
    }
  }
});

test.run();
