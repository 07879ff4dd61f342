/**
 * What the server knows of a stream: its end, and the metadata document in which truncation and deletion live. The document is changed
 * by compare-and-set on the metadata stream's own revision, and keeps every key that is not ours.
 */
import { randomUUID } from "node:crypto";
import type { KurrentDBClient, JSONType, ResolvedEvent } from "@kurrent/kurrentdb-client";
import { RainbowError } from "../../core/index.ts";
import type { Revision } from "../../core/index.ts";
import type { StreamState } from "../append-rules.ts";
import { NO_STREAM } from "../event-store.ts";
import { IMPOSSIBLE_REVISION } from "./connection.ts";
import type { Connection } from "./connection.ts";
import { actualRevision, failureKind } from "./failures.ts";

/** What the server takes for "soft-deleted". It is above what a JavaScript number holds exactly, so it is written as text. */
const DELETED_MARK = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON("9223372036854775807");
const DELETED_MIN = 2 ** 62;
const TRIES_MAX = 20; // Others change a stream's metadata by hand at most.
/** The truncation of before a soft delete, which the server's own mark takes the place of. */
const KEPT_TRUNCATION = "rainbowTruncatedBefore";

type Document = Record<string, unknown>;
interface Metadata {
  readonly revision: Revision;
  readonly document: Document;
}

const NO_METADATA: Metadata = { revision: NO_STREAM, document: {} };

export function metadataStream(stream: string): string {
  return `$$${stream}`;
}

/** undefined where the stream has no events and never had. Waits out an outage. */
export async function fetchState(connection: Connection, stream: string): Promise<StreamState | undefined> {
  return connection.patiently(async (client) => {
    const [last, { document }] = await Promise.all([lastEvent(client, stream), readMetadata(client, stream)]);
    const { deleted, truncatedBefore } = visibilityOf(document);
    const revision = last?.at(0)?.event?.revision;
    if (revision !== undefined) {
      // A stream that was just made anew may still show the mark of its deletion: then what can be read tells where it begins.
      const from = deleted ? await firstRevision(client, stream) : truncatedBefore;
      return { head: Number(revision) as Revision, truncatedBefore: from, deleted: false };
    }
    if (last === undefined && !deleted) return undefined;
    const head = await probeHead(client, stream);
    return head === NO_STREAM ? undefined : { head, truncatedBefore, deleted };
  });
}

export function visibilityOf(document: Document): { readonly truncatedBefore: Revision; readonly deleted: boolean } {
  const mark = Number(document["$tb"] ?? 0);
  const deleted = mark >= DELETED_MIN;
  const truncatedBefore = Number((deleted ? document[KEPT_TRUNCATION] : mark) ?? 0);
  return { deleted, truncatedBefore: (Number.isSafeInteger(truncatedBefore) ? Math.max(0, truncatedBefore) : 0) as Revision };
}

export function truncated(document: Document, before: Revision): Document {
  return { ...document, $tb: before };
}

export function softDeleted(document: Document, truncatedBefore: Revision): Document {
  return { ...document, $tb: DELETED_MARK, [KEPT_TRUNCATION]: truncatedBefore };
}

/** Changes the document; `change` may be called again where somebody else changed it meanwhile. */
export async function changeMetadata(connection: Connection, stream: string, change: (document: Document) => Document | undefined): Promise<void> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const { revision, document } = await connection.patiently((client) => readMetadata(client, stream));
    const changed = change(document);
    if (changed === undefined) return;
    const event = { id: randomUUID(), contentType: "application/json", type: "$metadata", data: changed as JSONType, metadata: undefined } as const;
    const streamState = revision === NO_STREAM ? "no_stream" : BigInt(revision);
    try {
      // The id stays the same when the outcome was unknown, so that a repeat is one.
      await connection.patiently((client) => client.appendToStream(metadataStream(stream), event, { streamState }));
      return;
    } catch (error) {
      if (failureKind(error) !== "conflict") throw error;
    }
  }
  throw new RainbowError("BUSY", `the metadata of stream '${stream}' is changed by others all the time`, { stream });
}

/** The real last revision, of a deleted stream too: a refused append tells it. */
async function probeHead(client: KurrentDBClient, stream: string): Promise<Revision> {
  try {
    await client.appendToStream(stream, [], { streamState: IMPOSSIBLE_REVISION });
  } catch (error) {
    if (failureKind(error) === "conflict") return actualRevision(error) as Revision;
    throw error;
  }
  throw new RainbowError("IO", `the event store took an expectation of stream '${stream}' that nothing can fulfil`, { stream });
}

/** [] where all of it is hidden, undefined where there is no such stream or it is deleted. */
async function lastEvent(client: KurrentDBClient, stream: string): Promise<ResolvedEvent[] | undefined> {
  try {
    return await collected(client.readStream(stream, { direction: "backwards", fromRevision: "end", maxCount: 1 }));
  } catch (error) {
    const kind = failureKind(error);
    if (kind === "missing") return undefined;
    if (kind === "tombstoned") throw tombstoned(stream);
    throw error;
  }
}

async function firstRevision(client: KurrentDBClient, stream: string): Promise<Revision> {
  const [first] = await collected(client.readStream(stream, { direction: "forwards", fromRevision: "start", maxCount: 1 }));
  return Number(first?.event?.revision ?? 0) as Revision;
}

async function readMetadata(client: KurrentDBClient, stream: string): Promise<Metadata> {
  try {
    const [last] = await collected(client.readStream(metadataStream(stream), { direction: "backwards", fromRevision: "end", maxCount: 1 }));
    if (last?.event === undefined) return NO_METADATA;
    const { data, revision } = last.event;
    const isDocument = typeof data === "object" && data !== null && !(data instanceof Uint8Array) && !Array.isArray(data);
    return { revision: Number(revision) as Revision, document: isDocument ? (data as unknown as Document) : {} };
  } catch (error) {
    if (failureKind(error) === "missing") return NO_METADATA;
    throw error;
  }
}

export async function collected<T>(events: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const event of events) all.push(event);
  return all;
}

export function tombstoned(stream: string): RainbowError {
  return new RainbowError("STORE_REFUSED", `stream '${stream}' was deleted for good on the server: its name cannot be used again`, { stream });
}
