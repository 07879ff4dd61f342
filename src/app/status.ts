/**
 * The state of everything, combined from streams of state: capture's reports, the head of the machine's stream, the usage of the
 * stores. RxJS lives here and not on the data path.
 */
import { BehaviorSubject, combineLatest, map, throttleTime } from "rxjs";
import type { Observable } from "rxjs";
import type { CaptureStatus } from "../capture/index.ts";

const REPORT_MS = 200; // People read no faster; a listener on a busy machine costs next to nothing.

/** The newest acknowledged batch of the present session; sequence 0 before the first. */
export interface Head {
  readonly epoch: number;
  readonly sequence: number;
  readonly revision: number;
}

export interface Live {
  readonly capture: CaptureStatus | undefined;
  readonly head: Head;
  readonly unacknowledged: number;
  /** Why the host takes no batches just now; "" while it does. */
  readonly blockedBy: string;
}

/** What the actors report into, and what status, progress and supervision read from. */
export class LiveState {
  readonly capture = new BehaviorSubject<CaptureStatus | undefined>(undefined);
  readonly head = new BehaviorSubject<Head>({ epoch: 0, sequence: 0, revision: -1 });
  readonly unacknowledged = new BehaviorSubject(0);
  readonly blockedBy = new BehaviorSubject("");
  readonly changes: Observable<Live>;

  constructor() {
    this.changes = combineLatest([this.capture, this.head, this.unacknowledged, this.blockedBy]).pipe(
      map(([capture, head, unacknowledged, blockedBy]) => ({ capture, head, unacknowledged, blockedBy })),
      throttleTime(REPORT_MS, undefined, { leading: true, trailing: true }),
    );
  }

  now(): Live {
    return { capture: this.capture.value, head: this.head.value, unacknowledged: this.unacknowledged.value, blockedBy: this.blockedBy.value };
  }
}
