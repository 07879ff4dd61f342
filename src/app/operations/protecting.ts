/** Roots, state, flush and pause: what people tell the actors, and what they are told of them. */
import { isAbsolute } from "node:path";
import { reasonsOf } from "../../actors/capture/index.ts";
import type { Capture } from "../../capture/index.ts";
import { displayOf, RainbowError } from "../../core/index.ts";
import type { Revision, TimeUs } from "../../core/index.ts";
import type { DigTreeProjection } from "../../projections/index.ts";
import { EMBEDDED, hasOwnEvents, rememberedEvents } from "../events-choice.ts";
import { noteRoot, readNotedRoots } from "../noted-roots.ts";
import { shown } from "../open-events.ts";
import type { OperationsContext } from "./context.ts";
import type { RootStatus } from "./imports.ts";
import { auditNotices, retentionNotices } from "./notices.ts";
import type { FlushAnswer, Operations, StatusAnswer } from "./types.ts";

type Protecting = Pick<Operations, "status" | "addRoot" | "removeRoot" | "roots" | "flush" | "pause" | "resume" | "leftOut" | "why">;

export function protecting(context: OperationsContext): Protecting {
  const { capture, dataDirectory } = context;
  return {
    status: () => statusOf(context),
    addRoot: async ({ path, options }) => {
      if (capture !== undefined) return await capture.addRoot(path, options);
      if (!isAbsolute(path)) throw new RainbowError("ROOT_REFUSED", `'${displayOf(path)}' is no absolute path`);
      noteRoot(dataDirectory, { path, options });
      return notedStatus(path, options);
    },
    removeRoot: async ({ path }) => {
      if (capture !== undefined) return await capture.removeRoot(path);
      const known = await rootsOf(context);
      if (!known.some((root) => root.path === path))
        throw new RainbowError("NOT_PROTECTED", `'${displayOf(path)}' is no protected folder: 'rainbow roots' lists them`, { path: displayOf(path) });
      noteRoot(dataDirectory, { path });
    },
    roots: () => rootsOf(context),
    flush: ({ full }) => flush(context, full),
    pause: async ({ forMs }) => await running(capture).pause(forMs === undefined ? undefined : ((context.clock.now() + forMs * 1000) as TimeUs)),
    resume: async () => await running(capture).resume(),
    leftOut: async ({ path }) => leftOut(running(capture), path),
    why: async ({ path }) => running(capture).why(path),
  };
}

function running(capture: Capture | undefined): Capture {
  if (capture !== undefined) return capture;
  throw new RainbowError("NOT_RUNNING", "no Rainbow runs on this data directory: start one with 'rainbow up'");
}

function notedStatus(path: RootStatus["path"], options: RootStatus["options"]): RootStatus {
  return {
    root: 0 as RootStatus["root"],
    path,
    options,
    state: "paused",
    firstScanDone: false,
    nodeCount: 0,
    bytes: 0,
    unwatchedDirectoryCount: 0,
    lastReconcileUs: undefined,
  };
}

/** The roots as capture has them; where nothing runs, those of the stream with what was noted since. */
async function rootsOf({ capture, host, dataDirectory }: OperationsContext): Promise<readonly RootStatus[]> {
  if (capture !== undefined) return capture.roots();
  const known = new Map(
    host
      .opened()
      .projection.facts()
      .roots.map((root): [string, RootStatus] => [root.path, { ...notedStatus(root.path, root.options), root: root.root, firstScanDone: true }]),
  );
  for (const { path, options } of readNotedRoots(dataDirectory)) {
    if (options === undefined) known.delete(path);
    else known.set(path, notedStatus(path, options));
  }
  return [...known.values()];
}

