/** Heads of chained streams in one word, to be kept elsewhere: `machine-…@4821:<hash>,host-audit-…@17:<hash>`. */
import { RainbowError } from "../../core/index.ts";
import type { Revision } from "../../core/index.ts";

export interface Head {
  readonly stream: string;
  readonly revision: Revision;
  /** In hex. */
  readonly chainHash: string;
}

export interface Heads {
  readonly heads: readonly Head[];
  /** Hashes without a place: looked for anywhere. */
  readonly hashes: readonly string[];
}

const HEADS_MAX = 1000;

export function headsText(heads: readonly Head[]): string {
  return heads.map(({ stream, revision, chainHash }) => `${stream}@${revision}:${chainHash}`).join(",");
}

/** USAGE where it is neither what headsText gives nor bare hashes. */
export function parseHeads(text: string): Heads {
  const words = text
    .trim()
    .split(/[\s,]+/)
    .filter((word) => word !== "");
  const heads: Head[] = [];
  const hashes: string[] = [];
  for (const word of words) {
    const [, stream, revision, hash] = /^(?:([^@]{1,200})@(\d{1,15}):)?([0-9a-f]{64})$/.exec(word.toLowerCase()) ?? [];
    if (hash === undefined || words.length > HEADS_MAX) throw unusable(word);
    if (stream === undefined) hashes.push(hash);
    else heads.push({ stream, revision: Number(revision) as Revision, chainHash: hash });
  }
  if (words.length === 0) throw unusable(text);
  return { heads, hashes };
}

function unusable(word: string): RainbowError {
  return new RainbowError("USAGE", `'${word}' is no head: give the line that 'rainbow audit head' printed, or a hash of 64 digits out of it`, { word });
}
