/**
 * The rare events as JSON: one object, `"v"` first, then exactly the fields of SHAPES. ByteStrings keep one character per byte.
 * Every field is checked on the way in and out, so that a stored event is what its type says. FORMAT.md "JSON events".
 */
import { assert, RainbowError } from "../core/index.ts";
import { JSON_BYTES_MAX, NAME_BYTES_MAX, NODE_RUNS_MAX, PATHS_MAX, TEXT_BYTES_MAX } from "./limits.ts";
import type { BinaryType } from "./codec-binary.ts";
import { ACTION_RESULTS, ACTIONS } from "./schema.ts";
import type { AuditEventType, MachineEventType, StreamEvent } from "./schema.ts";

export type JsonType = Exclude<MachineEventType, BinaryType> | AuditEventType;
type Check = (value: unknown) => boolean;
type FieldsOf<T extends JsonType> = Exclude<keyof Extract<StreamEvent, { type: T }>, "type">;
type Json = Readonly<Record<string, unknown>>;
/** Turns the object of version v (index v - 1) into that of version v + 1. */
export type Upcasts = { readonly [T in JsonType]?: readonly ((data: Json) => Json)[] };

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value);
const text: Check = (value) => typeof value === "string" && value.length <= TEXT_BYTES_MAX;
const bytes: Check = (value) => typeof value === "string" && value.length <= NAME_BYTES_MAX && !/[^\x00-\xff]/.test(value);
const natural: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const integer: Check = (value) => Number.isSafeInteger(value);
const flag: Check = (value) => typeof value === "boolean";
const record: Check = isObject;
const oneOf =
  (values: readonly string[]): Check =>
  (value) =>
    typeof value === "string" && values.includes(value);
const paths: Check = (value) => Array.isArray(value) && value.length <= PATHS_MAX && value.every(bytes);
const witness: Check = (value) => isObject(value) && integer(value["revision"]) && text(value["chainHash"]);
const REASONS = "agent-away overflow paused root-missing root-replaced root-emptied unreadable unsettled spool-full first-scan memory-lost clock".split(" ");
const reason = oneOf(REASONS);
const scope: Check = (value) => {
  if (!isObject(value)) return false;
  const { kind, node } = value;
  return kind === "machine" ? node === undefined : (kind === "root" || kind === "subtree" || kind === "node") && natural(node);
};
const runs: Check = (value) => {
  if (!Array.isArray(value) || value.length % 2 !== 0 || value.length > NODE_RUNS_MAX * 2) return false;
  let end = 0;
  return value.every((each: unknown, i) => natural(each) && ((each as number) > 0 || i % 2 === 0) && Number.isSafeInteger((end += each as number)));
};
const options: Check = (value) =>
  isObject(value) && flag(value["crossMounts"]) && natural(value["fileBytesMax"]) && Array.isArray(value["rules"]) && value["rules"].every(text);

const ERROR_CODE = /^[A-Z_]{1,64}$/;
const code: Check = (value) => typeof value === "string" && ERROR_CODE.test(value);

