/** How far syncs, checks and recoveries are: one line on a terminal, however many mirrors there are, and an item a second with --json. */
import type { MirrorProgress, MirrorProgressItem } from "../app/index.ts";
import type { Step } from "./format/index.ts";
import type { Invocation } from "./invocation.ts";

const JSON_EVERY_US = 1_000_000;
const NOTHING: Omit<MirrorProgress, "phase"> = { doneCount: 0, allCount: 0, doneBytes: 0, allBytes: 0, listedCount: 0, receivedBytes: 0, isGrowing: true };

export class MirrorProgressLine {
  private readonly invocation: Invocation;
  /** By name, of those that are under way. */
  private readonly steps = new Map<string, MirrorProgress>();
  private readonly toldUs = new Map<string, number>();

  constructor(invocation: Invocation) {
    this.invocation = invocation;
  }

  async show(item: MirrorProgressItem): Promise<void> {
    const { report, context } = this.invocation;
    const nowUs = context.clock.monotonicUs();
    if (report.isJson && nowUs - (this.toldUs.get(item.name) ?? Number.NEGATIVE_INFINITY) >= JSON_EVERY_US) {
      this.toldUs.set(item.name, nowUs);
      await report.json(item);
    }
    this.steps.set(item.name, item);
    await this.draw();
  }

  async phase(name: string, phase: string): Promise<void> {
    this.steps.set(name, { ...(this.steps.get(name) ?? NOTHING), phase });
    await this.draw();
  }

  end(name: string): void {
    this.steps.delete(name);
  }

  private async draw(): Promise<void> {
    const [first, ...others] = this.steps;
    if (first === undefined) return;
    const [name, step] = first;
    await this.invocation.report.progress.show(others.length === 0 ? stepOf(`${name}: ${step.phase}`, step) : stepOf(`${this.steps.size} mirrors`, this.sum()));
  }

  private sum(): MirrorProgress {
    const sum = { ...NOTHING, phase: "", isGrowing: false };
    for (const step of this.steps.values()) {
      for (const field of ["doneCount", "allCount", "doneBytes", "allBytes", "listedCount", "receivedBytes"] as const) sum[field] += step[field];
      sum.isGrowing ||= step.isGrowing;
    }
    return sum;
  }
}

/** Names are counted until there is something to fetch. */
export function stepOf(phase: string, { doneCount, allCount, doneBytes, allBytes, listedCount, isGrowing }: MirrorProgress): Step {
  const isCounting = allCount === 0 && doneCount === 0;
  return { phase, doneCount: isCounting ? listedCount : doneCount, allCount, doneBytes, allBytes, isGrowing };
}
