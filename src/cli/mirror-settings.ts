/** A mirror's settings as the options that give them: what is shown can be given again, to this mirror or to another one. */
import type { MirrorSettings } from "../app/index.ts";
import { argumentBytes, shellWord } from "./format/index.ts";

/** Options whose names or values are not just those of the setting. */
const WORDS: { readonly [Name in keyof MirrorSettings]?: (value: NonNullable<MirrorSettings[Name]>) => string } = {
  everyMs: (ms) => `--every ${ms === 0 ? "never" : spanWord(ms)}`,
  deletes: (isOn) => (isOn ? "--delete" : "--no-delete"),
  deleteGraceMs: (ms) => `--delete-grace ${spanWord(ms)}`,
  filters: (rules) => rules.map((rule) => `--filter ${shellWord(rule)}`).join(" "),
  bytesPerSecondMax: (bytes) => `--bwlimit ${rateWord(bytes)}`,
  connectMs: (ms) => `--contimeout ${ms / 1000}`,
  silenceMs: (ms) => `--timeout ${ms / 1000}`,
  localAddress: (address) => `--address ${word(address)}`,
  family: (family) => `-${family}`,
  maxNewBytes: (bytes) => `--max-new-bytes ${sizeWord(bytes)}`,
  probe: (path) => `--probe ${shellWord(path)}`,
  last: (patterns) => patterns.map((pattern) => `--last ${word(pattern)}`).join(" "),
  protocolMax: (number) => `--protocol ${number}`,
  endpoint: (url) => `--endpoint-url ${word(url)}`,
  targetIdentity: () => "", // Nobody gives it: it is found.
};

/** `--every 6h --filter '- *.iso'`; "" where nothing is said. */
export function settingsText(settings: MirrorSettings): string {
  const texts = Object.entries(settings).map(([name, value]) => {
    const own = WORDS[name as keyof MirrorSettings] as ((value: unknown) => string) | undefined;
    return own === undefined ? plainOption(name, value) : own(value);
  });
  return texts.filter((text) => text !== "").join(" ");
}

/** `safeLinks: true` is --safe-links, `passwordFile: "x"` --password-file x. */
function plainOption(name: string, value: unknown): string {
  const option = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  if (typeof value === "boolean") return `--${value ? "" : "no-"}${option}`;
  return `--${option} ${word(typeof value === "string" ? value : JSON.stringify(value))}`;
}

function word(text: string): string {
  return shellWord(argumentBytes(text));
}

/** In the largest unit that says it in a whole number: `90m`. */
function spanWord(ms: number): string {
  const units = [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["m", 60_000],
  ] as const;
  const [unit, unitMs] = units.find(([, each]) => ms >= each && ms % each === 0) ?? ["s", 1000];
  return `${ms / unitMs}${unit}`;
}

/** `20G`, `1500`. */
function sizeWord(bytes: number): string {
  const units = ["", "K", "M", "G", "T"];
  let [count, unit] = [bytes, 0];
  while (count >= 1024 && count % 1024 === 0 && unit < units.length - 1) [count, unit] = [count / 1024, unit + 1];
  return `${count}${units[unit]}`;
}

/** Rates without a unit are of KiB. */
function rateWord(bytes: number): string {
  if (bytes % 1024 === 0) return sizeWord(bytes).replace(/K$/, "");
  return bytes % 1000 === 0 ? `${bytes / 1000}KB` : `${bytes / 1024}`;
}
