/** Everything a State holds, as keys and values in key order: for digests and comparisons. */
import { createHash } from "node:crypto";
import type { Base } from "./base.ts";
import { PREFIX } from "./keys.ts";
import { mergeNewest } from "./merge.ts";
import type { State } from "./state.ts";
import { controlEntriesOf, entriesOf, SCATTERED } from "./tree-changes.ts";

export interface KeyAndValue {
  readonly key: Buffer;
  readonly value: Buffer;
}

const CONTROL = Object.values(PREFIX).filter((prefix) => prefix >= PREFIX.bracket && prefix < PREFIX.segment);

/** Buffers are valid until the next step. The State is not written meanwhile. */
export function* walkState(state: State): IterableIterator<KeyAndValue> {
  const { treeBase: base, allLayers: layers } = state;
  for (const prefix of SCATTERED.filter((each) => each !== PREFIX.nodePart)) {
    const older = base === undefined ? [] : [base.everything(prefix)];
    for (const { key, value } of mergeNewest([...older, ...layers.map((layer) => entriesOf(layer, prefix))])) if (value !== undefined) yield { key, value };
  }
  for (const prefix of CONTROL) {
    const older = base === undefined ? [] : [base.everything(prefix)];
    const newer = layers.map((layer) => controlEntriesOf(layer, prefix));
    for (const { key, value } of mergeNewest([...older, ...newer])) if (value !== undefined) yield { key, value };
  }
}

/** Every key of a tree with what its segments lay over it, in key order: enough to build the same tree elsewhere. Buffers are copies. */
export function* entriesOfTree(base: Base): IterableIterator<KeyAndValue> {
  for (const prefix of [...SCATTERED, ...CONTROL])
    for (const { key, value } of base.everything(prefix)) if (value !== undefined) yield { key: Buffer.from(key), value: Buffer.from(value) };
}

/** SHA-256 over all keys and values in order: equal exactly where two states answer the same. */
export class StateDigest {
  private readonly hash = createHash("sha256");
  private readonly lengths = Buffer.allocUnsafe(8);

  add({ key, value }: KeyAndValue): void {
    this.lengths.writeUInt32LE(key.length, 0);
    this.lengths.writeUInt32LE(value.length, 4);
    this.hash.update(this.lengths).update(key).update(value);
  }

  hex(): string {
    return this.hash.digest("hex");
  }
}
