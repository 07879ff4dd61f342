/** The stand-in server's gRPC services over its log: appends in batches, reads, subscriptions to `$all`, and what a client asks first. */
import { status } from "@grpc/grpc-js";
import type { sendUnaryData, ServerDuplexStream, ServerUnaryCall, ServerWritableStream, UntypedServiceImplementation } from "@grpc/grpc-js";
import { appendError, emptyPb, eventResponse, featuresPb, gossipPb, identifier, sharedPb, streamName, streamsPb, uuidText } from "./protocol.ts";
import type { BatchAppendReq, BatchAppendResp, ReadReq, ReadResp } from "./protocol.ts";
import type { Expected, LogRecord, Proposed, RecordLog, Verdict } from "./record-log.ts";

const APPEND_BYTES_MAX = 1_048_576; // Of data alone, as the real server counts.
const ZERO_ID = "00000000-0000-0000-0000-000000000000";

interface Pending {
  readonly stream: string;
  readonly expected: Expected;
  readonly events: Proposed[];
}

export function streamsOf(log: RecordLog): UntypedServiceImplementation {
  return {
    batchAppend: (call: ServerDuplexStream<BatchAppendReq, BatchAppendResp>) => takeBatches(log, call),
    read: (call: ServerWritableStream<ReadReq, ReadResp>) => void answerRead(log, call),
  };
}

function takeBatches(log: RecordLog, call: ServerDuplexStream<BatchAppendReq, BatchAppendResp>): void {
  const pending = new Map<string, Pending>();
  call.on("data", (request: BatchAppendReq) => {
    const correlation = uuidText(request.getCorrelationId());
    const options = request.getOptions();
    if (options !== undefined) pending.set(correlation, { stream: streamName(options.getStreamIdentifier()), expected: expectedOf(options), events: [] });
    const append = pending.get(correlation);
    if (append === undefined) return;
    for (const message of request.getProposedMessagesList()) {
      const metadata = message.getMetadataMap();
      append.events.push({
        id: uuidText(message.getId()),
        type: metadata.get("type") ?? "",
        isJson: metadata.get("content-type") === "application/json",
        data: Buffer.from(message.getData_asU8()),
        metadata: Buffer.from(message.getCustomMetadata_asU8()),
      });
    }
    if (!request.getIsFinal()) return;
    pending.delete(correlation);
    void answerAppend(log, append).then((response) => {
      response.setCorrelationId(request.getCorrelationId());
      response.setStreamIdentifier(identifier(append.stream));
      if (call.writable) call.write(response);
    });
  });
  call.on("end", () => call.end());
  call.on("error", () => undefined); // The client went away; what was decided stays decided.
}

function expectedOf(options: NonNullable<ReturnType<BatchAppendReq["getOptions"]>>): Expected {
  if (options.hasAny()) return "any";
  if (options.hasNoStream()) return "no_stream";
  if (options.hasStreamExists()) return "stream_exists";
  return Number(options.getStreamPosition());
}

async function answerAppend(log: RecordLog, { stream, expected, events }: Pending): Promise<BatchAppendResp> {
  const response = new streamsPb.BatchAppendResp();
  const dataBytes = events.reduce((sum, event) => sum + event.data.length, 0);
  const isBad = stream === "" || events.some((event) => event.type === "" || event.id === ZERO_ID || !/^[0-9a-f-]{36}$/.test(event.id));
  if (isBad) {
    response.setError(appendError("BadRequest", new sharedPb.BadRequest()));
  } else if (dataBytes > APPEND_BYTES_MAX) {
    const details = new sharedPb.MaximumAppendSizeExceeded();
    details.setMaxappendsize(APPEND_BYTES_MAX);
    response.setError(appendError("MaximumAppendSizeExceeded", details));
  } else setVerdict(response, await log.append(stream, expected, events), { stream, expected });
  return response;
}

