/** Events, metadata and ids: what is written reads back, released bytes still read, and no damaged byte is taken for an event. */
import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isRainbowError } from "../../../src/core/index.ts";
import type { ChunkNumber, Epoch, NodeId, Position, Revision } from "../../../src/core/index.ts";
import { decodeAudit, decodeEvent, encodeEvent, eventIdOf } from "../../../src/events/index.ts";
import type { EventMetadata, MachineEvent, NewEvent, StoredEvent } from "../../../src/events/index.ts";
import { READERS } from "../../../src/events/codec-binary.ts";
import { decodeJson } from "../../../src/events/codec-json.ts";
import { decodeEvents, decodeHead } from "../../../src/events/lmdb/row.ts";
import { decodeStore, decodeStream, STORE_KEY, streamKey } from "../../../src/events/lmdb/keys.ts";
import { currentVectors, thirdVectors } from "../../vectors/events/generate.ts";
import { AUDIT_SAMPLES, METADATA_SAMPLES, ORIGIN_SAMPLES, SAMPLES, UPCAST_SAMPLES } from "../../vectors/events/samples.ts";

const test = suite("codec of events");
const V1 = JSON.parse(readFileSync(new URL("../../vectors/events/v1.json", import.meta.url), "utf8")) as {
  events: { type: string; data: string }[];
  metadata: string[];
  row: string;
  stream: string;
  store: string;
};
const V2 = JSON.parse(readFileSync(new URL("../../vectors/events/v2.json", import.meta.url), "utf8")) as { type: string; data: string }[];
const V3 = JSON.parse(readFileSync(new URL("../../vectors/events/v3.json", import.meta.url), "utf8")) as {
  metadata: string[];
  batch: string[];
  audit: { type: string; data: string }[];
};
const METADATA = METADATA_SAMPLES[0]!;
const stored = (event: NewEvent): StoredEvent => ({ ...event, stream: "machine-a", revision: 12 as Revision, position: 13 as Position });
const codeOf = (run: () => unknown): string => {
  try {
    run();
    return "none";
  } catch (error) {
    if (isRainbowError(error)) return error.code;
    throw error;
  }
};
const fail = (why: string): Error => new Error(why);

test("every type has a sample", () => {
  const types = new Set(SAMPLES.map((event) => event.type));
  assert.is(types.size, Object.keys(READERS).length + 18);
});

test("every sample reads back as it was", () => {
  for (const event of SAMPLES) assert.equal(decodeEvent(stored(encodeEvent(event, METADATA))), { event, revision: 12 as Revision, metadata: METADATA });
  for (const metadata of METADATA_SAMPLES) assert.equal(decodeEvent(stored(encodeEvent(SAMPLES[0]!, metadata))).metadata, metadata);
});

test("we still write the released bytes of version 1, and newer versions of single types", () => {
  const newer = new Set(V2.map(({ type }) => type));
  const { events, ...rest } = currentVectors() as typeof V1;
  const { events: released, ...others } = V1;
  assert.equal(
    events.filter(({ type }) => !newer.has(type)),
    released.filter(({ type }) => !newer.has(type)),
  );
  assert.equal(
    events.filter(({ type }) => newer.has(type)),
    V2,
  );
  assert.equal(rest, others);
});

test("the released bytes of version 1 still read", () => {
  const encoded = encodeEvent(SAMPLES[0]!, METADATA);
  V1.events.forEach(({ type, data }, i) =>
    assert.equal(decodeEvent(stored({ ...encoded, type, data: Buffer.from(data, "hex") })).event, UPCAST_SAMPLES[type] ?? SAMPLES[i]),
  );
  V1.metadata.forEach((hex, i) => assert.equal(decodeEvent(stored({ ...encoded, metadata: Buffer.from(hex, "hex") })).metadata, METADATA_SAMPLES[i]));
  const row = Buffer.from(V1.row, "hex");
  const head = decodeHead(row, fail);
  const events = decodeEvents(row, head, "machine-a", fail).map((event) => decodeEvent(event).event);
  assert.equal([head.streamId, head.first, head.last, head.lastPosition], [7, 41, 43, 2 ** 33]);
  assert.equal(events, SAMPLES.slice(0, 3));
  assert.equal(decodeStream(streamKey("machine-a"), Buffer.from(V1.stream, "hex"))?.record, { id: 7, head: 43, truncatedBefore: 5, deleted: true } as never);
  assert.is(decodeStore(Buffer.from(V1.store, "hex"))?.nextStreamId, 8);
  assert.is(decodeStream(STORE_KEY, Buffer.from(V1.stream, "hex")), undefined, "a record under another key is refused");
});

