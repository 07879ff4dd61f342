/** What is said of mirrors: a sync while it runs and when it has ended, states, and lists as rsync prints them. */
import type { ListedItem, MirrorStatus, MirrorSynced, MirrorSyncItem, NodeKind } from "../app/index.ts";
import { ERRORS, EXIT } from "../core/index.ts";
import type { ErrorCode } from "../core/index.ts";
import { formatBytes, formatCount, formatSpan, nameForPeople, plural, progressText } from "./format/index.ts";
import { formatMoment } from "./instants/index.ts";
import type { Invocation } from "./invocation.ts";
import { MirrorProgressLine, stepOf } from "./mirror-progress.ts";
import { settingsText } from "./mirror-settings.ts";

const DRY: Readonly<Record<string, string>> = {
  added: "would add",
  changed: "would change",
  touched: "would touch",
  copied: "would copy",
  deleted: "would delete",
};
const WHAT_WIDTH = 12;

/** Prints a sync's items; the worst exit code of all mirrors. */
export async function reportSync(
  invocation: Invocation,
  items: AsyncIterable<MirrorSyncItem>,
  { isDry, isPrefixed }: { readonly isDry: boolean; readonly isPrefixed: boolean },
): Promise<number> {
  const { report } = invocation;
  const progress = new MirrorProgressLine(invocation);
  let exitCode: number = EXIT.ok;
  const named = (name: string, text: string): string => (isPrefixed ? `${name}: ${text}` : text);
  for await (const item of items) {
    if (item.type !== "mirror-progress") await report.json(item);
    switch (item.type) {
      case "mirror-progress":
        await progress.show(item);
        break;
      case "mirror-phase":
        await progress.phase(item.name, item.phase);
        break;
      case "mirror-message":
        for (const line of item.text.trimEnd().split("\n")) await report.say(named(item.name, line));
        break;
      case "mirror-item": {
        const what = (isDry ? DRY[item.what] : undefined) ?? item.what;
        const text = `${what.padEnd(WHAT_WIDTH)}  ${nameForPeople(item.path)}${item.why === "" ? "" : `  (${item.why})`}`;
        await (item.what === "failed" || item.what === "lost" ? report.incompleteBecause(named(item.name, text)) : report.line(named(item.name, text)));
        break;
      }
      case "mirror-untold":
        await report.say(named(item.name, `… and ${plural(item.count, "more name")}: they came faster than they could be shown`));
        break;
      case "mirror-synced":
        progress.end(item.name);
        await report.line(`${item.name}: ${syncedText(item, isDry)}`);
        await reportDoubts(invocation, item);
        break;
      case "mirror-failed":
        progress.end(item.name);
        await report.warn(`${item.name}: ${item.message} [${item.code}]`);
        exitCode = Math.max(exitCode, codeOf(item.code));
    }
  }
  await report.progress.clear();
  return invocation.context.signal.aborted ? invocation.context.interruptedExitCode() : exitCode;
}

function codeOf(code: string): number {
  return Object.hasOwn(ERRORS, code) ? ERRORS[code as ErrorCode].exitCode : EXIT.bug;
}

function syncedText(item: MirrorSynced, isDry: boolean): string {
  if (item.isUnchanged) return "the probed file has not changed; nothing else was looked at";
  const parts = [`${plural(item.entryCount, "entry", "entries")}, ${formatBytes(item.totalBytes)} upstream`];
  const done = [
    [item.arrivedCount, "new or changed"],
    [item.touchedCount, "touched"],
    [item.withdrawnCount, "deleted"],
    [item.queuedCount, "to be deleted later"],
    [item.skippedCount, "left out"],
    [item.leftOverCount, "left for the next sync"],
  ] as const;
  parts.push(done.flatMap(([count, words]) => (count === 0 ? [] : [`${formatCount(count)} ${words}`])).join(", ") || "nothing to do");
  if (!isDry && item.reusedBytes > 0) parts.push(`${formatBytes(item.reusedBytes)} of content reused`);
  if (isDry && item.wantedBytes > 0) parts.push(`${formatBytes(item.wantedBytes)} to fetch`);
  return [...parts, trafficText(item)].join("; ");
}

/** As rsync's last lines: `57.2 MiB received, 339 B sent in 0.5 s (114.4 MiB/s); speedup 1.00`. */
function trafficText({ receivedBytes, sentBytes, totalBytes, seconds }: MirrorSynced): string {
  const wireBytes = receivedBytes + sentBytes;
  const rate = seconds > 0 ? ` (${formatBytes(Math.round(wireBytes / seconds))}/s)` : "";
  const speedup = wireBytes > 0 ? `; speedup ${(totalBytes / wireBytes).toFixed(2)}` : "";
  return `${formatBytes(receivedBytes)} received, ${formatBytes(sentBytes)} sent in ${formatSpan(seconds * 1e6)}${rate}${speedup}`;
}

