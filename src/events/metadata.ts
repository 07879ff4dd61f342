/**
 * Ids and metadata of the machine stream's events. Layouts: FORMAT.md "Event id" and "Event metadata".
 * An id is made from (epoch, sequence, index) alone, so that sending a batch again is harmless. What all events of a batch share
 * comes first in the metadata, so that a store can keep it once.
 */
import { assert, ByteReader, ByteWriter, RainbowError } from "../core/index.ts";
import type { ChangeOrigin, Epoch, TimeUs } from "../core/index.ts";
import { APPEND_EVENTS_MAX } from "./event-store.ts";
import { CORRELATION_BYTES_MAX, HASH_BYTES, ID_BYTES, PROCESS_NAME_BYTES_MAX } from "./limits.ts";
import type { EventMetadata } from "./schema.ts";

/** The newest. Version 1 knows no origins; a batch that has none is still written in it, so that they cost nothing where nobody knows them. */
const METADATA_VERSION = 2;
const VERSION_WITHOUT_ORIGINS = 1;
const NO_PID = 0;
const SEQUENCE_MAX = 2 ** 48 - 1;
const U32_SPAN = 2 ** 32;
const UUID_VERSION = 0x80; // A UUID of version 8 (RFC 9562, "custom"): 1000 in bits 48-51.
const UUID_VARIANT = 0x80; // 10 in bits 64-65.

/** What all events of a batch have in common. */
export type BatchMetadata = Omit<EventMetadata, "index" | "batchEnd" | "origin">;

/** What a batch's metadata begin with, and whether each event's names its origin. */
export interface SharedMetadata {
  readonly bytes: Buffer;
  readonly hasOrigins: boolean;
}

/** Writes the 16 bytes of an event's id. */
export function writeEventId(writer: ByteWriter, epoch: number, sequence: number, index: number): void {
  assert(
    epoch >= 0 && epoch < U32_SPAN && sequence >= 0 && sequence <= SEQUENCE_MAX && index >= 0 && index < APPEND_EVENTS_MAX,
    "an event id's parts are in range",
  );
  const high = Math.floor(sequence / U32_SPAN);
  const low = sequence % U32_SPAN;
  writer.u32(swap32(epoch));
  writer.u8(high >>> 8);
  writer.u8(high & 255);
  writer.u32(UUID_VERSION + UUID_VARIANT * 65536); // Bytes 6 to 9: version, 0, variant, 0.
  writer.u32(swap32(low));
  writer.u8(index >>> 8);
  writer.u8(index & 255);
}

/** The id of event `index` of batch (epoch, sequence): 16 bytes, also a valid UUID. */
export function eventIdOf(epoch: number, sequence: number, index: number): Buffer {
  const writer = new ByteWriter(ID_BYTES);
  writeEventId(writer, epoch, sequence, index);
  return writer.view();
}

/** The part of the metadata that is the same for all events of a batch. `hasOrigins`: at least one event of it has one. */
export function encodeBatchMetadata(batch: BatchMetadata, hasOrigins: boolean): SharedMetadata {
  const correlation = Buffer.from(batch.correlation, "utf8");
  assert(correlation.length <= CORRELATION_BYTES_MAX, "a correlation is within its limit");
  const writer = new ByteWriter(64);
  writer.u8(hasOrigins ? METADATA_VERSION : VERSION_WITHOUT_ORIGINS);
  writer.varint(batch.agentTimeUs);
  writer.varint(batch.monotonicUs);
  writer.signed(batch.hostTimeUs - batch.agentTimeUs);
  writer.varint(batch.epoch);
  writer.varint(batch.sequence);
  writer.sized(correlation);
  return { bytes: writer.view(), hasOrigins };
}

/** What an event has of its own. */
type OwnMetadata = Pick<EventMetadata, "index"> & { readonly origin: ChangeOrigin | undefined; readonly batchEnd: EventMetadata["batchEnd"] | undefined };

/** Writes one event's metadata behind `shared`, which encodeBatchMetadata gave. */
export function writeMetadata(writer: ByteWriter, shared: SharedMetadata, { index, origin, batchEnd }: OwnMetadata): void {
  writer.bytes(shared.bytes);
  writer.varint(index);
  if (shared.hasOrigins) writeOrigin(writer, origin);
  if (batchEnd === undefined) return;
  assert(batchEnd.count === index + 1, "a batch ends with its last event");
  assert(batchEnd.previousHash.length === HASH_BYTES, "a chain hash has 32 bytes");
  writer.varint(batchEnd.count);
  writer.bytes(batchEnd.previousHash);
}

