/** Open gaps: spans in which something may have been missed. Kept in the agent's memory, so that each is closed once, by whoever runs then. */
import type { GapReason, GapScope, TimeUs } from "../core/index.ts";
import type { Batches } from "./batches.ts";
import { JsonRow } from "./memory/index.ts";
import type { Memory, RowKey } from "./memory/index.ts";

export interface Gap {
  readonly gap: string;
  readonly scope: GapScope;
  readonly reason: GapReason;
  readonly sinceUs: TimeUs;
  readonly detail: string;
}

const PREFIX = "g" as RowKey;

export class Gaps {
  private readonly memory: Memory;
  private readonly batches: Batches;
  private readonly epoch: number;
  private readonly open = new Map<string, Gap>();
  private readonly byScope = new Map<string, Gap>();
  private counter = 0;

  constructor(memory: Memory, batches: Batches, epoch: number) {
    this.memory = memory;
    this.batches = batches;
    this.epoch = epoch;
    for (const key of memory.keys(PREFIX)) {
      const row = memory.get<JsonRow<Gap>>(key, JsonRow.decode);
      if (row !== undefined) this.note(row.value);
    }
  }

  list(): readonly Gap[] {
    return [...this.open.values()];
  }

  /** The open gap of that reason about that node; without a node, about the machine. */
  find(reason: GapReason, node?: number): Gap | undefined {
    return this.byScope.get(scopeKey(reason, node));
  }

  begin(reason: GapReason, scope: GapScope, sinceUs: TimeUs, detail: string): string {
    const gap = `e${this.epoch}-${++this.counter}`;
    const opened: Gap = { gap, scope, reason, sinceUs, detail };
    this.note(opened);
    this.memory.set(`${PREFIX}${gap}` as RowKey, new JsonRow(opened));
    this.batches.add({ type: "GapOpened", gap, scope, reason, fromUs: sinceUs, detail });
    return gap;
  }

  end(gap: string): void {
    const opened = this.open.get(gap);
    if (opened === undefined) return;
    this.open.delete(gap);
    this.byScope.delete(scopeKey(opened.reason, nodeOf(opened.scope)));
    this.memory.set(`${PREFIX}${gap}` as RowKey, undefined);
    this.batches.add({ type: "GapClosed", gap });
  }

  private note(gap: Gap): void {
    this.open.set(gap.gap, gap);
    this.byScope.set(scopeKey(gap.reason, nodeOf(gap.scope)), gap);
  }
}

function nodeOf(scope: GapScope): number | undefined {
  return scope.kind === "machine" ? undefined : scope.node;
}

function scopeKey(reason: GapReason, node: number | undefined): string {
  return `${reason} ${node ?? "machine"}`;
}