function setVerdict(response: BatchAppendResp, verdict: Verdict, { stream, expected }: { readonly stream: string; readonly expected: Expected }): void {
  if (verdict.kind === "deleted") {
    const details = new sharedPb.StreamDeleted();
    details.setStreamIdentifier(identifier(stream));
    response.setError(appendError("StreamDeleted", details));
  } else if (verdict.kind === "wrong") {
    const details = new sharedPb.WrongExpectedVersion();
    if (verdict.actual < 0) details.setCurrentNoStream(new emptyPb.Empty());
    else details.setCurrentStreamRevision(String(verdict.actual));
    if (expected === "any") details.setExpectedAny(new emptyPb.Empty());
    else if (expected === "stream_exists") details.setExpectedStreamExists(new emptyPb.Empty());
    else if (expected === "no_stream") details.setExpectedNoStream(new emptyPb.Empty());
    else details.setExpectedStreamPosition(String(expected));
    response.setError(appendError("WrongExpectedVersion", details));
  } else {
    const success = new streamsPb.BatchAppendResp.Success();
    success.setCurrentRevision(String(verdict.revision));
    if (verdict.position === undefined) success.setNoPosition(new emptyPb.Empty());
    else {
      const position = new sharedPb.AllStreamPosition();
      position.setCommitPosition(String(verdict.position));
      position.setPreparePosition(String(verdict.position));
      success.setPosition(position);
    }
    response.setSuccess(success);
  }
}

type ReadCall = ServerWritableStream<ReadReq, ReadResp>;
type ReadOptions = NonNullable<ReturnType<ReadReq["getOptions"]>>;

async function answerRead(log: RecordLog, call: ReadCall): Promise<void> {
  const options = call.request.getOptions();
  if (options === undefined) return refuse(call, status.INVALID_ARGUMENT, "no options");
  if (options.hasSubscription()) return options.hasAll() ? follow(log, call, options) : refuse(call, status.UNIMPLEMENTED, "only $all is subscribed to");
  const found = options.hasStream() ? readStream(log, call, options) : readAll(log, call, options);
  for (const record of found ?? []) {
    if (!call.write(eventResponse(record))) await new Promise((resolve) => call.once("drain", resolve));
  }
  if (found !== undefined) call.end();
}

/** undefined where it was refused. */
function readStream(log: RecordLog, call: ReadCall, options: ReadOptions): LogRecord[] | undefined {
  const from = options.getStream();
  const name = streamName(from?.getStreamIdentifier());
  const start = from?.hasStart() === true ? "start" : from?.hasEnd() === true ? "end" : Number(from?.getRevision());
  const found = log.read(name, isForwards(options), start, Number(options.getCount()));
  if (found !== undefined) return found;
  const response = new streamsPb.ReadResp();
  const missing = new streamsPb.ReadResp.StreamNotFound();
  missing.setStreamIdentifier(identifier(name));
  response.setStreamNotFound(missing);
  call.write(response);
  return [];
}

/** Forwards from a position on it is included, backwards it is not. A position that is no record's is refused. */
function readAll(log: RecordLog, call: ReadCall, options: ReadOptions): LogRecord[] | undefined {
  const all = options.getAll();
  const position = all?.hasPosition() === true ? Number(all.getPosition()?.getCommitPosition()) : undefined;
  const end = log.indexAt(log.durablePosition + 1);
  const at = position === undefined ? (all?.hasEnd() === true ? end : 0) : log.indexAt(position);
  if (position !== undefined && at < end && log.records[at]!.position !== position) {
    refuse(call, status.INTERNAL, "no record begins there");
    return undefined;
  }
  const matches = filterOf(options);
  const found: LogRecord[] = [];
  const step = isForwards(options) ? 1 : -1;
  for (let i = isForwards(options) ? at : at - 1; i >= 0 && i < end && found.length < Number(options.getCount()); i += step) {
    if (matches(log.records[i]!)) found.push(log.records[i]!);
  }
  return found;
}

