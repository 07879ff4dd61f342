/** What a mirror's definition says, checked: settings as they are stored, as words make them, and as the sync engine takes them. */
import { lastOfProfile, SYNC_OPTIONS } from "../../actors/mirror/index.ts";
import type { SyncOptions } from "../../actors/mirror/index.ts";
import { byteStringOfText, RainbowError } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";
import { parseRule, PROTOCOL_MAX, PROTOCOL_MIN, rulesForPaths } from "../../rsync/index.ts";
import type { FilterRule, Login } from "../../rsync/index.ts";
import type { FilterLines, MirrorSettings, MirrorWords } from "../operations/index.ts";

export type LoginDigest = NonNullable<Login["weakestDigest"]>;
/** How files whose content was not read when it was stored are proven. */
const PROOFS: readonly NonNullable<MirrorSettings["proof"]>[] = ["trust", "scrub"];
const LOGIN_DIGESTS: readonly LoginDigest[] = ["sha512", "sha256", "sha1", "md5", "md4"];

type Check = (value: unknown) => boolean;
const CONNECTIONS_MAX = 16; // No public server wants more of one client, and a line is full before that.
const isFlag: Check = (value) => typeof value === "boolean";
const isCount: Check = (value) => typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
const isText: Check = (value) => typeof value === "string" && value !== "";
const isTexts: Check = (value) => Array.isArray(value) && value.every(isText);

/** Every setting there is, and what it may be. */
const SETTINGS: Readonly<Record<keyof MirrorSettings, Check>> = {
  everyMs: (value) => isCount(value) && (value === 0 || (value as number) >= 1000),
  deletes: isFlag,
  deleteGraceMs: isCount,
  maxDelete: isCount,
  deleteExcluded: isFlag,
  filters: (value) => Array.isArray(value) && value.every((text) => isText(text) && isRule(text as ByteString)),
  safeLinks: isFlag,
  checksum: isFlag,
  partial: isFlag,
  bytesPerSecondMax: isCount,
  connectMs: (value) => isCount(value) && value !== 0,
  silenceMs: isCount,
  connections: (value) => isCount(value) && value !== 0 && (value as number) <= CONNECTIONS_MAX,
  localAddress: isText,
  family: (value) => value === 4 || value === 6,
  maxNewBytes: isCount,
  probe: isText,
  last: isTexts,
  temporaryNames: isFlag,
  protocolMax: (value) => isCount(value) && (value as number) >= PROTOCOL_MIN && (value as number) <= PROTOCOL_MAX,
  passwordFile: (value) => isText(value) && (value as string).startsWith("/"),
  loginDigest: (value) => LOGIN_DIGESTS.includes(value as LoginDigest),
  proof: (value) => PROOFS.includes(value as NonNullable<MirrorSettings["proof"]>),
  versioning: isFlag,
  endpoint: (value) => isText(value) && /^https?:\/\/[^/]+/.test(value as string),
  awsProfile: isText,
  targetIdentity: isText,
};

function isRule(text: ByteString): boolean {
  parseRule(text);
  return true;
}

/** Of a stored definition. What it does not know was written by a newer version. */
export function settingsOf(stored: Readonly<Record<string, unknown>>): MirrorSettings {
  for (const [name, value] of Object.entries(stored)) {
    if (Object.hasOwn(SETTINGS, name) && SETTINGS[name as keyof MirrorSettings](value)) continue;
    throw new RainbowError("NEWER_FORMAT", `the mirror's setting '${name}' is not known here: it was defined by a newer version of Rainbow`, { setting: name });
  }
  return stored as MirrorSettings;
}

/** Of what a person says; what is not given is not there. USAGE names the word that is off. */
export function settingsOfWords({ filterLines, profile, last, ...plain }: MirrorWords): MirrorSettings {
  const filters = rulesOfLines(filterLines ?? []).map(({ text }) => text);
  const lastAll = [...(profile === undefined ? [] : lastOfProfile(profile)), ...(last ?? [])];
  const hasLast = last !== undefined || profile !== undefined;
  const settings = { ...plain, ...(filterLines === undefined ? {} : { filters }), ...(hasLast ? { last: lastAll } : {}) };
  const given = Object.entries(settings).filter(([, value]) => value !== undefined);
  for (const [name, value] of given) {
    if (Object.hasOwn(SETTINGS, name) && SETTINGS[name as keyof MirrorSettings](value)) continue;
    throw new RainbowError("USAGE", `${JSON.stringify(value)} cannot be the setting '${name}' of a mirror`, { setting: name });
  }
  return Object.fromEntries(given);
}

/** In rsync's order: what is given first decides first. */
export function rulesOfLines(filterLines: readonly FilterLines[]): FilterRule[] {
  return filterLines.flatMap(rulesOf);
}

function rulesOf({ kind, lines }: FilterLines): FilterRule[] {
  const texts = lines.map(byteStringOfText);
  if (kind === "files-from") return rulesForPaths(texts.filter((path) => path !== "").map((path) => path.replace(/^(\.?\/)+/, "") as ByteString));
  if (kind === "rule") return texts.map((text) => withoutFile(parseRule(text)));
  return texts.map((text) => parseRule(patternRule(kind, text)));
}

/** A pattern may say "+ " or "- " all the same, or "!", as rsync's may. */
function patternRule(kind: "include" | "exclude", text: ByteString): ByteString {
  return text === "!" || /^[-+] ./.test(text) ? text : (`${kind === "include" ? "+" : "-"} ${text}` as ByteString);
}

/** A file that is merged would have to be there at every sync. */
function withoutFile(rule: FilterRule): FilterRule {
  if (rule.kind !== "merge") return rule;
  throw new RainbowError(
    "USAGE",
    `the filter rule '${rule.text}' reads a file: give its rules with --filter, or patterns with --exclude-from and --include-from`,
    {
      rule: rule.text,
    },
  );
}

export function syncOptionsOf(settings: MirrorSettings, dryRun: boolean): SyncOptions {
  const { connectMs, silenceMs, filters, last } = settings;
  const { timeouts } = SYNC_OPTIONS;
  const given = <Name extends keyof MirrorSettings & keyof SyncOptions>(name: Name): SyncOptions[Name] =>
    (settings[name] as SyncOptions[Name] | undefined) ?? SYNC_OPTIONS[name];
  return {
    deletes: given("deletes"),
    deleteGraceMs: given("deleteGraceMs"),
    maxDelete: given("maxDelete"),
    deleteExcluded: given("deleteExcluded"),
    filters: (filters ?? []).map((text) => parseRule(text)),
    safeLinks: given("safeLinks"),
    checksum: given("checksum"),
    partial: given("partial"),
    bytesPerSecondMax: settings.bytesPerSecondMax === 0 ? undefined : given("bytesPerSecondMax"),
    timeouts: { connectMs: connectMs ?? timeouts.connectMs, silenceMs: silenceMs ?? timeouts.silenceMs },
    connections: given("connections"),
    laneLimits: SYNC_OPTIONS.laneLimits,
    maxNewBytes: given("maxNewBytes"),
    probe: given("probe"),
    last: last ?? SYNC_OPTIONS.last,
    temporaryNames: given("temporaryNames"),
    dryRun,
    protocolMax: given("protocolMax"),
    limits: SYNC_OPTIONS.limits,
  };
}
