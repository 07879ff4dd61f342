/**
 * The closed table of errors. A code is stable; its exit code is one of the table in README "Exit codes".
 * Facts are fields, never parsed from messages; `cause` keeps the origin.
 */

export const EXIT = {
  ok: 0,
  differs: 1, // differs, or nothing found
  usage: 2,
  incomplete: 3, // done, but something could not be (unreadable files, an owner that could not be set, a gap)
  noStore: 10,
  notRunning: 11,
  busy: 12,
  newerFormat: 13,
  conflict: 20,
  io: 21,
  full: 22,
  peer: 23, // the other side of a connection refused, went away, or broke its protocol
  damaged: 30,
  bug: 70,
  interrupted: 130,
} as const;

type Retry = "never" | "reload" | "later" | "resolve";
interface ErrorKind {
  readonly retry: Retry;
  readonly exitCode: number;
  readonly meaning: string;
}

export const ERRORS = {
  USAGE: { retry: "never", exitCode: EXIT.usage, meaning: "the command's words are off" },
  INSTANT_INVALID: { retry: "never", exitCode: EXIT.usage, meaning: "the instant cannot be understood" },
  INSTANT_AMBIGUOUS: { retry: "never", exitCode: EXIT.usage, meaning: "the instant can mean more than one moment" },
  INSTANT_FUTURE: { retry: "never", exitCode: EXIT.usage, meaning: "the instant lies in the future" },
  INSTANT_OUTSIDE: { retry: "never", exitCode: EXIT.differs, meaning: "the instant lies outside the window" },
  PATH_AMBIGUOUS: { retry: "never", exitCode: EXIT.usage, meaning: "the path can be read in two ways" },
  NOT_FOUND: { retry: "never", exitCode: EXIT.differs, meaning: "nothing of that name existed at that instant" },
  PURGED: { retry: "never", exitCode: EXIT.differs, meaning: "the content of that file was purged from that instant" },
  PURGE_REFUSED: { retry: "never", exitCode: EXIT.usage, meaning: "files that are to be purged exist now, and would be stored again" },
  NOT_PROTECTED: { retry: "never", exitCode: EXIT.usage, meaning: "the path lies below no protected folder" },
  CONFIG_REFUSED: { retry: "never", exitCode: EXIT.usage, meaning: "the configuration file cannot be used" },
  ROOT_REFUSED: { retry: "never", exitCode: EXIT.usage, meaning: "the folder cannot be protected" },
  TARGET_REFUSED: { retry: "never", exitCode: EXIT.usage, meaning: "the target cannot take what would be written there" },
  DATA_DIR_REFUSED: { retry: "never", exitCode: EXIT.usage, meaning: "the data directory lies where Rainbow cannot keep data" },
  NO_STORE: { retry: "never", exitCode: EXIT.noStore, meaning: "there is no Rainbow data directory there" },
  NOT_RUNNING: { retry: "later", exitCode: EXIT.notRunning, meaning: "no Rainbow runs on this data directory" },
  BUSY: { retry: "later", exitCode: EXIT.busy, meaning: "another process works on it" },
  NEWER_FORMAT: { retry: "never", exitCode: EXIT.newerFormat, meaning: "written by a newer version of Rainbow" },
  REVISION_CONFLICT: { retry: "reload", exitCode: EXIT.conflict, meaning: "another writer appended first" },
  STREAM_NOT_FOUND: { retry: "never", exitCode: EXIT.conflict, meaning: "the stream does not exist or was deleted" },
  APPEND_TOO_LARGE: { retry: "never", exitCode: EXIT.conflict, meaning: "an append is over the size limit" },
  OUTCOME_UNKNOWN: { retry: "resolve", exitCode: EXIT.io, meaning: "an append may or may not have been stored" },
  STORE_UNREACHABLE: { retry: "later", exitCode: EXIT.io, meaning: "the server of the event store does not answer" },
  STORE_REFUSED: { retry: "never", exitCode: EXIT.io, meaning: "the server of the event store refuses what Rainbow asks" },
  BATCH_REFUSED: { retry: "never", exitCode: EXIT.conflict, meaning: "a batch does not follow what the host has of this agent" },
  DISK_FULL: { retry: "later", exitCode: EXIT.full, meaning: "no space is left on the disk" },
  QUOTA_FULL: { retry: "later", exitCode: EXIT.full, meaning: "the machine's quota is used up" },
  IO: { retry: "never", exitCode: EXIT.io, meaning: "the operating system refused an input or output operation" },
  RSYNC_UNREACHABLE: { retry: "later", exitCode: EXIT.peer, meaning: "no connection to the rsync server could be made" },
  RSYNC_BUSY: { retry: "later", exitCode: EXIT.peer, meaning: "the rsync server takes no further connection now" },
  RSYNC_REFUSED: { retry: "never", exitCode: EXIT.peer, meaning: "the rsync server refuses what was asked of it" },
  RSYNC_AUTHENTICATION: { retry: "never", exitCode: EXIT.peer, meaning: "the login to the rsync server failed, or would be unsafe" },
  RSYNC_ENDED: { retry: "later", exitCode: EXIT.peer, meaning: "the connection to the rsync server ended before the session did" },
  RSYNC_PROTOCOL: { retry: "never", exitCode: EXIT.peer, meaning: "the rsync server broke the protocol" },
  RSYNC_LIMIT: { retry: "never", exitCode: EXIT.peer, meaning: "the rsync server sent more than the limits allow" },
  OBJECTS_UNREACHABLE: { retry: "later", exitCode: EXIT.peer, meaning: "the object store does not answer, or asks to come later" },
  OBJECTS_REFUSED: { retry: "never", exitCode: EXIT.peer, meaning: "the object store refuses what was asked of it" },
  OBJECT_CORRUPT: { retry: "never", exitCode: EXIT.damaged, meaning: "a stored object does not match its digest" },
  OBJECT_CHANGED: { retry: "never", exitCode: EXIT.differs, meaning: "the object store no longer holds that content" },
  LIMIT: { retry: "never", exitCode: EXIT.usage, meaning: "an input is over its limit" },
  UNSUPPORTED: { retry: "never", exitCode: EXIT.usage, meaning: "this machine or filesystem cannot do it" },
  EVENT_CORRUPT: { retry: "never", exitCode: EXIT.damaged, meaning: "a stored event does not match its checksum or layout" },
  DIG_CHECKSUM: { retry: "never", exitCode: EXIT.damaged, meaning: "a stored block does not match its checksum" },
  DIG_CORRUPT: { retry: "never", exitCode: EXIT.damaged, meaning: "the structure of the data file contradicts itself" },
  STORE_CORRUPT: { retry: "never", exitCode: EXIT.damaged, meaning: "a store file is damaged" },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;
export type Facts = Readonly<Record<string, unknown>>;

/** The one error class. `message` is for people: what, where, and what to do. */
export class RainbowError extends Error {
  override readonly name = "RainbowError";
  readonly code: ErrorCode;
  readonly facts: Facts;

  constructor(code: ErrorCode, message: string, facts: Facts = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.facts = facts;
  }

  get exitCode(): number {
    return ERRORS[this.code].exitCode;
  }

  get retry(): Retry {
    return ERRORS[this.code].retry;
  }
}

/** Whether `error` is a RainbowError, of one of `codes` where some are given. */
export function isRainbowError(error: unknown, ...codes: ErrorCode[]): error is RainbowError {
  return error instanceof RainbowError && (codes.length === 0 || codes.includes(error.code));
}
