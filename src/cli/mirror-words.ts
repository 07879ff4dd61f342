/** Sentences about mirrors: what a check or a recovery came to, and the syncs of before. */
import type { MirrorLogItem, MirrorSettings } from "../app/index.ts";
import { formatBytes, formatCount, formatSpan, plural } from "./format/index.ts";
import { formatMoment } from "./instants/index.ts";
import { settingsText } from "./mirror-settings.ts";

type Counts = Readonly<Record<string, number>>;

/** `6 names, 17.2 MiB read, nothing wrong`. `faults`: how often each was found. */
export function checkText(counts: Counts, faults: ReadonlyMap<string, number>, readsAll: boolean): string {
  const { entryCount = 0, faultCount = 0, readBytes = 0, provenCount = 0, unprovenCount = 0 } = counts;
  const kinds = [...faults].map(([what, count]) => `${formatCount(count)} ${what === "attributes" ? "of another mode or time" : what}`).join(", ");
  const parts = [plural(entryCount, "name")];
  if (readsAll) parts.push(`${formatBytes(readBytes)} read`);
  parts.push(faultCount === 0 ? "nothing wrong" : `${formatCount(faultCount)} wrong (${kinds})`);
  if (provenCount > 0) parts.push(`${plural(provenCount, "file")} proven to be as the server said`);
  if (unprovenCount > 0)
    parts.push(`no digest is known of ${plural(unprovenCount, "file")}: only the length speaks for ${unprovenCount === 1 ? "it" : "them"}`);
  return parts.join(", ");
}

/** `3 files proven to be as the server said, 1.2 GiB read`. */
export function scrubText({ readBytes = 0, provenCount = 0, lostCount = 0 }: Counts): string {
  if (provenCount + lostCount === 0) return "nothing was to be proven";
  const lost = lostCount === 0 ? [] : [`${formatCount(lostCount)} not: the next sync fetches ${lostCount === 1 ? "it" : "them"} whole`];
  return [`${plural(provenCount, "file")} proven to be as the server said`, ...lost, `${formatBytes(readBytes)} read`].join(", ");
}

/** `9 objects: 4 were listed as they are, 5 taken into the list, 1 corrected in it`. */
export function recoveryText({ objectCount = 0, sameCount = 0, adoptedCount = 0, correctedCount = 0, withdrawnCount = 0, ignoredCount = 0 }: Counts): string {
  const objects = plural(objectCount, "object");
  const done = [
    [adoptedCount, "taken into the list"],
    [correctedCount, "corrected in it"],
    [withdrawnCount, "taken out of it, as the target does not have them"],
    [ignoredCount, "left alone, as no mirror puts such a thing there"],
  ] as const;
  const told = done.flatMap(([count, words]) => (count === 0 ? [] : [`${formatCount(count)} ${words}`]));
  if (told.length === 0) return `${objects}, all in the list as they are`;
  return `${objects}: ${[...(sameCount === 0 ? [] : [`${formatCount(sameCount)} in the list as they are`]), ...told].join(", ")}`;
}

/** The lines of `mirror log`. Items come the newest first: what ended a sync waits for its start, which says how long it took. */
export class SyncLines {
  private readonly zone: string;
  private ended: MirrorLogItem | undefined;
  private isNewest = true;

  constructor(zone: string) {
    this.zone = zone;
  }

  add(item: MirrorLogItem): string[] {
    const isNewest = this.isNewest;
    this.isNewest = false;
    if (item.event === "SyncFinished" || item.event === "SyncFailed") {
      const lines = this.rest();
      this.ended = item;
      return lines;
    }
    if (item.event === "SyncStarted") {
      const cause = `(${causeText(item.data["cause"])})`;
      const { ended } = this;
      this.ended = undefined;
      if (ended !== undefined) return [this.line(ended, `${endText(ended, ended.timeUs - item.timeUs)} ${cause}`)];
      return [this.line(item, isNewest ? `started, and has no end yet ${cause}` : `started, and was cut off: the process ended ${cause}`)];
    }
    return [...this.rest(), this.line(item, definitionText(item.data))];
  }

  /** What still waits. */
  rest(): string[] {
    const { ended } = this;
    this.ended = undefined;
    return ended === undefined ? [] : [this.line(ended, endText(ended, undefined))];
  }

  private line({ timeUs, revision }: MirrorLogItem, text: string): string {
    return `${formatMoment(timeUs, this.zone)} (r${revision})  ${text}`;
  }
}

/** `finished: 12 arrived, 3 gone, 1.2 GiB received of 40.0 GiB, 10 s`. */
function endText({ event, data }: MirrorLogItem, tookUs: number | undefined): string {
  const took = tookUs === undefined ? "" : formatSpan(tookUs);
  if (event === "SyncFailed") return `failed${took === "" ? "" : ` after ${took}`}: ${textOf(data["message"])} [${textOf(data["code"])}]`;
  const count = (name: string): number => (typeof data[name] === "number" ? data[name] : 0);
  const done = [
    [count("arrivedCount"), "arrived"],
    [count("touchedCount"), "touched"],
    [count("withdrawnCount"), "gone"],
    [count("queuedCount"), "to go later"],
  ] as const;
  const parts = done.flatMap(([number, words]) => (number === 0 ? [] : [`${formatCount(number)} ${words}`]));
  if (parts.length === 0) parts.push("nothing to do");
  parts.push(`${formatBytes(count("receivedBytes"))} received of ${formatBytes(count("totalBytes"))}`);
  if (took !== "") parts.push(took);
  const [held, by] = [textOf(data["heldBecause"]), textOf(data["heldBy"])];
  return `finished: ${parts.join(", ")}${held === "" ? "" : `; nothing was deleted: ${held}${by === "" ? "" : ` (${by})`}`}`;
}

function definitionText(data: MirrorLogItem["data"]): string {
  const options = settingsText((data["options"] ?? {}) as MirrorSettings);
  return `defined: ${textOf(data["source"])} to ${textOf(data["target"])}${options === "" ? "" : `, ${options}`}`;
}

function causeText(cause: unknown): string {
  const known: Readonly<Record<string, string>> = { schedule: "by schedule", command: "asked for", trigger: "triggered", scrub: "after scrubbing" };
  return known[textOf(cause)] ?? textOf(cause);
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
