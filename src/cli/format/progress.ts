/** One line that says how far long work is, with rate and time left; on a terminal only, at most ten times a second. */
import type { Clock } from "../../core/index.ts";
import { formatBytes, formatCount, formatSpan } from "./sizes.ts";

const REPORT_US = 100_000;
const RATE_SPAN_US = 10_000_000; // The rate is that of the last ten seconds: it follows what the disk does now.

const BYTES_DECIDE = 0.95; // Up to here they say how long it takes; what is left then may be many small files, whose number does.

export interface Step {
  readonly phase: string;
  readonly doneBytes: number;
  /** 0 while unknown. */
  readonly allBytes: number;
  readonly doneCount: number;
  readonly allCount: number;
  /** What is to be done is not all known yet: totals are those so far. */
  readonly isGrowing?: boolean;
}

export interface Line {
  readonly isTerminal: boolean;
  readonly columnCount: number;
  write(text: string): Promise<void>;
}

export class Progress {
  private readonly line: Line;
  private readonly clock: Clock;
  private readonly samples: { readonly atUs: number; readonly bytes: number; readonly count: number }[] = [];
  private phase = "";
  private isShown = false;
  private shownUs = Number.NEGATIVE_INFINITY;

  constructor(line: Line, clock: Clock) {
    this.line = line;
    this.clock = clock;
  }

  async show(step: Step): Promise<void> {
    if (!this.line.isTerminal) return;
    const nowUs = this.clock.monotonicUs();
    if (step.phase !== this.phase) this.samples.length = 0;
    if (step.phase === this.phase && nowUs - this.shownUs < REPORT_US) return;
    this.phase = step.phase;
    this.shownUs = nowUs;
    this.samples.push({ atUs: nowUs, bytes: step.doneBytes, count: step.doneCount });
    while (this.samples.length > 2 && nowUs - (this.samples[0]?.atUs ?? nowUs) > RATE_SPAN_US) this.samples.shift();
    this.isShown = true;
    await this.line.write(`\r${progressText(step, this.rate("bytes"), this.rate("count")).slice(0, Math.max(20, this.line.columnCount - 1))}\x1b[K`);
  }

  /** Takes the line away; whatever is printed next starts at its place. */
  async clear(): Promise<void> {
    if (this.isShown) await this.line.write("\r\x1b[K");
    this.isShown = false;
    this.shownUs = Number.NEGATIVE_INFINITY;
  }

  private rate(of: "bytes" | "count"): number {
    const [first, last] = [this.samples[0], this.samples.at(-1)];
    if (first === undefined || last === undefined || last.atUs === first.atUs) return 0;
    return Math.max(0, (last[of] - first[of]) / ((last.atUs - first.atUs) / 1e6));
  }
}

/** `initial backup: 1,234 of 5,678 · 1.2 GiB of 3.4 GiB (35 %) · 120.0 MiB/s · 19 s left`; where no bytes are told, the rate is that of the count. */
export function progressText(step: Step, bytesPerSecond: number, countPerSecond = 0): string {
  const parts: string[] = [];
  if (step.doneCount > 0 || step.allCount > 0)
    parts.push(step.allCount > 0 ? `${formatCount(step.doneCount)} of ${formatCount(step.allCount)}` : formatCount(step.doneCount));
  const isGrowing = step.isGrowing === true;
  const share = isGrowing ? "so far" : `(${Math.floor((100 * step.doneBytes) / step.allBytes)} %)`;
  if (step.allBytes > 0) parts.push(`${formatBytes(step.doneBytes)} of ${formatBytes(step.allBytes)} ${share}`);
  else if (step.doneBytes > 0) parts.push(formatBytes(step.doneBytes));
  if (bytesPerSecond > 0) parts.push(`${formatBytes(Math.round(bytesPerSecond))}/s`);
  else if (step.doneBytes === 0 && countPerSecond > 0) parts.push(`${formatCount(Math.round(countPerSecond))}/s`);
  const byBytes = secondsFor(step.allBytes - step.doneBytes, bytesPerSecond);
  const byCount = secondsFor(step.allCount - step.doneCount, countPerSecond);
  const leftSeconds = step.doneBytes < step.allBytes * BYTES_DECIDE ? byBytes : Math.max(byBytes, byCount);
  if (leftSeconds > 0) parts.push(`${isGrowing ? "about " : ""}${formatSpan(leftSeconds * 1e6)} left`);
  return `${step.phase}: ${parts.join(" · ") || "…"}`;
}

/** 0 where it is not known. */
function secondsFor(left: number, perSecond: number): number {
  return left > 0 && perSecond > 0 ? left / perSecond : 0;
}
