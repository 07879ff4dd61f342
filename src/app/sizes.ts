/** Sizes as people write them. */
const UNITS: Readonly<Record<string, number>> = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** `500M`, `10G`, `4096`; undefined where it is none. */
export function parseBytes(text: string): number | undefined {
  const [, count, unit] = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim()) ?? [];
  const bytes = Math.round(Number(count) * (UNITS[unit?.toLowerCase() ?? ""] ?? 1));
  return count !== undefined && Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined;
}
