/**
 * The rsync daemon protocol in the role of the receiver: module listing, login, file lists, requests, content, verification.
 * Pure: bytes go in, events come out, bytes to send are fetched; it holds no socket, no file and no clock. See PROTOCOL.md.
 * Promises: nothing a server says costs more memory than limits.ts allows; a path that is handed on never leads out of the place
 * that was asked for; a file whose digest is wrong is never called verified.
 * Not for: sending, writing to disk, deciding what to fetch or delete.
 */
export { FILE_DIGESTS, WANTED } from "./agreement.ts";
export type { Agreement, Compressor, Wanted } from "./agreement.ts";
export { blockBytesFor, BlockSums, weakSum } from "./block-sums.ts";
export type { Basis } from "./block-sums.ts";
export { DIGEST_BYTES, openDigests } from "./digests/index.ts";
export type { DigestName, Digests, RunningDigest, StartXxh3 } from "./digests/index.ts";
export type { Entry, HardLink } from "./entry.ts";
export type { SessionEvent, Statistics } from "./events.ts";
export { parseRule, parseRuleFile, rulesForPaths } from "./filter-rule.ts";
export type { FilterRule, Side } from "./filter-rule.ts";
export { Filters } from "./filters.ts";
export { PROTOCOL_MAX, PROTOCOL_MIN } from "./greeting.ts";
export type { Login } from "./greeting.ts";
export { LIMITS } from "./limits.ts";
export type { Limits } from "./limits.ts";
export { ModuleListing } from "./module-listing.ts";
export type { ListingEvent } from "./module-listing.ts";
export type { OpenZstdStream } from "./session.ts";
export { Session } from "./session.ts";
export type { SessionOptions } from "./session.ts";
