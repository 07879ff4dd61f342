/** rainbow status: 0 once an instance protects folders or keeps mirrors on this data directory, 3 when it is degraded or paused, 11 when none runs. */
import type { MirrorBrief, StatusAnswer } from "../../app/index.ts";
import { EXIT, RainbowError } from "../../core/index.ts";
import type { CommandFile } from "../command.ts";
import type { Context } from "../context.ts";
import { formatBytes, formatCount, formatSpan, plural } from "../format/index.ts";
import { formatMoment } from "../instants/index.ts";
import type { Invocation } from "../invocation.ts";
import { rootLine } from "./roots.ts";

export const command: CommandFile = {
  run: async (invocation) => {
    const { report, context, dataDirectory } = invocation;
    const running = await invocation.running();
    if (running === undefined) {
      if (context.machine.isDataDirectory(dataDirectory)) await invocation.needRunning();
      throw new RainbowError("NO_STORE", `${dataDirectory}: there is no Rainbow data directory there; '${invocation.hint("up DIR")}' makes one`, {
        dataDirectory,
      });
    }
    const status = await running.status();
    await report.json({ type: "status", ...status });
    for (const line of statusLines(status, invocation)) await report.line(line);
    return exitCodeOf(status);
  },
};

function exitCodeOf(status: StatusAnswer): number {
  if (status.state === "starting") return EXIT.notRunning; // It runs, but protects nothing yet: who waits for it goes on waiting.
  return status.state === "protecting" || status.state === "mirroring" ? EXIT.ok : EXIT.incomplete;
}

function statusLines(status: StatusAnswer, { context }: Invocation): string[] {
  const moment = (us: number, revision: number): string => `${formatMoment(us, context.zone)} (r${revision})`;
  const field = (name: string, text: string): string => `${`${name}:`.padEnd(16)}${text}`;
  const identity = [
    field("data directory", status.dataDirectory),
    field("process", `${status.pid}, version ${status.version}`),
    field("machine", `${status.label} ${status.machine}`),
    field("events", status.events === "embedded" ? "embedded, in the data directory" : status.events),
  ];
  if (status.state === "starting") return [field("state", [status.state, ...status.reasons, ...replayText(status.replay)].join("; ")), ...identity];
  const lines = [
    field("state", `${status.state}${status.reasons.length > 0 ? `: ${status.reasons.join("; ")}` : ""}`),
    ...identity,
    ...status.roots.map((root, i) => field(i === 0 ? "protects" : "and", rootLine(root, true))),
  ];
  lines.push(...status.mirrors.map((mirror, i) => field(i === 0 ? "mirrors" : "and", mirrorLine(mirror, context))));
  if (status.roots.length > 0) {
    if (status.scan !== undefined) lines.push(field("scan", scanText(status.scan)));
    lines.push(field("source", [status.source, ...status.limits].join("; ")));
    if (status.lacks.length > 0) lines.push(field("cannot keep", status.lacks.join(", ")));
    lines.push(field("newest", `${moment(status.headTimeUs, status.headRevision)}, ${agoText(status.headTimeUs, context)}`));
    lines.push(field("under way", `${plural(status.dirtyCount, "changed path")}, ${plural(status.unacknowledgedBatches, "batch", "batches")}`));
    lines.push(field("window", `every instant since ${moment(status.windowTimeUs, status.windowRevision)}`));
  } else if (status.mirrors.length === 0) lines.push(field("protects", "nothing; 'add DIR' changes that"));
  lines.push(field("space", spaceText(status)));
  for (const notice of status.retentionNotices) lines.push(field("retention", notice));
  for (const notice of status.auditNotices) lines.push(field("audit", notice));
  for (const gap of status.gaps)
    lines.push(field("gap", `since ${formatMoment(gap.sinceUs, context.zone)}: ${gap.reason}${gap.detail === "" ? "" : `, ${gap.detail}`}`));
  return lines;
}

/** `debian  next run 2026-05-01 17:00:00.000 +08:00, updated 5 min 3 s ago; nothing is deleted: …`. */
function mirrorLine({ name, state, phase, nextRunUs, lastUpdatedUs, heldBecause, failure }: MirrorBrief, context: Context): string {
  const next = nextRunUs === undefined ? "waits to be asked" : `next run ${formatMoment(nextRunUs, context.zone)}`;
  const now = state === "syncing" ? (phase === "" ? "syncing" : `syncing: ${phase}`) : state === "backing-off" ? "tries again soon" : next;
  const updated = lastUpdatedUs === undefined ? "never updated" : `updated ${agoText(lastUpdatedUs, context)}`;
  const held = heldBecause === "" ? [] : [`nothing is deleted: ${heldBecause}`];
  return [`${name}  ${now}, ${updated}`, ...held, ...(failure === "" ? [] : [`failed: ${failure}`])].join("; ");
}

function agoText(us: number, { clock }: Context): string {
  return `${formatSpan(Math.max(0, clock.now() - us))} ago`;
}

/** The counts stand in the reason. */
function replayText(replay: StatusAnswer["replay"]): string[] {
  if (replay === undefined || replay.eventsPerSecond === 0) return [];
  const left = replay.secondsLeft === undefined ? [] : [`${formatSpan(replay.secondsLeft * 1e6)} left`];
  return [`${formatCount(replay.eventsPerSecond)} events/s`, ...left];
}

function scanText(scan: NonNullable<StatusAnswer["scan"]>): string {
  const of = (done: string, all: number, format: (value: number) => string): string => (all > 0 ? `${done} of ${format(all)}` : done);
  const entries = of(formatCount(scan.doneNodes), scan.allNodes, formatCount);
  return `${scan.first ? "initial backup" : "comparing"}: ${entries} entries, ${of(formatBytes(scan.doneBytes), scan.allBytes, formatBytes)}`;
}

function spaceText(status: StatusAnswer): string {
  const parts = `payload ${formatBytes(status.payloadBytes)}, metadata ${formatBytes(status.metadataBytes)}, events ${formatBytes(status.eventBytes)}`;
  const quota = status.quotaBytes > 0 ? ` of a quota of ${formatBytes(status.quotaBytes)}` : "";
  return `${formatBytes(status.storedBytes)}${quota} (${parts}); ${formatBytes(status.freeDiskBytes)} free on the disk`;
}