/** Whether an origin can be stored: pids begin at 1, and a name has its limit. */
export function isOriginFit({ pid, name }: ChangeOrigin): boolean {
  return Number.isSafeInteger(pid) && pid > NO_PID && Buffer.byteLength(name) <= PROCESS_NAME_BYTES_MAX;
}

function writeOrigin(writer: ByteWriter, origin: ChangeOrigin | undefined): void {
  if (origin === undefined) return writer.varint(NO_PID);
  assert(isOriginFit(origin), "an origin is within its limits");
  writer.varint(origin.pid);
  writer.text(origin.name);
}

export function encodeMetadata(metadata: EventMetadata): Buffer {
  const writer = new ByteWriter(128);
  const { index, origin, batchEnd } = metadata;
  writeMetadata(writer, encodeBatchMetadata(metadata, origin !== undefined), { index, origin, batchEnd });
  return writer.view();
}

/** Throws what `fail` makes where the bytes are not metadata, NEWER_FORMAT where a newer Rainbow wrote them. */
export function decodeMetadata(bytes: Uint8Array, fail: (why: string) => Error): EventMetadata {
  return new MetadataReader().read(bytes, fail);
}

/** Decodes the metadata of one event after the other: what those of a batch begin with is decoded once. */
export class MetadataReader {
  private shared: Uint8Array = new Uint8Array(0);
  private batch: BatchMetadata | undefined;
  private hasOrigins = false;

  /** As decodeMetadata. */
  read(bytes: Uint8Array, fail: (why: string) => Error): EventMetadata {
    const reader = new ByteReader(bufferOf(bytes), fail);
    if (this.batch !== undefined && beginsWith(bytes, this.shared)) reader.offset = this.shared.length;
    else {
      this.batch = readBatchMetadata(reader);
      this.hasOrigins = bytes[0] !== VERSION_WITHOUT_ORIGINS;
      this.shared = bytes.subarray(0, reader.offset);
    }
    const { agentTimeUs, monotonicUs, hostTimeUs, epoch, sequence, correlation } = this.batch;
    const index = reader.varint();
    const origin = this.hasOrigins ? readOrigin(reader) : undefined;
    if (origin === undefined && reader.remaining === 0) return { agentTimeUs, monotonicUs, hostTimeUs, epoch, sequence, index, correlation };
    return { ...this.batch, index, ...(origin === undefined ? {} : { origin }), ...readBatchEnd(reader, index) };
  }
}

/** {} where the event is not its batch's last. */
function readBatchEnd(reader: ByteReader, index: number): Pick<EventMetadata, "batchEnd"> {
  if (reader.remaining === 0) return {};
  const count = reader.varint();
  if (count !== index + 1) reader.reject("a batch's count differs from its last index");
  const previousHash = reader.bytes(HASH_BYTES);
  reader.finish();
  return { batchEnd: { count, previousHash } };
}

function readOrigin(reader: ByteReader): ChangeOrigin | undefined {
  const pid = reader.varint();
  return pid === NO_PID ? undefined : { pid, name: emptyOrText(reader, PROCESS_NAME_BYTES_MAX) };
}

/** Its length lies in its bytes: what begins with the same bytes says the same. */
function readBatchMetadata(reader: ByteReader): BatchMetadata {
  const version = reader.u8();
  if (version === 0) reader.reject("metadata of version 0");
  if (version > METADATA_VERSION) throw new RainbowError("NEWER_FORMAT", `event metadata of version ${version} was written by a newer Rainbow`, { version });
  const agentTimeUs = reader.varint() as TimeUs;
  const monotonicUs = reader.varint();
  const hostTimeUs = (agentTimeUs + reader.signed()) as TimeUs;
  if (!Number.isSafeInteger(hostTimeUs) || hostTimeUs < 0) reader.reject("a host time out of range");
  const epoch = reader.varint() as Epoch;
  const sequence = reader.varint();
  const correlation = emptyOrText(reader, CORRELATION_BYTES_MAX);
  return { agentTimeUs, monotonicUs, hostTimeUs, epoch, sequence, correlation };
}

function beginsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  if (bytes.length < start.length) return false;
  for (let i = start.length - 1; i >= 0; i--) if (bytes[i] !== start[i]) return false; // What differs between batches stands at the end.
  return true;
}

/** The same bytes as a Buffer, without a copy. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** As text(), quicker for "". */
function emptyOrText(reader: ByteReader, bytesMax: number): string {
  if (reader.remaining === 0 || reader.buffer[reader.offset] !== 0) return reader.text(bytesMax);
  reader.offset++;
  return "";
}

function swap32(value: number): number {
  return ((value >>> 24) | ((value >>> 8) & 0xff00) | ((value & 0xff00) << 8) | ((value & 255) << 24)) >>> 0;
}