function isForwards(options: ReadOptions): boolean {
  return options.getReadDirection() === streamsPb.ReadReq.Options.ReadDirection.FORWARDS;
}

function filterOf(options: ReadOptions): (record: LogRecord) => boolean {
  const filter = options.getFilter();
  const expression = filter?.getStreamIdentifier() ?? filter?.getEventType();
  if (filter === undefined || expression === undefined) return () => true;
  const subject = (record: LogRecord): string => (filter.hasStreamIdentifier() ? record.stream : record.type);
  if (expression.getRegex() !== "") {
    const regex = new RegExp(expression.getRegex());
    return (record) => regex.test(subject(record));
  }
  const prefixes = expression.getPrefixList();
  return (record) => prefixes.some((prefix) => subject(record).startsWith(prefix));
}

/** Confirms, catches up, says so, and goes on with what becomes durable; a checkpoint follows records that do not match. */
function follow(log: RecordLog, call: ReadCall, options: ReadOptions): void {
  const all = options.getAll();
  const matches = filterOf(options);
  let after = all?.hasPosition() === true ? Number(all.getPosition()?.getCommitPosition()) : all?.hasEnd() === true ? log.durablePosition : -1;
  const confirmation = new streamsPb.ReadResp();
  const confirmed = new streamsPb.ReadResp.SubscriptionConfirmation();
  confirmed.setSubscriptionId("stand-in");
  confirmation.setConfirmation(confirmed);
  call.write(confirmation);
  const send = (): void => {
    let passed = after;
    for (let i = log.indexAt(after + 1); i < log.records.length && log.records[i]!.position <= log.durablePosition; i++) {
      const record = log.records[i]!;
      after = record.position;
      if (!matches(record)) continue;
      call.write(eventResponse(record));
      passed = after;
    }
    if (after > passed) call.write(checkpointAt(after));
  };
  send();
  const caughtUp = new streamsPb.ReadResp();
  caughtUp.setCaughtUp(new streamsPb.ReadResp.CaughtUp());
  call.write(caughtUp);
  const stop = log.onDurable(send);
  call.on("cancelled", stop);
  call.on("error", stop);
}

function checkpointAt(position: number): ReadResp {
  const checkpoint = new streamsPb.ReadResp.Checkpoint();
  checkpoint.setCommitPosition(String(position));
  checkpoint.setPreparePosition(String(position));
  const response = new streamsPb.ReadResp();
  response.setCheckpoint(checkpoint);
  return response;
}

function refuse(call: ReadCall, code: status, details: string): void {
  call.emit("error", { code, details });
}

export const FEATURES: UntypedServiceImplementation = {
  getSupportedMethods: (_: ServerUnaryCall<unknown, unknown>, answer: sendUnaryData<unknown>) => {
    const methods = new featuresPb.SupportedMethods();
    methods.setEventStoreServerVersion("23.10.8");
    const append = new featuresPb.SupportedMethod();
    append.setServiceName("event_store.client.streams.Streams");
    append.setMethodName("BatchAppend");
    methods.addMethods(append);
    answer(null, methods);
  },
};

export function gossipOf(port: () => number): UntypedServiceImplementation {
  return {
    read: (_: ServerUnaryCall<unknown, unknown>, answer: sendUnaryData<unknown>) => {
      const member = new gossipPb.MemberInfo();
      const id = new sharedPb.UUID();
      id.setString("00000000-0000-4000-8000-000000000001");
      member.setInstanceId(id);
      member.setTimeStamp("0");
      member.setState(gossipPb.MemberInfo.VNodeState.LEADER);
      member.setIsAlive(true);
      const endpoint = new gossipPb.EndPoint();
      endpoint.setAddress("127.0.0.1");
      endpoint.setPort(port());
      member.setHttpEndPoint(endpoint);
      const info = new gossipPb.ClusterInfo();
      info.addMembers(member);
      answer(null, info);
    },
  };
}