const SHAPES: { readonly [T in JsonType]: { readonly [F in FieldsOf<T>]: Check } } = {
  SyncStarted: { cause: text },
  SyncFinished: {
    entryCount: natural,
    totalBytes: natural,
    arrivedCount: natural,
    touchedCount: natural,
    withdrawnCount: natural,
    queuedCount: natural,
    fetchedBytes: natural,
    reusedBytes: natural,
    receivedBytes: natural,
    sentBytes: natural,
    ioError: natural,
    heldBecause: text,
    heldBy: bytes,
  },
  SyncFailed: { code, message: text },
  ClockStepped: { beforeUs: natural, afterUs: natural },
  GapOpened: { gap: text, scope, reason, fromUs: natural, detail: text },
  GapClosed: { gap: text },
  ReconcileFinished: { root: natural, nodeCount: natural, changedCount: natural, readBytes: natural, first: flag },
  RootProtected: { root: natural, path: bytes, filesystemUuid: text, inode: natural, btimeSeconds: integer, btimeNanos: natural, options },
  RootReleased: { root: natural },
  MachineEnrolled: { machine: text, label: text, hashKey: text, dataFile: text },
  MirrorDefined: { mirror: text, label: text, hashKey: text, dataFile: text, source: text, target: text, options: record },
  HostOpened: { version: text },
  EpochStarted: { epoch: natural },
  SnapshotTaken: { name: text, revision: natural, atUs: natural, pinned: flag },
  SnapshotDropped: { name: text },
  PolicySet: { policy: record },
  PathPurged: { path: bytes, nodes: runs },
  Rebased: { window: natural, state: record },
  ActionNoted: {
    request: text,
    action: oneOf(ACTIONS),
    operation: text,
    uid: integer,
    user: text,
    loginUid: integer,
    pid: natural,
    machine: text,
    paths,
    revision: integer,
    result: oneOf(ACTION_RESULTS),
    code: text,
    detail: text,
    atUs: natural,
    witness,
  },
  EntriesLost: { count: natural, fromUs: natural, untilUs: natural, why: text },
  EntriesDropped: { before: natural, chainHash: text, untilUs: natural },
};
const AUDIT_TYPES: ReadonlySet<string> = new Set<AuditEventType>(["ActionNoted", "EntriesLost", "EntriesDropped"]);

export const UPCASTS: Upcasts = {
  PathPurged: [(data) => ({ ...data, nodes: [] })], // The first version did not say which files: it hides nothing.
};

export function isJsonType(type: string): type is JsonType {
  return Object.hasOwn(SHAPES, type);
}

/** Whether events of this type are an audit's, and of no machine's stream. */
export function isAuditType(type: string): type is AuditEventType {
  return AUDIT_TYPES.has(type);
}

export function encodeJson(event: Extract<StreamEvent, { type: JsonType }>): Buffer {
  const { type, ...fields } = event;
  const why = misshapen(type, fields);
  assert(why === undefined, `a ${type} event has its shape: ${why}`);
  const bytes = Buffer.from(JSON.stringify({ v: (UPCASTS[type]?.length ?? 0) + 1, ...fields }), "utf8");
  if (bytes.length > JSON_BYTES_MAX)
    throw new RainbowError("LIMIT", `a ${type} event of ${bytes.length} bytes is over the limit of ${JSON_BYTES_MAX}`, { type });
  return bytes;
}

/** Throws what `fail` makes where the bytes are not such an event, NEWER_FORMAT where its version is unknown. */
export function decodeJson(type: JsonType, bytes: Uint8Array, fail: (why: string) => Error, upcasts: Upcasts = UPCASTS): StreamEvent {
  if (bytes.length > JSON_BYTES_MAX) throw fail(`${bytes.length} bytes of JSON are over the limit`);
  const parsed = parse(bytes);
  if (!isObject(parsed)) throw fail("the data is not a JSON object");
  const { v, ...rest } = parsed;
  if (!natural(v) || v === 0) throw fail("the data has no version");
  const steps = upcasts[type] ?? [];
  const version = v as number;
  if (version > steps.length + 1)
    throw new RainbowError("NEWER_FORMAT", `a ${type} event of version ${version} was written by a newer Rainbow`, { type, version });
  let fields: Json = rest;
  for (const step of steps.slice(version - 1)) fields = step(fields);
  const why = misshapen(type, fields);
  if (why !== undefined) throw fail(why);
  return { type, ...fields } as unknown as StreamEvent;
}

/** What is wrong with the fields, or undefined. */
function misshapen(type: JsonType, fields: Json): string | undefined {
  const shape: Readonly<Record<string, Check>> = SHAPES[type];
  for (const name of Object.keys(fields)) if (!Object.hasOwn(shape, name)) return `unknown field '${name}'`;
  for (const [name, check] of Object.entries(shape)) if (!check(fields[name])) return `field '${name}' is not what it should be`;
  return undefined;
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined; // The caller names the place.
  }
}