test("we still write the released metadata of version 2 and the audit's events, and read them", () => {
  assert.equal(thirdVectors(), V3);
  const encoded = encodeEvent(SAMPLES[0]!, METADATA);
  const metadataOf = (hex: string): EventMetadata => decodeEvent(stored({ ...encoded, metadata: Buffer.from(hex, "hex") })).metadata;
  assert.equal(V3.metadata.map(metadataOf), ORIGIN_SAMPLES);
  V3.audit.forEach(({ type, data }, i) => assert.equal(decodeAudit(stored({ ...encoded, type, data: Buffer.from(data, "hex") })).event, AUDIT_SAMPLES[i]));
});

test("of a batch in which one change names its process, the others say that they know none", () => {
  const encoded = encodeEvent(SAMPLES[0]!, METADATA);
  const read = V3.batch.map((hex) => decodeEvent(stored({ ...encoded, metadata: Buffer.from(hex, "hex") })).metadata);
  assert.equal(
    read.map(({ index, origin }) => [index, origin]),
    [
      [0, undefined],
      [1, { pid: 4711, name: "postgres" }],
      [2, undefined],
    ],
  );
  assert.is(read[2]?.batchEnd?.count, 3);
});

test("an audit's events are none of a machine's stream, nor the other way round", () => {
  const code = (read: (event: StoredEvent) => unknown, event: NewEvent): string => codeOf(() => read(stored(event)));
  for (const event of AUDIT_SAMPLES) {
    const encoded = encodeEvent(event, METADATA);
    assert.equal(decodeAudit(stored(encoded)), { event, revision: 12 as Revision, metadata: METADATA });
    assert.is(code(decodeEvent, encoded), "NEWER_FORMAT");
    for (let length = 0; length < encoded.data.length; length++)
      assert.is(code(decodeAudit, { ...encoded, data: encoded.data.subarray(0, length) }), "EVENT_CORRUPT");
  }
  assert.is(code(decodeAudit, encodeEvent({ type: "HostOpened", version: "1" }, METADATA)), "NEWER_FORMAT");
});

test("ids are made from epoch, sequence and index alone and differ in each", () => {
  const ids = [eventIdOf(1, 1, 0), eventIdOf(1, 1, 1), eventIdOf(1, 2, 0), eventIdOf(2, 1, 0), eventIdOf(1, 1 + 2 ** 32, 0), eventIdOf(0, 1, 0)].map((id) =>
    id.toString("hex"),
  );
  assert.is(new Set(ids).size, ids.length);
  assert.ok(ids.every((id) => id.length === 32 && id[12] === "8" && id[16] === "8"));
});

test("a newer version and an unknown type are NEWER_FORMAT, never a guess", () => {
  const encoded = encodeEvent(SAMPLES[0]!, METADATA);
  const newer = Buffer.from(encoded.data);
  newer[0] = 2;
  assert.is(
    codeOf(() => decodeEvent(stored({ ...encoded, data: newer }))),
    "NEWER_FORMAT",
  );
  assert.is(
    codeOf(() => decodeEvent(stored({ ...encoded, type: "FutureThing" }))),
    "NEWER_FORMAT",
  );
  assert.is(
    codeOf(() => decodeEvent(stored({ ...encoded, type: "HostOpened", data: Buffer.from('{"v":2,"version":"9"}') }))),
    "NEWER_FORMAT",
  );
  const metadata = Buffer.from(encoded.metadata);
  metadata[0] = 3;
  assert.is(
    codeOf(() => decodeEvent(stored({ ...encoded, metadata }))),
    "NEWER_FORMAT",
  );
});

