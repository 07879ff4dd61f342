/**
 * What people write for an instant. Pure: the moment it is now and the zone are handed in. Anything that has no shape of a time is
 * taken for a snapshot's name; whether it exists is for the caller to find out.
 *   now · 10m 2h 3d 1h30m (ago; s m h d w) · 17:00[:SS[.fraction]] (today) · today yesterday [17:00] · r4821
 *   2026-05-01 (its 00:00) · 2026-05-01[T ]17:00[:SS[.fraction]] [zone as Z, +08:00, +0800, +08]
 */
import { RainbowError } from "../../core/index.ts";
import type { InstantWords } from "../../app/index.ts";
import { formatLocalSeconds, formatMoment, formatOffset } from "./times.ts";
import { fieldsOf, jumpAround, momentsOf, offsetSeconds, secondsOf } from "./zones.ts";

export interface ParseOptions {
  readonly nowUs: number;
  /** IANA name. */
  readonly zone: string;
}

const UNIT_US: Readonly<Record<string, number>> = { s: 1e6, m: 60e6, h: 3600e6, d: 86_400e6, w: 604_800e6 };
const DURATION = /^(?:\d+(?:\.\d+)?[smhdw])+$/;
const CLOCK = String.raw`(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?`;
const TIME_OF_DAY = new RegExp(`^${CLOCK}$`);
const NAMED_DAY = new RegExp(`^(today|yesterday)(?:[ T]+${CLOCK})?$`);
const DATE = new RegExp(String.raw`^(\d{4})-(\d{2})-(\d{2})(?:(?:T|t|[ ]+)${CLOCK}(?: ?(Z|z|[+-]\d{2}(?::?\d{2})?))?)?$`);
const REVISION = /^r(\d{1,15})$/;
/** Starts like a time, so it is a mistake and not a name. */
const TIME_LIKE = /^(\d{4}-\d{2}-\d{2}|\d{1,2}:\d{2}|[+-]?\d+$)|^(?:today|yesterday)\b/;

/** INSTANT_INVALID, INSTANT_FUTURE or INSTANT_AMBIGUOUS where it cannot be taken as it stands; the message has the choices. */
export function parseInstant(text: string, options: ParseOptions): InstantWords {
  const words = text.trim();
  if (words === "now") return { kind: "now" };
  const revision = REVISION.exec(words)?.[1];
  if (revision !== undefined) return { kind: "revision", revision: Number(revision) };
  const us = momentOf(words, options);
  if (us === undefined) {
    if (isSnapshotName(words)) return { kind: "name", name: words };
    throw invalid(text, "it is no time, and no snapshot can have that name");
  }
  if (us > options.nowUs) throw future(words, us, options);
  return { kind: "time", us, text: words };
}

/** Microseconds of `10m`, `2h`, `1h30m`; undefined where it is none. */
export function parseDurationUs(text: string): number | undefined {
  if (!DURATION.test(text)) return undefined;
  let us = 0;
  for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d+)?)([smhdw])/g)) us += Number(count) * (UNIT_US[unit ?? ""] ?? 0);
  return Math.round(us);
}

/** Whether a snapshot may have this name: nothing that could be read as a time, a path or an option. */
export function isSnapshotName(name: string): boolean {
  const isClean = /^[^\s@/\x00-\x1f\x7f-][^@/\x00-\x1f\x7f]*$/.test(name) && !/\s$/.test(name) && Buffer.byteLength(name) <= 200;
  return isClean && name !== "now" && !REVISION.test(name) && !DURATION.test(name) && !TIME_LIKE.test(name);
}

function momentOf(words: string, options: ParseOptions): number | undefined {
  const agoUs = parseDurationUs(words);
  if (agoUs !== undefined) return options.nowUs - agoUs;
  const today = fieldsOf(localNow(options));
  const clock = TIME_OF_DAY.exec(words);
  if (clock !== null) return localMoment(words, { ...today, ...clockOf(words, clock.slice(1)) }, options);
  const named = NAMED_DAY.exec(words);
  if (named !== null) {
    const day = fieldsOf(localNow(options) - (named[1] === "yesterday" ? 86_400 : 0));
    return localMoment(words, { ...day, ...clockOf(words, named.slice(2)) }, options);
  }
  const date = DATE.exec(words);
  if (date === null) return undefined;
  const fields = { year: Number(date[1]), month: Number(date[2]), day: Number(date[3]), ...clockOf(words, date.slice(4, 8)) };
  return date[8] === undefined ? localMoment(words, fields, options) : zonedMoment(words, fields, date[8]);
}

