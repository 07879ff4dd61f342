/** What a session tells, in the order in which it happens. Views of bytes are valid until the next call of `next`. */
import type { ByteString } from "../core/index.ts";
import type { Agreement } from "./agreement.ts";
import type { Entry } from "./entry.ts";
import type { Severity } from "./messages.ts";

export type SessionEvent =
  | { readonly type: "motd"; readonly text: string }
  /** The setup is done; the file list follows. */
  | { readonly type: "agreed"; readonly agreement: Agreement }
  /** One name. Files may be asked for, by index, until the event after their list's `listEnd` is taken. */
  | { readonly type: "entry"; readonly index: number; readonly entry: Entry }
  /** A list was handed on whole: of `directory`'s content, or, where that is undefined, the first one. An `ioError` other than 0 means that names may be missing. */
  | { readonly type: "listEnd"; readonly directory: ByteString | undefined; readonly ioError: number }
  /** The content of a file begins; on a second attempt it begins anew, and what came before is void. */
  | { readonly type: "fileStart"; readonly index: number; readonly entry: Entry; readonly attempt: number }
  | { readonly type: "data"; readonly bytes: Buffer }
  /** A block of the basis comes next. Where its bytes are at hand, hand them to `supply` before `next`: the content can then be verified as a whole. */
  | { readonly type: "copy"; readonly block: number; readonly lengthBytes: number }
  /**
   * The content is whole. `verified`: its digest is the server's. `unverified`: blocks were copied and not supplied, so that only their
   * sums spoke for them. `mismatch`: it is not; the file is asked for once more, whole.
   */
  | {
      readonly type: "fileEnd";
      readonly index: number;
      readonly entry: Entry;
      readonly lengthBytes: number;
      readonly outcome: "verified" | "unverified" | "mismatch";
      /** As the server has it, by the digest that was agreed on. Our own to keep. */
      readonly digest: Buffer;
    }
  /** The file will not come: it vanished, could not be read, or its digest was wrong twice. */
  | { readonly type: "fileFailed"; readonly index: number; readonly entry: Entry; readonly why: "notSent" | "digest" }
  | { readonly type: "message"; readonly severity: Severity; readonly text: string }
  /** The server ends where nothing moves for so long: shorten your own time limit, and send keepalives while you are busy. */
  | { readonly type: "timeout"; readonly seconds: number }
  /** All is said. An `ioError` other than 0 (1 something could not be read, 2 something vanished) means that the lists are not whole: delete nothing. */
  | { readonly type: "finished"; readonly ioError: number; readonly statistics: Statistics };

export interface Statistics {
  /** As the server counts: what it read is what we sent. */
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly totalSizeBytes: number;
  /** Undefined before protocol 29. */
  readonly listBuildMs: number | undefined;
  readonly listSendMs: number | undefined;
}
