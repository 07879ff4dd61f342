/**
 * What the besieged host is sent: odd and sound facts about a machine with payload, from a seed, and what is true after each batch.
 * The model names contents, not the host's chunk numbers. The same seed and the same epochs give the same batches.
 */
import { createHash } from "node:crypto";
import { ENCODING } from "../../../src/core/index.ts";
import type { Batch, Change, ChunkNumber, Epoch, NewChunk, TimeUs } from "../../../src/core/index.ts";
import { CHUNK_GRANULES, GRANULE_BYTES, NaiveMachine } from "../../support/naive-machine.ts";
import type { NaiveInstant } from "../../support/naive-machine.ts";
import { RandomFacts } from "../../support/random-facts.ts";
import { seededRandom } from "../../support/random.ts";
import type { SeededRandom } from "../../support/random.ts";

export const HASH_KEY: Buffer = Buffer.alloc(32, 0x5a);
const COMMON_CONTENTS = 30; // Named again and again: dedup finds them, also just before they are freed.
const CHANGES_MAX = 6;

/** The epoch of each batch. */
export type Script = readonly Epoch[];

/** The bytes of a content: they tell which it is. */
export function plainOf(content: number): Buffer {
  return Buffer.alloc(CHUNK_GRANULES * GRANULE_BYTES, `content ${content} `);
}

export class SiegeFacts {
  /** What is true after each batch; the first is the empty machine. */
  readonly instants: NaiveInstant[] = [];
  private readonly naive = new NaiveMachine();
  private readonly random: SeededRandom;
  private readonly facts: RandomFacts;
  private contentCount = COMMON_CONTENTS;
  private epoch = 0;
  private sequence = 0;

  constructor(seed: number, script: Script = []) {
    this.random = seededRandom(seed);
    this.facts = new RandomFacts(this.random, this.naive);
    this.instants.push(this.naive.instant());
    for (const epoch of script) this.next(epoch);
  }

  /** The next batch, the first of a session where the epoch is a new one. */
  next(epoch: Epoch): Batch {
    const chunks: NewChunk[] = [];
    const places = new Map<number, number>();
    const changes: Change[] = [];
    for (let i = 0; i <= this.random.int(CHANGES_MAX); i++) {
      const change = this.facts.next(epoch, () => this.content());
      this.naive.apply(change);
      changes.push(change.type === "ExtentsWritten" ? { ...change, extents: change.extents.map((e) => ({ ...e, chunk: place(e.chunk) })) } : change);
    }
    function place(content: number): ChunkNumber {
      const known = places.get(content);
      if (known !== undefined) return known as ChunkNumber;
      places.set(content, chunks.length);
      return (chunks.push(chunkOf(content)) - 1) as ChunkNumber;
    }
    this.sequence = epoch === this.epoch ? this.sequence + 1 : 1;
    this.epoch = epoch;
    this.instants.push(this.naive.instant());
    const batchCount = this.instants.length;
    return { epoch, sequence: this.sequence, agentTimeUs: (batchCount * 1_000_000) as TimeUs, monotonicUs: batchCount, changes, chunks };
  }

  private content(): number {
    return this.random.chance(0.85) ? 1 + this.random.int(COMMON_CONTENTS) : ++this.contentCount;
  }
}

function chunkOf(content: number): NewChunk {
  const plain = plainOf(content);
  return { hash: createHash("sha256").update(HASH_KEY).update(plain).digest(), lengthBytes: plain.length, encoding: ENCODING.raw, stored: plain };
}
