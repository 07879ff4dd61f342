/** The messages of the server's protocol, as the client package brings them, and how the log's records look in them. */
import { createRequire } from "node:module";
import type * as Empty from "google-protobuf/google/protobuf/empty_pb.js";
import type * as AnyPb from "google-protobuf/google/protobuf/any_pb.js";
import type * as Features from "@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/serverfeatures_pb.js";
import type * as Gossip from "@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/gossip_pb.js";
import type * as Shared from "@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/shared_pb.js";
import type * as Status from "@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/status_pb.js";
import type * as Streams from "@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/streams_pb.js";
import type { ServiceDefinition } from "@grpc/grpc-js";
import type { LogRecord } from "./record-log.ts";

const require = createRequire(import.meta.url); // Generated CommonJS, whose exports no static analysis finds.
const V1 = "@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1";

export const emptyPb = require("google-protobuf/google/protobuf/empty_pb.js") as typeof Empty;
const anyPb = require("google-protobuf/google/protobuf/any_pb.js") as typeof AnyPb;
export const featuresPb = require(`${V1}/serverfeatures_pb.js`) as typeof Features;
export const gossipPb = require(`${V1}/gossip_pb.js`) as typeof Gossip;
export const sharedPb = require(`${V1}/shared_pb.js`) as typeof Shared;
const statusPb = require(`${V1}/status_pb.js`) as typeof Status;
export const streamsPb = require(`${V1}/streams_pb.js`) as typeof Streams;
export const streamsService = (require(`${V1}/streams_grpc_pb.js`) as { StreamsService: ServiceDefinition }).StreamsService;
export const featuresService = (require(`${V1}/serverfeatures_grpc_pb.js`) as { ServerFeaturesService: ServiceDefinition }).ServerFeaturesService;
export const gossipService = (require(`${V1}/gossip_grpc_pb.js`) as { GossipService: ServiceDefinition }).GossipService;

export type ReadReq = Streams.ReadReq;
export type ReadResp = Streams.ReadResp;
export type BatchAppendReq = Streams.BatchAppendReq;
export type BatchAppendResp = Streams.BatchAppendResp;

export function uuidText(uuid: Shared.UUID | undefined): string {
  return (uuid?.getString() ?? "").toLowerCase();
}

export function identifier(stream: string): Shared.StreamIdentifier {
  const found = new sharedPb.StreamIdentifier();
  found.setStreamName(Buffer.from(stream));
  return found;
}

export function streamName(found: Shared.StreamIdentifier | undefined): string {
  return Buffer.from(found?.getStreamName_asU8() ?? new Uint8Array()).toString("utf8");
}

/** An error of a batch append: its details tell what it is. */
export function appendError(name: string, details: { serializeBinary(): Uint8Array }, message = name): Status.Status {
  const packed = new anyPb.Any();
  packed.pack(details.serializeBinary(), `event_store.client.${name}`);
  const status = new statusPb.Status();
  status.setMessage(message);
  status.setDetails(packed);
  return status;
}

export function eventResponse(record: LogRecord): ReadResp {
  const recorded = new streamsPb.ReadResp.ReadEvent.RecordedEvent();
  const id = new sharedPb.UUID();
  id.setString(record.id);
  recorded.setId(id);
  recorded.setStreamIdentifier(identifier(record.stream));
  recorded.setStreamRevision(String(record.revision));
  recorded.setCommitPosition(String(record.position));
  recorded.setPreparePosition(String(record.position));
  recorded.setData(record.data);
  recorded.setCustomMetadata(record.metadata);
  const metadata = recorded.getMetadataMap();
  metadata.set("type", record.type);
  metadata.set("content-type", record.isJson ? "application/json" : "application/octet-stream");
  metadata.set("created", String(BigInt(record.createdMs) * 10_000n));
  const event = new streamsPb.ReadResp.ReadEvent();
  event.setEvent(recorded);
  event.setCommitPosition(String(record.position));
  const response = new streamsPb.ReadResp();
  response.setEvent(event);
  return response;
}
