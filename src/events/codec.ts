/**
 * Events of the machine stream to bytes and back. The hot types are binary, the rare ones JSON; each carries a version and older
 * versions are upcast here, so that readers only know the newest shape. What a newer Rainbow wrote is NEWER_FORMAT, never a guess;
 * bytes that no Rainbow wrote are EVENT_CORRUPT with stream and revision.
 */
import { ByteReader, ByteWriter, RainbowError } from "../core/index.ts";
import type { NodeId } from "../core/index.ts";
import { READERS, readNode, WRITERS } from "./codec-binary.ts";
import type { BinaryType } from "./codec-binary.ts";
import { decodeJson, encodeJson, isAuditType, isJsonType } from "./codec-json.ts";
import type { JsonType } from "./codec-json.ts";
import type { NewEvent, StoredEvent } from "./event-store.ts";
import { bufferOf, decodeMetadata, encodeMetadata, eventIdOf } from "./metadata.ts";
import type { AuditEvent, EventMetadata, MachineEvent, Recorded, StreamEvent } from "./schema.ts";

type AnyWrite = (writer: ByteWriter, event: StreamEvent) => void;
type AnyRead = (reader: ByteReader) => MachineEvent;
interface BinaryCodec {
  readonly version: number;
  readonly write: AnyWrite;
  readonly readers: readonly AnyRead[];
}

const BINARY = new Map<string, BinaryCodec>(
  (Object.keys(WRITERS) as BinaryType[]).map((type) => [
    type,
    { version: READERS[type].length, write: WRITERS[type] as AnyWrite, readers: READERS[type] as readonly AnyRead[] },
  ]),
);

/** Writes the data of one event, its version first, in the newest version. */
export function writeEventData(writer: ByteWriter, event: StreamEvent): void {
  const codec = BINARY.get(event.type);
  if (codec === undefined) return writer.bytes(encodeJson(event as Extract<StreamEvent, { type: JsonType }>));
  writer.u8(codec.version);
  codec.write(writer, event);
}

export function encodeEvent(event: StreamEvent, metadata: EventMetadata): NewEvent {
  const writer = new ByteWriter(64);
  writeEventData(writer, event);
  return { id: eventIdOf(metadata.epoch, metadata.sequence, metadata.index), type: event.type, data: writer.view(), metadata: encodeMetadata(metadata) };
}

/** Buffers inside the event (hashes) are views of `stored`. */
export function decodeEvent(stored: StoredEvent): Recorded {
  const fail = (why: string): Error => eventCorrupt(stored.stream, stored.revision, `${stored.type}: ${why}`);
  return { event: decodeStored(stored), revision: stored.revision, metadata: decodeMetadata(stored.metadata, fail) };
}

/** Without its metadata. */
export function decodeStored(stored: StoredEvent): MachineEvent {
  return decodeEventData(stored.type, stored.data, (why) => eventCorrupt(stored.stream, stored.revision, `${stored.type}: ${why}`));
}

/** An event of an audit stream. NEWER_FORMAT where its type is none of an audit. */
export function decodeAudit(stored: StoredEvent): Recorded<AuditEvent> {
  const { type, data, revision } = stored;
  const fail = (why: string): Error => eventCorrupt(stored.stream, revision, `${type}: ${why}`);
  if (!isAuditType(type)) throw unknownType(type);
  return { event: decodeJson(type, data, fail) as AuditEvent, revision, metadata: decodeMetadata(stored.metadata, fail) };
}

/** Events whose data begin with the node that they tell of: it can be had without decoding the rest. */
const NODE_FIRST: ReadonlySet<string> = new Set<BinaryType>(["ExtentsWritten", "AttributesSet", "SizeSet", "RangeZeroed", "PassStarted", "VersionSettled"]);

/** The node that a stored event tells of, where that can be had without decoding it. */
export function nodeOfStored(stored: StoredEvent): NodeId | undefined {
  if (!NODE_FIRST.has(stored.type) || stored.data[0] !== 1) return undefined;
  const reader = new ByteReader(bufferOf(stored.data), (why) => eventCorrupt(stored.stream, stored.revision, `${stored.type}: ${why}`), 1);
  return readNode(reader);
}

export function decodeEventData(type: string, data: Uint8Array, fail: (why: string) => Error): MachineEvent {
  const codec = BINARY.get(type);
  if (codec === undefined) {
    if (isJsonType(type) && !isAuditType(type)) return decodeJson(type, data, fail) as MachineEvent;
    throw unknownType(type);
  }
  const reader = new ByteReader(bufferOf(data), fail);
  const version = reader.u8();
  if (version === 0) reader.reject("version 0");
  const read = codec.readers[version - 1];
  if (read === undefined) throw new RainbowError("NEWER_FORMAT", `a ${type} event of version ${version} was written by a newer Rainbow`, { type, version });
  const event = read(reader);
  reader.finish();
  return event;
}

function unknownType(type: string): RainbowError {
  return new RainbowError("NEWER_FORMAT", `an event of the unknown type '${type}' was written by a newer Rainbow`, { type });
}

/** The error for a stored event that is not what was written. */
export function eventCorrupt(stream: string, revision: number, why: string): RainbowError {
  return new RainbowError("EVENT_CORRUPT", `event ${revision} of stream '${stream}' is damaged: ${why}`, { stream, revision, why });
}
