/** Sessions captured from a real daemon are still told the same way, and we still send the same bytes. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openZstdStreams } from "../../../src/app/os/index.ts";
import { skipped } from "../../support/skip.ts";
import { NotedSession, VECTOR_CASES } from "./sessions.ts";
import type { CapturedSession } from "./sessions.ts";

const captured = JSON.parse(readFileSync(join(import.meta.dirname, "sessions.json"), "utf8")) as CapturedSession[];
const plain = (text: string): Buffer => zstdDecompressSync(Buffer.from(text, "base64"));

/** What it told and sent. Only with the pieces that came are the frames that we send the same. */
function replayed(vector: CapturedSession, pieces: readonly number[]): { readonly told: readonly string[]; readonly sent: Buffer } {
  const { session: options, old } = VECTOR_CASES.find(({ name }) => name === vector.name)!;
  const noted = new NotedSession(options, old === true);
  const received = plain(vector.received);
  const sent: Buffer[] = [];
  try {
    let at = 0;
    for (const length of [0, ...pieces]) {
      if (length > 0) noted.session.feed(Buffer.from(received.subarray(at, (at += length))));
      for (let event = noted.session.next(); event !== undefined; event = noted.session.next()) noted.take(event);
      sent.push(...noted.session.takeOutput());
    }
    noted.session.feedEnd();
    for (let event = noted.session.next(); event !== undefined; event = noted.session.next()) noted.take(event);
  } catch (error) {
    noted.fail(error);
  }
  return { told: noted.told, sent: Buffer.concat(sent) };
}

const test = suite("rsync: captured sessions");

test("there is a capture for every case", () => {
  assert.equal(captured.map(({ name }) => name), VECTOR_CASES.map(({ name }) => name));
});

for (const vector of captured)
  test(`${vector.name}: told and answered as it was, also in smaller pieces`, () => {
    if (vector.name.startsWith("zstd") && openZstdStreams() === undefined) return skipped(`rsync: captured session, ${vector.name}`, "there is no zstd decoder");
    const { told, sent } = replayed(vector, vector.pieces);
    assert.equal(told, vector.told);
    assert.ok(sent.equals(plain(vector.sent)), "the bytes that we send");
    for (const pieceBytes of [1, 13]) {
      const pieces = vector.pieces.flatMap((length) => Array.from({ length: Math.ceil(length / pieceBytes) }, (_, i) => Math.min(pieceBytes, length - i * pieceBytes)));
      assert.equal(replayed(vector, pieces).told, vector.told, `pieces of ${pieceBytes}`);
    }
  });

test.run();
