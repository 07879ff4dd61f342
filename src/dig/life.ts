/**
 * How each chunk of a run stands at the newest tree at the end: its references there, and where it has none the batch end at which it
 * died (rule 2: one death, never two). A run without such a row was stored since that tree. Only what differs from "one reference"
 * is written.
 */
import { ByteReader, ByteWriter, RainbowError } from "../core/index.ts";
import { controlKey } from "./control-rows.ts";
import type { ControlRows } from "./control-rows.ts";

export class Life {
  readonly counts: number[];
  /** 0: not dead. */
  readonly deaths: number[];

  constructor(count: number, references: number) {
    this.counts = new Array<number>(count).fill(references);
    this.deaths = new Array<number>(count).fill(0);
  }
}

export function encodeLife(life: Life): Buffer {
  const writer = new ByteWriter(64);
  let last = -1;
  for (const [index, count] of life.counts.entries()) {
    const death = life.deaths[index]!;
    if (count === 1 && death === 0) continue;
    writer.varint(index - last);
    writer.varint(count);
    writer.varint(death);
    last = index;
  }
  return writer.copy();
}

export function decodeLife(count: number, content: Buffer): Life {
  const life = new Life(count, 1);
  const reader = new ByteReader(content, (why) => new RainbowError("DIG_CORRUPT", `a row of live counts cannot be read: ${why}`));
  let index = -1;
  while (reader.remaining > 0) {
    index += reader.varint();
    const references = reader.varint();
    const death = reader.varint();
    if (index >= count) continue; // Numbers that were given back.
    life.counts[index] = references;
    life.deaths[index] = death;
  }
  return life;
}

export function readLife(rows: ControlRows, row: { readonly first: number; readonly count: number }): Life {
  const content = rows.get(controlKey("life", row.first));
  return content === undefined ? new Life(row.count, 0) : decodeLife(row.count, content);
}
