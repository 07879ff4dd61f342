/**
 * In which order a mirror's files become visible: payload first, then what names it. A pattern is rsync's; the later a pattern stands,
 * the later its files come. What several match comes with the last of them.
 */
import { RainbowError } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";
import { Filters, parseRule } from "../../rsync/index.ts";

const PROFILES: Readonly<Record<string, readonly string[]>> = {
  plain: [],
  // Indexes by name, then what signs them: a client begins at InRelease or Release and goes down. by-hash/ and packages are payload.
  debian: ["ls-lR*", "Contents-*", "Packages*", "Sources*", "**/i18n/*", "**/dep11/*", "*.diff/Index", "Release", "Release.gpg", "InRelease"],
  // repomd.xml names all other files of its folder.
  rpm: ["**/repodata/*", "repomd.xml", "repomd.xml.asc", "repomd.xml.key"],
  arch: ["*.files", "*.files.tar.*", "*.db", "*.db.tar.*", "/lastupdate", "/lastsync"],
};

/** The patterns of files that come last, as mirrors of that kind need it. */
export function lastOfProfile(profile: string): readonly string[] {
  const patterns = Object.hasOwn(PROFILES, profile) ? PROFILES[profile] : undefined;
  if (patterns !== undefined) return patterns;
  throw new RainbowError("USAGE", `the profile '${profile}' is not known; it is one of ${Object.keys(PROFILES).join(", ")}`, { profile });
}

/** Where a store that is no tree keeps what waits for its turn. */
export const WAITING_DIRECTORY = ".rainbow-waiting" as ByteString;

export function isWaiting(key: ByteString): boolean {
  return key.startsWith(`${WAITING_DIRECTORY}/`);
}

/** Tells for each file when it comes: 0 at once, else with all of its rank, after those of lower ranks. */
export class PublicationOrder {
  readonly rankCount: number;
  private readonly patterns: readonly Filters[];

  constructor(patterns: readonly string[]) {
    for (const pattern of patterns) if (pattern === "") throw new RainbowError("USAGE", "a pattern of files that come last is empty");
    this.patterns = patterns.map((pattern) => Filters.atRoot([parseRule(`- ${Buffer.from(pattern, "utf8").toString("latin1")}` as ByteString)]));
    this.rankCount = patterns.length + 1;
  }

  rankOf(path: ByteString): number {
    for (let i = this.patterns.length - 1; i >= 0; i--) if (this.patterns[i]!.excludes(path, false)) return i + 1;
    return 0;
  }
}

/** What another rsync writes while it receives: `.NAME.XXXXXX` in place, and the folder of --delay-updates. It is gone or renamed soon. */
const TEMPORARY = /(?:^|\/)\.[^/]+\.([A-Za-z0-9]{6})$/;
const DELAYED = /(?:^|\/)\.~tmp~(?:\/|$)/;
/** Endings that people choose: letters of one case, dates, digests. The six characters of a temporary name are drawn from 62; one in 90 looks like these. */
const ENDING = /^(?:[a-z]{6}|\d{6}|[A-Z][a-z]{5}|[Ss][Hh][Aa]\d{3}|md5sum|README)$/;

export function isUpstreamTemporary(path: ByteString): boolean {
  const ending = TEMPORARY.exec(path)?.[1];
  return (ending !== undefined && !ENDING.test(ending)) || DELAYED.test(path);
}
