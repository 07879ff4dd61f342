/** Local times and moments, by the zone rules that Intl carries. Times of day here are seconds of a zone's own clock since 1970. */

const DAY_SECONDS = 86_400;
const CACHED_SPAN_SECONDS = 900; // Since 1972 every change of offset falls on a quarter of an hour of UTC.
const CACHED_FROM_SECONDS = 2 * 366 * DAY_SECONDS;
const CACHE_MAX = 4096;

const formats = new Map<string, Intl.DateTimeFormat>();
const offsets = new Map<string, number>();

/** How many seconds the zone's clock is ahead of UTC at a moment. */
export function offsetSeconds(zone: string, momentSeconds: number): number {
  const second = Math.floor(momentSeconds);
  if (second < CACHED_FROM_SECONDS) return measureOffset(zone, second);
  const key = `${zone} ${Math.floor(second / CACHED_SPAN_SECONDS)}`;
  const known = offsets.get(key);
  if (known !== undefined) return known;
  if (offsets.size >= CACHE_MAX) offsets.clear();
  const offset = measureOffset(zone, second);
  offsets.set(key, offset);
  return offset;
}

/** The moments (seconds of UTC, ascending) at which the zone's clock shows `localSeconds`: one, two (set back) or none (set forward). */
export function momentsOf(zone: string, localSeconds: number): number[] {
  const around = [-1.5, -1, -0.5, 0, 0.5, 1, 1.5].map((days) => offsetSeconds(zone, localSeconds + days * DAY_SECONDS));
  const candidates = [...new Set(around)].map((offset) => localSeconds - offset);
  return candidates.filter((moment) => moment + offsetSeconds(zone, moment) === localSeconds).sort((a, b) => a - b);
}

/** For a time that the zone's clock skipped: the moment at which it jumped, so the last second before it is one less. */
export function jumpAround(zone: string, localSeconds: number): number {
  let before = localSeconds - 2 * DAY_SECONDS; // Here the clock shows less than localSeconds, whatever the zone.
  let after = localSeconds + 2 * DAY_SECONDS;
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (middle + offsetSeconds(zone, middle) < localSeconds) before = middle;
    else after = middle;
  }
  return after;
}

export interface LocalFields {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

/** Fields of the Gregorian calendar of a number of local seconds. */
export function fieldsOf(localSeconds: number): LocalFields {
  const date = new Date(localSeconds * 1000);
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()];
  return { year, month, day, hour: date.getUTCHours(), minute: date.getUTCMinutes(), second: date.getUTCSeconds() };
}

/** Local seconds of calendar fields; undefined where there is no such date or time of day. */
export function secondsOf({ year, month, day, hour, minute, second }: LocalFields): number | undefined {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  const isReal = date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day && hour < 24 && minute < 60 && second < 60;
  return isReal ? date.getTime() / 1000 : undefined;
}

function measureOffset(zone: string, momentSeconds: number): number {
  const part: Record<string, number> = {};
  for (const { type, value } of formatOf(zone).formatToParts(momentSeconds * 1000)) part[type] = Number(value);
  const local = secondsOf({
    year: part["year"] ?? 0,
    month: part["month"] ?? 0,
    day: part["day"] ?? 0,
    hour: part["hour"] ?? 0,
    minute: part["minute"] ?? 0,
    second: part["second"] ?? 0,
  });
  return (local ?? momentSeconds) - momentSeconds;
}

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone);
  if (known !== undefined) return known;
  const fields = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" } as const;
  const made = new Intl.DateTimeFormat("en-US-u-ca-iso8601-nu-latn", { timeZone: zone, hourCycle: "h23", ...fields });
  formats.set(zone, made);
  return made;
}