function localNow({ nowUs, zone }: ParseOptions): number {
  const seconds = Math.floor(nowUs / 1e6);
  return seconds + offsetSeconds(zone, seconds);
}

interface ClockFields {
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly fractionUs: number;
}
type Fields = ClockFields & { readonly year: number; readonly month: number; readonly day: number };

/** Of hour, minute, second and fraction as they were matched; 00:00 where there are none. Digits beyond the microsecond are cut. */
function clockOf(words: string, [hour, minute, second, fraction]: readonly (string | undefined)[]): ClockFields {
  const fields = { hour: Number(hour ?? 0), minute: Number(minute ?? 0), second: Number(second ?? 0) };
  if (fields.hour > 23 || fields.minute > 59 || fields.second > 59) throw invalid(words, "there is no such time of day");
  return { ...fields, fractionUs: Number((fraction ?? "").padEnd(6, "0").slice(0, 6)) };
}

function zonedMoment(words: string, fields: Fields, zone: string): number {
  const [, sign, hours, minutes] = /^([+-])(\d{2}):?(\d{2})?$/.exec(zone) ?? [];
  const offset = (Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60) * (sign === "-" ? -1 : 1);
  if (Number(hours ?? 0) > 23 || Number(minutes ?? 0) > 59) throw invalid(words, "there is no such zone");
  return (localSecondsOf(words, fields) - offset) * 1e6 + fields.fractionUs;
}

function localSecondsOf(words: string, fields: Fields): number {
  const seconds = secondsOf(fields);
  if (seconds === undefined) throw invalid(words, "there is no such date");
  return seconds;
}

/** A time of the zone's own clock: exactly one moment, or a refusal that names the choices. */
function localMoment(words: string, fields: Fields, { zone }: ParseOptions): number {
  const local = localSecondsOf(words, fields);
  const moments = momentsOf(zone, local);
  const [only] = moments;
  if (only !== undefined && moments.length === 1) return only * 1e6 + fields.fractionUs;
  if (only === undefined) throw skipped(words, zone, jumpAround(zone, local));
  const choices = moments.map((moment) => exactly(moment, zone));
  const what = `'${words}' came twice in ${zone}, as the clock was set back`;
  throw new RainbowError("INSTANT_AMBIGUOUS", `${what}: write ${choices.map((choice) => `'${choice}'`).join(" or ")}`, { text: words, zone, choices });
}

function skipped(words: string, zone: string, jump: number): RainbowError {
  const choices = [exactly(jump - 1, zone), exactly(jump, zone)];
  const what = `'${words}' never was in ${zone}, as the clock was set forward`;
  return new RainbowError("INSTANT_AMBIGUOUS", `${what} from '${choices[0]}' to '${choices[1]}': write one of these`, { text: words, zone, choices });
}

function exactly(momentSeconds: number, zone: string): string {
  return `${formatLocalSeconds(momentSeconds, zone)} ${formatOffset(offsetSeconds(zone, momentSeconds))}`;
}

function future(words: string, us: number, { nowUs, zone }: ParseOptions): RainbowError {
  const choices = TIME_OF_DAY.test(words) ? [`yesterday ${words}`, "now"] : ["now"];
  const what = `'${words}' is ${formatMoment(us, zone)}, which is still to come (now it is ${formatMoment(nowUs, zone)})`;
  return new RainbowError("INSTANT_FUTURE", `${what}: write ${choices.map((choice) => `'${choice}'`).join(" or ")}`, { text: words, choices });
}

function invalid(text: string, why: string): RainbowError {
  const examples = "10m, 2h, 3d, 17:00, yesterday, 'yesterday 17:00', 2026-05-01, '2026-05-01 17:00:00 +08:00', r4821, now, or a snapshot's name";
  return new RainbowError("INSTANT_INVALID", `'${text}' names no instant: ${why}; instants are ${examples}`, { text, why });
}
