/** Keeps a long restore from holding the event loop, stops it when it is aborted, and waits while the reader of its items is behind. */
import type { Clock } from "../../core/index.ts";
import type { Outlet } from "./outlet.ts";

const SLICE_US = 12_000;
const PROGRESS_US = 250_000;

export class Pace {
  private readonly clock: Clock;
  private readonly signal: AbortSignal;
  private readonly outlet: Outlet;
  private readonly onProgress: () => void;
  private sliceEndUs: number;
  private progressUs: number;
  /** Called after each rest, when others may have run: throws where the ground is no longer what it was. */
  afterRest: (() => void) | undefined;

  /** `onProgress` is called at rests, a few times a second. */
  constructor(clock: Clock, signal: AbortSignal, outlet: Outlet, onProgress: () => void) {
    this.clock = clock;
    this.signal = signal;
    this.outlet = outlet;
    this.onProgress = onProgress;
    this.progressUs = clock.monotonicUs();
    this.sliceEndUs = this.progressUs + SLICE_US;
  }

  get isDue(): boolean {
    return this.outlet.isFull || this.signal.aborted || this.clock.monotonicUs() >= this.sliceEndUs;
  }

  /** Throws the signal's reason where the restore was aborted. */
  async rest(): Promise<void> {
    const nowUs = this.clock.monotonicUs();
    if (nowUs >= this.progressUs + PROGRESS_US) {
      this.progressUs = nowUs;
      this.onProgress();
    }
    if (this.outlet.isFull) await this.outlet.drained(this.signal);
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.signal.throwIfAborted();
    this.afterRest?.();
    this.sliceEndUs = this.clock.monotonicUs() + SLICE_US;
  }
}
