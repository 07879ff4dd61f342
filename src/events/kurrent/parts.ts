/**
 * Appends over the server's limit (1 MiB of data): the bytes go first, as parts of at most 900 KiB, into a stream of their own, then the
 * append itself with references to them. So it stays all or nothing, and parts that nothing refers to do no harm.
 */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { EventData } from "@kurrent/kurrentdb-client";
import { RainbowError } from "../../core/index.ts";
import type { Revision } from "../../core/index.ts";
import { eventCorrupt } from "../codec.ts";
import { NO_STREAM } from "../event-store.ts";
import type { NewEvent } from "../event-store.ts";
import type { Connection } from "./connection.ts";
import { actualRevision, failureKind } from "./failures.ts";
import { encodeReference, uuidOf } from "./frame.ts";
import type { Reference } from "./frame.ts";
import { changeMetadata, collected, fetchState, truncated } from "./stream-facts.ts";

/** Of one append, metadata counted too; the server refuses 1 MiB. */
export const APPEND_BYTES = 900 << 10;
const CRC_BYTES = 4;
const PART_BYTES = APPEND_BYTES - CRC_BYTES;
const PART_TYPE = "RainbowPart";
const END_KEY = "usedBefore"; // In a part's metadata: the events that refer to it lie before this revision.
const TRIES_MAX = 20;

export function partsStream(stream: string): string {
  return `rainbow-parts-${stream}`;
}

/** Stores the bytes of `events` as parts, durably, and gives the frames that refer to them. `end`: the revision after the last of the events. */
export async function storeAsParts(connection: Connection, stream: string, events: readonly NewEvent[], end: number): Promise<Buffer[]> {
  const bytes = Buffer.concat(events.flatMap((event) => [event.metadata, event.data]));
  const partCount = Math.ceil(bytes.length / PART_BYTES);
  const parts = Array.from({ length: partCount }, (_, i) => sealed(bytes.subarray(i * PART_BYTES, (i + 1) * PART_BYTES)));
  const firstPart = await appendParts(connection, partsStream(stream), { parts, end });
  let offset = 0;
  return events.map((event) => {
    const [metadataBytes, dataBytes] = [event.metadata.length, event.data.length];
    const frame = encodeReference({ firstPart, partCount, offset, metadataBytes, dataBytes });
    offset += metadataBytes + dataBytes;
    return frame;
  });
}

/** Returns the revision of the first. Another writer of the same stream's parts makes it begin anew. */
async function appendParts(
  connection: Connection,
  stream: string,
  { parts, end }: { readonly parts: readonly Buffer[]; readonly end: number },
): Promise<number> {
  let head = (await fetchState(connection, stream))?.head ?? NO_STREAM;
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const first = head + 1;
    try {
      for (const [i, part] of parts.entries()) await appendPart(connection, stream, first + i - 1, { part, end });
      return first;
    } catch (error) {
      if (failureKind(error) !== "conflict") throw error;
      head = actualRevision(error) as Revision;
    }
  }
  throw new RainbowError("BUSY", `stream '${stream}' is written by others all the time`, { stream });
}

async function appendPart(
  connection: Connection,
  stream: string,
  expected: number,
  { part, end }: { readonly part: Buffer; readonly end: number },
): Promise<void> {
  const id = createHash("sha256").update(`${stream}\n${expected}\n`).update(part).digest().subarray(0, 16);
  const event: EventData = { id: uuidOf(id), contentType: "application/octet-stream", type: PART_TYPE, data: part, metadata: { [END_KEY]: end } };
  const streamState = expected < 0 ? "no_stream" : BigInt(expected);
  await connection.patiently((client) => client.appendToStream(stream, event, { streamState }));
}

/** Truncates the parts whose events were all truncated; to be called after these were. */
export async function truncateParts(connection: Connection, stream: string, before: Revision): Promise<void> {
  const name = partsStream(stream);
  const state = await fetchState(connection, name);
  if (state === undefined || state.deleted) return;
  let next = state.truncatedBefore as number;
  for (; next < state.head; next++) {
    const options = { direction: "forwards", fromRevision: BigInt(next), maxCount: 1 } as const; // One at a time: each is up to 900 KiB.
    const [part] = await connection.patiently((client) => collected(client.readStream(name, options)));
    const metadata: unknown = part?.event?.metadata;
    const end = typeof metadata === "object" && metadata !== null && END_KEY in metadata ? Number(metadata[END_KEY]) : Infinity;
    if (!(end <= before)) break;
  }
  if (next > state.truncatedBefore) await changeMetadata(connection, name, (document) => truncated(document, next as Revision));
}

/** Reads back what references name; keeps the parts of the last append, as its events are read together. */
export class PartsReader {
  private readonly connection: Connection;
  private kept: { readonly key: string; readonly bytes: Promise<Buffer> } | undefined;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  async read(stream: string, revision: Revision, reference: Reference): Promise<{ readonly metadata: Buffer; readonly data: Buffer }> {
    const key = `${stream}\n${reference.firstPart}`;
    if (this.kept?.key !== key) this.kept = { key, bytes: this.fetch(stream, revision, reference) };
    const bytes = await this.kept.bytes;
    const { offset, metadataBytes, dataBytes } = reference;
    const own = bytes.subarray(offset, offset + metadataBytes + dataBytes);
    if (own.length !== metadataBytes + dataBytes) throw eventCorrupt(stream, revision, "its parts are shorter than it");
    return { metadata: own.subarray(0, metadataBytes), data: own.subarray(metadataBytes) };
  }

  private async fetch(stream: string, revision: Revision, { firstPart, partCount }: Reference): Promise<Buffer> {
    const options = { direction: "forwards", fromRevision: BigInt(firstPart), maxCount: partCount } as const;
    const parts = await this.connection.patiently((client) => collected(client.readStream(partsStream(stream), options)));
    const isWhole = parts.length === partCount && parts[0]?.event?.revision === BigInt(firstPart);
    if (!isWhole) throw eventCorrupt(stream, revision, "its parts are missing");
    return Buffer.concat(parts.map((part) => opened(part.event?.data, stream, revision)));
  }
}

/** A part: the CRC-32 of its bytes, then the bytes. */
function sealed(bytes: Buffer): Buffer {
  const part = Buffer.allocUnsafe(CRC_BYTES + bytes.length);
  part.writeUInt32LE(crc32(bytes), 0);
  part.set(bytes, CRC_BYTES);
  return part;
}

function opened(part: unknown, stream: string, revision: Revision): Buffer {
  const bytes = part instanceof Uint8Array ? Buffer.from(part.buffer, part.byteOffset, part.byteLength) : Buffer.alloc(0);
  if (bytes.length < CRC_BYTES || crc32(bytes.subarray(CRC_BYTES)) !== bytes.readUInt32LE(0))
    throw eventCorrupt(stream, revision, "its parts do not match their checksum");
  return bytes.subarray(CRC_BYTES);
}
