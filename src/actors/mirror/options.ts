/** What a person can say of a mirror's sync. Names are rsync's where rsync has them. */
import type { ByteString } from "../../core/index.ts";
import type { FilterRule, Limits, Login } from "../../rsync/index.ts";
import { LANE_LIMITS } from "./lane-limits.ts";
import type { LaneLimits } from "./lane-limits.ts";
import type { WireAddress, WireTimeouts } from "./wire.ts";

export interface MirrorSource {
  readonly address: WireAddress;
  readonly module: string;
  /** The directory of the module that is mirrored; "" for all of it. */
  readonly path: ByteString;
  readonly login: Login | undefined;
}

export interface SyncOptions {
  /** Names that are gone upstream go here too, after everything else; or stay. */
  readonly deletes: boolean;
  /** They stay for so long after they were first missed. */
  readonly deleteGraceMs: number;
  /** More removals than that at once are held until a person has looked; undefined: more than what stays. */
  readonly maxDelete: number | undefined;
  /** Also what the filters leave out. */
  readonly deleteExcluded: boolean;
  readonly filters: readonly FilterRule[];
  /** Symlinks that lead out of the mirror are left out. */
  readonly safeLinks: boolean;
  /** Digests decide what changed instead of size and time; the server reads all of its files. */
  readonly checksum: boolean;
  /** What was received of a file when the connection broke is kept and gone on with. */
  readonly partial: boolean;
  readonly bytesPerSecondMax: number | undefined;
  readonly timeouts: WireTimeouts;
  /** Connections to the server at once: large files come over those beside the first. */
  readonly connections: number;
  readonly laneLimits: LaneLimits;
  /** No file is asked for that would bring in more than that in one sync. */
  readonly maxNewBytes: number | undefined;
  /** This file is looked at first, and nothing else where it is what it was. */
  readonly probe: ByteString | undefined;
  /** Patterns of files that become visible after all others, in the order of the patterns. */
  readonly last: readonly string[];
  /** Also what looks like another rsync's unfinished file. */
  readonly temporaryNames: boolean;
  /** Only says what would be done. */
  readonly dryRun: boolean;
  /** For tests and old servers. */
  readonly protocolMax: number | undefined;
  readonly limits: Partial<Limits>;
}

export const SYNC_OPTIONS: SyncOptions = {
  deletes: true,
  deleteGraceMs: 0,
  maxDelete: undefined,
  deleteExcluded: false,
  filters: [],
  safeLinks: false,
  checksum: false,
  partial: true,
  bytesPerSecondMax: undefined,
  timeouts: { connectMs: 60_000, silenceMs: 300_000 },
  connections: 1,
  laneLimits: LANE_LIMITS,
  maxNewBytes: undefined,
  probe: undefined,
  last: [],
  temporaryNames: false,
  dryRun: false,
  protocolMax: undefined,
  limits: {},
};
