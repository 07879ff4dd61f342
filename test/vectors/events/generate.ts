/** Wrote v1.json and writes v2.json from samples.ts: run it once for a new version, under a new name; a released file never changes. */
import { writeFileSync } from "node:fs";
import type { Position, Revision } from "../../../src/core/index.ts";
import { ByteWriter } from "../../../src/core/index.ts";
import { encodeEvent, eventIdOf } from "../../../src/events/index.ts";
import { encodeBody, encodeRow } from "../../../src/events/lmdb/row.ts";
import { encodeStore, encodeStream } from "../../../src/events/lmdb/keys.ts";
import { encodeBatch } from "../../../src/events/machine-stream.ts";
import { AUDIT_SAMPLES, METADATA_SAMPLES, ORIGIN_SAMPLES, SAMPLES, UPCAST_SAMPLES } from "./samples.ts";

export const PREVIOUS_HASH: Buffer = Buffer.alloc(32, 0x11);

/** Everything as it is written now, in hex. Compressed bytes are left out: another zstd may pack them otherwise. */
export function currentVectors(): unknown {
  const [metadata] = METADATA_SAMPLES;
  if (metadata === undefined) throw new Error("there are samples");
  const batch = encodeBatch(new ByteWriter(), SAMPLES.slice(0, 3), { batch: metadata, previousHash: PREVIOUS_HASH });
  const body = encodeBody(batch.events);
  return {
    events: SAMPLES.map((event) => ({ type: event.type, data: Buffer.from(encodeEvent(event, metadata).data).toString("hex") })),
    metadata: METADATA_SAMPLES.map((each) => Buffer.from(encodeEvent(SAMPLES[0]!, each).metadata).toString("hex")),
    ids: [eventIdOf(0, 0, 0), eventIdOf(3, 2 ** 40 + 5, 49_999), eventIdOf(2 ** 21 - 1, 2 ** 48 - 1, 1)].map((id) => id.toString("hex")),
    chainHash: batch.chainHash.toString("hex"),
    row: encodeRow(body, 7, 41 as Revision, 2 ** 33 as Position).toString("hex"),
    stream: encodeStream("machine-a", { id: 7, head: 43 as Revision, truncatedBefore: 5 as Revision, deleted: true }).toString("hex"),
    store: encodeStore({ nextStreamId: 8, nextPosition: (2 ** 33 + 1) as Position }).toString("hex"),
  };
}

/** What came after v2.json was released: metadata of version 2, and the events of an audit. */
export function thirdVectors(): unknown {
  const metadata = METADATA_SAMPLES[0]!;
  const origins = [undefined, ORIGIN_SAMPLES[0]!.origin, undefined];
  const batch = encodeBatch(new ByteWriter(), SAMPLES.slice(0, 3), { batch: metadata, previousHash: PREVIOUS_HASH, origins });
  return {
    metadata: ORIGIN_SAMPLES.map((each) => Buffer.from(encodeEvent(SAMPLES[0]!, each).metadata).toString("hex")),
    batch: batch.events.map((event) => Buffer.from(event.metadata).toString("hex")),
    chainHash: batch.chainHash.toString("hex"),
    audit: AUDIT_SAMPLES.map((event) => ({ type: event.type, data: Buffer.from(encodeEvent(event, metadata).data).toString("hex") })),
  };
}

/** The samples of which a second version is written. */
export function secondVersions(): unknown {
  return SAMPLES.filter(({ type }) => UPCAST_SAMPLES[type] !== undefined).map((event) => ({
    type: event.type,
    data: Buffer.from(encodeEvent(event, METADATA_SAMPLES[0]!).data).toString("hex"),
  }));
}

if (process.argv[1] === import.meta.filename) writeFileSync(new URL("v3.json", import.meta.url), `${JSON.stringify(thirdVectors(), undefined, 1)}\n`);