async function reportDoubts({ report }: Invocation, item: MirrorSynced): Promise<void> {
  const by = item.heldBy === "" ? "" : ` (${nameForPeople(item.heldBy)})`;
  if (item.heldBecause !== "") await report.incompleteBecause(`${item.name}: nothing was deleted: ${item.heldBecause}${by}`);
  if (item.failedCount > 0) await report.incompleteBecause(`${item.name}: ${plural(item.failedCount, "name")} failed; the next sync tries again`);
  if (item.leftOverCount > 0) await report.incompleteBecause(`${item.name}: ${plural(item.leftOverCount, "name")} are left for the next sync`);
}

export function statusLines(status: MirrorStatus, { context }: Invocation): string[] {
  const field = (name: string, text: string): string => `  ${`${name}:`.padEnd(14)}${text}`;
  const moment = (us: number | undefined): string =>
    us === undefined ? "never" : `${formatMoment(us, context.zone)}, ${formatSpan(Math.max(0, context.clock.now() - us))} ago`;
  const every = status.settings.everyMs ?? 0;
  const unknown = status.state === "backing-off" ? "soon: it tries again by itself" : every > 0 ? "when a host runs" : "when it is asked for";
  const next = status.nextRunUs === undefined ? unknown : formatMoment(status.nextRunUs, context.zone);
  const lines = [
    status.name,
    field("upstream", status.source),
    field("target", status.target),
    field("state", stateText(status)),
    field("started", moment(status.lastStartedUs)),
    field("updated", moment(status.lastUpdatedUs)),
    field("ended", moment(status.lastEndedUs)),
    field("next run", next),
    field("size", `${plural(status.entryCount, "entry", "entries")}, ${formatBytes(status.sizeBytes)}`),
    field("kept", `every instant since ${formatMoment(status.windowTimeUs, context.zone)} (r${status.windowRevision})`),
  ];
  const options = settingsText(status.settings);
  if (options !== "") lines.splice(3, 0, field("options", options));
  if (status.queuedCount > 0) lines.push(field("to be deleted", plural(status.queuedCount, "name")));
  if (status.heldBecause !== "") {
    const by = status.heldBy === "" ? "" : ` (${nameForPeople(status.heldBy)})`;
    lines.push(field("deletes held", `since ${moment(status.heldSinceUs)}: ${status.heldBecause}${by}`));
  }
  if (status.failure !== "") lines.push(field("failed", status.failure));
  for (const alarm of status.alarms) if (alarm !== status.failure) lines.push(field("alarm", alarm));
  return lines;
}

function stateText({ state, phase, progress }: MirrorStatus): string {
  if (phase === "") return state;
  return progress === undefined ? `${state}: ${phase}` : `${state}: ${progressText(stepOf(phase, progress), 0)}`;
}

const LETTERS: Readonly<Record<NodeKind, string>> = { file: "-", directory: "d", symlink: "l", fifo: "p", socket: "s", character: "c", block: "b" };
const SIZE_WIDTH = 14;

/** `-rw-r--r--          1,234 2026/05/01 17:00:00 name -> target`, as `rsync --list-only` prints it. */
export function listedLine(item: ListedItem & { readonly type: "listed" }, zone: string): string {
  const target = item.kind === "symlink" ? ` -> ${nameForPeople(item.linkTarget)}` : "";
  return `${permissions(item)} ${formatCount(item.sizeBytes).padStart(SIZE_WIDTH)} ${localTime(item.mtimeSeconds, zone)} ${nameForPeople(item.path)}${target}`;
}

function permissions({ kind, mode }: { readonly kind: NodeKind; readonly mode: number }): string {
  const bits = Array.from("rwxrwxrwx", (letter, i) => ((mode >> (8 - i)) & 1 ? letter : "-"));
  const special = (bit: number, place: number, letter: string): void => {
    if ((mode & bit) !== 0) bits[place] = bits[place] === "x" ? letter : letter.toUpperCase();
  };
  special(0o4000, 2, "s");
  special(0o2000, 5, "s");
  special(0o1000, 8, "t");
  return LETTERS[kind] + bits.join("");
}

function localTime(seconds: number, zone: string): string {
  const options = { timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" } as const;
  const parts = new Map(
    new Intl.DateTimeFormat("en-GB", { ...options, hourCycle: "h23" }).formatToParts(seconds * 1000).map(({ type, value }) => [type, value]),
  );
  const part = (type: Intl.DateTimeFormatPartTypes): string => parts.get(type) ?? "";
  return `${part("year")}/${part("month")}/${part("day")} ${part("hour")}:${part("minute")}:${part("second")}`;
}
