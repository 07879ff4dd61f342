/** Moments as text: for people with their own zone, for programs in UTC. */
import { fieldsOf, offsetSeconds } from "./zones.ts";

/** `2026-05-01 17:00:00.123 +08:00`; the fraction is cut, not rounded. */
export function formatMoment(us: number, zone: string): string {
  const seconds = Math.floor(us / 1e6);
  const milliseconds = Math.floor((us - seconds * 1e6) / 1000);
  return `${formatLocalSeconds(seconds, zone)}.${pad(milliseconds, 3)} ${formatOffset(offsetSeconds(zone, seconds))}`;
}

/** `2026-05-01 17:00:00` by the zone's clock. */
export function formatLocalSeconds(momentSeconds: number, zone: string): string {
  const { year, month, day, hour, minute, second } = fieldsOf(momentSeconds + offsetSeconds(zone, momentSeconds));
  return `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)} ${pad(hour, 2)}:${pad(minute, 2)}:${pad(second, 2)}`;
}

/** `+08:00`; with seconds where the offset has some. */
export function formatOffset(offset: number): string {
  const size = Math.abs(offset);
  const seconds = size % 60 === 0 ? "" : `:${pad(size % 60, 2)}`;
  return `${offset < 0 ? "-" : "+"}${pad(Math.floor(size / 3600), 2)}:${pad(Math.floor((size % 3600) / 60), 2)}${seconds}`;
}

/** `2026-05-01T09:00:00.123456Z`. */
export function isoOfUs(us: number): string {
  const seconds = Math.floor(us / 1e6);
  return `${isoSeconds(seconds)}.${pad(us - seconds * 1e6, 6)}Z`;
}

/** `2026-05-01T09:00:00.123456789Z`. */
export function isoOfNanos(seconds: number, nanos: number): string {
  return `${isoSeconds(seconds)}.${pad(nanos, 9)}Z`;
}

function isoSeconds(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? `@${seconds}` : date.toISOString().slice(0, -5);
}

function pad(value: number, digits: number): string {
  return String(value).padStart(digits, "0");
}
