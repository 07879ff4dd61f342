/**
 * One session of a lane: the files of one batch are listed once more, by a filter that lets in nothing else, and fetched. Its list
 * decides nothing but what a file looks like by now: what is there, gone or new is for the main session to say.
 */
import type { ByteString } from "../../core/index.ts";
import type { Entry, Session, SessionEvent } from "../../rsync/index.ts";
import type { BrokenUpload } from "./broken-uploads.ts";
import type { Fetching, WantedFile } from "./fetching.ts";
import { Receiver } from "./receiver.ts";
import type { ReceiverParts } from "./receiver.ts";

export class LaneSession {
  /** The server let it in: what ends it from here on is a connection that breaks. */
  hasBegun = false;
  /** Errors that the server told of. They count once the session came to its end: else its files are fetched again, and tell theirs. */
  readonly errors: string[] = [];
  ioError = 0;
  private readonly fetching: Fetching;
  private readonly add: (wanted: WantedFile) => void;
  private readonly receiver: Receiver;
  /** Not listed yet. */
  private readonly awaited: Map<ByteString, WantedFile>;

  /** `add` takes files that are to come by themselves from here on. */
  constructor(parts: ReceiverParts, session: Session, fetching: Fetching, batch: readonly WantedFile[], add: (wanted: WantedFile) => void) {
    this.fetching = fetching;
    this.add = add;
    this.receiver = new Receiver(parts, session, fetching);
    this.awaited = new Map(batch.map((wanted) => [wanted.entry.path, wanted]));
  }

  /** Files that came. */
  get arrivedCount(): number {
    return this.receiver.arrivedCount;
  }

  take(event: SessionEvent): void | Promise<void> {
    switch (event.type) {
      case "entry":
        return this.ask(event.index, event.entry);
      case "data":
      case "copy":
      case "fileStart":
      case "fileEnd":
      case "fileFailed":
        return this.receiver.take(event);
      case "agreed":
        this.hasBegun = true;
        return this.receiver.begin(event.agreement);
      case "message":
        if (event.severity === "error" || event.severity === "partial") this.errors.push(event.text);
        return;
      case "finished":
        this.ioError = event.ioError;
        for (const wanted of this.awaited.values()) this.fetching.fail(wanted, "notSent");
        return this.awaited.clear();
      case "motd":
      case "listEnd":
      case "timeout":
    }
  }

  private ask(index: number, entry: Entry): void {
    const wanted = this.awaited.get(entry.path);
    if (wanted === undefined) return; // A directory on the way.
    this.awaited.delete(entry.path);
    if (entry.kind !== "file") return this.fetching.fail(wanted, "notSent");
    if (isThatFile(entry, wanted.entry)) return this.receiver.ask(index, wanted);
    const { renewed, others } = this.fetching.renew(wanted, entry);
    this.receiver.ask(index, renewed);
    for (const other of others) this.add(other);
  }

  /** The session ended in the middle: files that are still to come, and what can be gone on with. */
  async abandon(): Promise<{ readonly left: WantedFile[]; readonly broken: BrokenUpload[] }> {
    const left = [...this.receiver.unsettled(), ...this.awaited.values()];
    return { left, broken: await this.receiver.abandon() };
  }
}

/** Whether both lists tell of one content: a server of before protocol 31 leaves nanoseconds out. */
function isThatFile(entry: Entry, listed: Entry): boolean {
  const isSameNanos = entry.mtimeNanos === listed.mtimeNanos || entry.mtimeNanos === 0 || listed.mtimeNanos === 0;
  return entry.sizeBytes === listed.sizeBytes && entry.mtimeSeconds === listed.mtimeSeconds && isSameNanos;
}