test("an older JSON version is upcast step by step before its fields are checked", () => {
  const upcasts = {
    HostOpened: [
      (data: Readonly<Record<string, unknown>>) => ({ version: String(data["number"]) }),
      (data: Readonly<Record<string, unknown>>) => ({ version: `${String(data["version"])}!` }),
    ],
  };
  const read = (json: string): unknown => decodeJson("HostOpened", Buffer.from(json), fail, upcasts);
  assert.equal(read('{"v":1,"number":7}'), { type: "HostOpened", version: "7!" });
  assert.equal(read('{"v":2,"version":"7"}'), { type: "HostOpened", version: "7!" });
  assert.equal(read('{"v":3,"version":"7"}'), { type: "HostOpened", version: "7" });
});

test("every cut and every byte too many is EVENT_CORRUPT, with stream and revision", () => {
  for (const event of SAMPLES) {
    const encoded = encodeEvent(event, METADATA);
    for (let length = 0; length < encoded.data.length; length++) {
      assert.is(
        codeOf(() => decodeEvent(stored({ ...encoded, data: encoded.data.subarray(0, length) }))),
        "EVENT_CORRUPT",
        `${event.type} cut to ${length}`,
      );
    }
    try {
      decodeEvent(stored({ ...encoded, data: Buffer.concat([encoded.data, Buffer.from([0])]) }));
      assert.unreachable();
    } catch (error) {
      assert.ok(isRainbowError(error, "EVENT_CORRUPT"));
      assert.equal([error.facts["stream"], error.facts["revision"]], ["machine-a", 12]);
    }
  }
});

test("random bytes and random flips give an event or a named error, never another one", () => {
  const types = [...new Set(SAMPLES.map((event) => event.type))];
  const known = ["none", "EVENT_CORRUPT", "NEWER_FORMAT"];
  fc.assert(
    fc.property(fc.constantFrom(...types), fc.uint8Array({ maxLength: 60 }), (type, bytes) => {
      const encoded = encodeEvent(SAMPLES[0]!, METADATA);
      assert.ok(known.includes(codeOf(() => decodeEvent(stored({ ...encoded, type, data: Buffer.from([1, ...bytes]) })))));
      for (const version of [1, 2]) assert.ok(known.includes(codeOf(() => decodeEvent(stored({ ...encoded, metadata: Buffer.from([version, ...bytes]) })))));
    }),
    { numRuns: 3000 },
  );
});

test("a length over its limit is refused before memory is asked for", () => {
  const huge = Buffer.from([1, 3, 5, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]); // A NodeLinked whose name would have 2^52 bytes.
  const encoded = encodeEvent(SAMPLES[0]!, METADATA);
  for (const type of ["NodeLinked", "ExtentsWritten", "ChunksStored"]) {
    assert.is(
      codeOf(() => decodeEvent(stored({ ...encoded, type, data: huge }))),
      "EVENT_CORRUPT",
    );
  }
});

test("any extents read back as they were", () => {
  const extent = fc.tuple(fc.nat(2 ** 20), fc.integer({ min: 1, max: 65_536 }), fc.integer({ min: 1, max: 2 ** 31 }), fc.nat(65_535), fc.boolean());
  fc.assert(
    fc.property(fc.array(extent, { minLength: 1, maxLength: 20 }), fc.boolean(), (parts, isAligned) => {
      let end = 0;
      const unit = isAligned ? 4096 : 1;
      const extents = parts.map(([gap, length, chunk, chunkOffset, isWhole]) => {
        const offset = end + gap * unit;
        end = offset + length * unit;
        return { offset, length: length * unit, chunk: chunk as ChunkNumber, chunkOffset: isWhole ? 0 : chunkOffset };
      });
      const event: MachineEvent = { type: "ExtentsWritten", node: (2 ** 32 * 5 + 1) as NodeId, extents };
      assert.equal(decodeEvent(stored(encodeEvent(event, METADATA))).event, event);
    }),
  );
});

test("an event that breaks its own rules is an assertion, not bytes", () => {
  const extents = [
    { offset: 4096, length: 4096, chunk: 1 as ChunkNumber, chunkOffset: 0 },
    { offset: 0, length: 4096, chunk: 2 as ChunkNumber, chunkOffset: 0 },
  ];
  assert.throws(() => encodeEvent({ type: "ExtentsWritten", node: 1 as NodeId, extents }, METADATA), /ascend/);
  assert.throws(() => encodeEvent({ type: "EpochStarted", epoch: -1 as Epoch }, METADATA), /shape/);
});

test.run();
