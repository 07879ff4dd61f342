/** What is written when chunks are freed: their runs' rows and live counts without them. */
import type { BlockRange } from "./allocation.ts";
import type { Totals } from "./committer.ts";
import type { ControlWrite } from "./control-file.ts";
import { controlKey, rowDelete, rowPut } from "./control-rows.ts";
import { encodeLife, readLife } from "./life.ts";
import type { Life } from "./life.ts";
import { encodeRunRow, totalsOf } from "./run.ts";
import type { RunRow } from "./run.ts";
import type { Store } from "./store.ts";

/** Chunks of one run, by their index in it. */
export interface FreedOfRun {
  readonly row: RunRow;
  readonly indexes: ReadonlySet<number>;
}

/** Run rows and live counts without the freed chunks, and the blocks that nobody holds then. */
export function rowsWithout(store: Store, free: readonly FreedOfRun[]): { writes: ControlWrite[]; freed: BlockRange[]; totals: Partial<Totals> } {
  const writes: ControlWrite[] = [];
  const freed: BlockRange[] = [];
  const left: (RunRow | undefined)[] = [];
  for (const { row, indexes } of free) {
    const rest = row.without(indexes);
    left.push(rest);
    freed.push(...row.freedRanges(rest));
    const [runKey, lifeKey] = [controlKey("run", row.first), controlKey("life", row.first)];
    if (rest === undefined) writes.push(rowDelete(runKey), rowDelete(lifeKey));
    else writes.push(rowPut(runKey, encodeRunRow(rest)), rowPut(lifeKey, encodeLife(lifeWithout(store, row, indexes))));
  }
  return {
    writes,
    freed,
    totals: totalsOf(
      left,
      free.map(({ row }) => row),
    ),
  };
}

export function lifeWithout(store: Store, row: RunRow, indexes: ReadonlySet<number>): Life {
  const life = readLife(store.rows, row);
  for (const index of indexes) [life.counts[index], life.deaths[index]] = [1, 0]; // Says nothing any more, in no bytes.
  return life;
}
