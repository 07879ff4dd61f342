/**
 * What a server may say at most. Each number meets its limit before memory is asked for. The fixed ones come from the protocol or
 * from what no honest server needs; those of `Limits` depend on the mirror and can be set.
 */
export const HANDSHAKE_LINE_BYTES_MAX = 8192; // A daemon's own line buffer holds about 5 KiB.
export const HANDSHAKE_BYTES_MAX = 64 * 1024; // All lines before OK together, message of the day included.
export const LISTING_BYTES_MAX = 4 << 20; // A module listing: 4 MiB are some 50,000 modules.
export const NAMES_BYTES_MAX = 255; // A negotiation string; all known names together take 60 bytes.
export const PATH_BYTES_MAX = 4095; // MAXPATHLEN of every peer; a longer name overflows its buffers too.
export const LINK_TARGET_BYTES_MAX = 4095;
export const ID_LIST_COUNT_MAX = 1 << 20; // Names of users or groups; each is at most 255 bytes.
export const MESSAGE_BYTES_MAX = 64 * 1024; // The reference keeps its messages below 5 KiB.
export const MESSAGES_BETWEEN_DATA_MAX = 10_000; // Text, keepalives and refusals without one byte of data between them.
export const LITERAL_BYTES_MAX = 16 << 20; // One run of literal bytes; senders use 32 KiB to 256 KiB. It is handed on in pieces.
export const BLOCK_BYTES_MAX = 1 << 17; // The server refuses larger ones from protocol 30 on.
export const FILTER_RULE_BYTES_MAX = 4096; // The server's buffer is about 5 KiB; a longer rule ends the session.
export const NANOS_MAX = 999_999_999;
export const TIMEOUT_SECONDS_MAX = 86_400;
export const INDEX_MAX = 2 ** 31 - 1;
/** A request that waits for its answer costs about 200 bytes; with this many under way the server never runs dry. */
export const REQUESTS_UNDER_WAY_MAX = 1024;
/** Bytes for the server that wait to be fetched: beyond this no further request is written. */
export const OUTPUT_BYTES_MAX = 1 << 18;

export interface Limits {
  /** Entries of a whole session. */
  readonly entriesMax: number;
  /** Entries of lists that are open at once, which are held in memory at some 400 bytes each: without incremental recursion all of them. */
  readonly openEntriesMax: number;
  /** Components of a path. */
  readonly depthMax: number;
  /** A file's bytes, as listed and as received. */
  readonly fileBytesMax: number;
  /** How far a file may outgrow its listed size while it is fetched: this many bytes, or as much again as was listed. */
  readonly growthBytesMax: number;
}

export const LIMITS: Limits = {
  entriesMax: 1_000_000_000,
  openEntriesMax: 4_000_000,
  depthMax: 1024,
  fileBytesMax: 2 ** 50,
  growthBytesMax: 2 ** 30,
};