async function statusOf(context: OperationsContext): Promise<StatusAnswer> {
  const { host, capture, os, dataDirectory } = context;
  const { projection, dig } = host.opened();
  const live = host.live.now();
  const status = capture?.status();
  // Reports of capture come a moment later than what it says when asked: both halves of an answer are of one moment.
  if (status !== undefined && status.roots.length > 0) host.captureState.send({ type: "STATUS", status });
  const state = host.captureState.getSnapshot();
  const usage = dig.usage();
  const span = await projection.span();
  const eventBytes = await eventBytesOf(context);
  const [alarms, mirrors, roots] = [await context.runner.alarms(), await context.runner.briefs(), await rootsOf(context)];
  const ownState = stateName(state.value as string);
  const [headTimeUs, windowTimeUs] = [await projection.timeOf(span.head), await projection.timeOf(span.first)];
  return {
    running: capture !== undefined,
    pid: process.pid,
    version: context.version,
    dataDirectory,
    machine: context.machine,
    label: context.label,
    state: withAlarms(ownState === "idle" && mirrors.length > 0 ? "mirroring" : ownState, alarms),
    reasons: [...reasonsOf(state.context), ...alarms],
    replay: undefined,
    source: status?.source ?? "none",
    limits: status?.limits ?? [],
    lacks: os.lacks,
    roots,
    mirrors,
    scan: status?.scan,
    dirtyCount: status?.dirtyCount ?? 0,
    unacknowledgedBatches: live.unacknowledged,
    headRevision: span.head,
    headTimeUs,
    windowRevision: span.first,
    windowTimeUs,
    gaps: (status?.openGaps ?? []).map(({ reason, sinceUs, detail }) => ({ reason, sinceUs, detail })),
    storedBytes: usage.allocatedBytes + usage.controlBytes + eventBytes,
    payloadBytes: usage.payloadBytes,
    metadataBytes: usage.treeBytes + usage.controlBytes,
    eventBytes,
    freeDiskBytes: context.disk.freeBytes(dataDirectory),
    quotaBytes: usage.quotaBytes,
    retentionNotices: retentionNotices(context),
    auditNotices: auditNotices(context),
    events: shown(rememberedEvents(dataDirectory) ?? EMBEDDED),
  };
}

/** A mirror that somebody must look at is as much a matter of this host as a folder. */
function withAlarms(state: StatusAnswer["state"], alarms: readonly string[]): StatusAnswer["state"] {
  return alarms.length > 0 && (state === "protecting" || state === "mirroring" || state === "idle") ? "degraded" : state;
}

function stateName(value: string): StatusAnswer["state"] {
  if (value === "scanning" || value === "protecting") return "protecting";
  if (value === "degraded" || value === "paused" || value === "idle") return value;
  return "starting";
}

/** 0 where they are on a server: that is not our disk. */
async function eventBytesOf({ disk, dataDirectory }: OperationsContext): Promise<number> {
  if (!hasOwnEvents(dataDirectory)) return 0;
  const file = disk.open(`${dataDirectory}/events.lmdb`, { create: false, readOnly: true });
  try {
    return file.allocatedBytes();
  } finally {
    file.close();
  }
}

/** Durable and readable: what happened before the call is in the stream, and the projection has passed it. */
export async function flush(context: OperationsContext, full: boolean): Promise<FlushAnswer> {
  const capture = running(context.capture);
  const { host } = context;
  const { revision, notices, incomplete } = await host.flush(capture, full);
  const { projection } = host.opened();
  await projected(projection, revision);
  return { revision, timeUs: await projection.timeOf(revision), notices, incomplete };
}

/** Readers see it from here on. */
async function projected(projection: DigTreeProjection, revision: Revision): Promise<void> {
  projection.follow(revision);
  await projection.projected(revision);
}

function leftOut(capture: Capture, path: RootStatus["path"] | undefined): Awaited<ReturnType<Operations["leftOut"]>> {
  const roots = capture.roots().filter((root) => path === undefined || path === root.path || path.startsWith(`${root.path}/`));
  if (roots.length === 0 && path !== undefined)
    throw new RainbowError("NOT_PROTECTED", `'${displayOf(path)}' lies below no protected folder`, { path: displayOf(path) });
  const found = roots.map((root) => capture.leftOut(root.root));
  return {
    rules: roots.flatMap((root) => root.options.rules),
    items: found.flatMap(({ items }) => items),
    total: found.reduce((sum, { total }) => sum + total, 0),
  };
}
