/**
 * Deterministic inputs of benchmarks, the same bytes on every machine:
 *   workload.ts tree DIR [SCALE]      13,240 files, 2.2 GB: 12,000 small texts, 1,200 of 0.25 to 0.75 MiB, 40 of 16 to 48 MiB
 *   workload.ts db FILE [SCALE]       1 GiB; each 4 KiB page is half random, half text
 *   workload.ts round FILE N [SCALE]  20,000 pages of it, picked at random by N, written anew, then one fsync
 * SCALE (1) multiplies the number of files or pages. Text compresses about as prose does, random bytes not at all.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";

const PAGE_BYTES = 4096;
const DB_PAGES = 262_144;
const ROUND_PAGES = 20_000;
const CORPUS_BYTES = 4 << 20;
const WORD_COUNT = 8000;

export interface TreeFacts {
  readonly files: number;
  readonly bytes: number;
}

/** Marsaglia's xorshift32: enough for content, and quick. */
class Dice {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0 || 1;
  }

  word(): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x >>> 0;
    return this.state;
  }

  below(bound: number): number {
    return this.word() % bound;
  }

  fillRandom(into: Buffer): void {
    const whole = into.length & ~3;
    for (let i = 0; i < whole; i += 4) into.writeUInt32LE(this.word(), i);
    for (let i = whole; i < into.length; i++) into[i] = this.word() & 0xff;
  }

  /** Stretches of the corpus, each from a place of its own. */
  fillText(into: Buffer): void {
    for (let at = 0; at < into.length;) {
      const length = Math.min(into.length - at, 40 + this.below(400));
      const from = this.below(CORPUS_BYTES - length);
      corpus().copy(into, at, from, from + length);
      at += length;
    }
  }
}

let made: Buffer | undefined;

/** Words of random letters; the lower a word's number, the more often it comes, about as in a language. */
function corpus(): Buffer {
  if (made !== undefined) return made;
  const dice = new Dice(20_260_101);
  const letters = (): string => String.fromCharCode(97 + dice.below(26));
  const words = Array.from({ length: WORD_COUNT }, () => Array.from({ length: 2 + dice.below(9) }, letters).join(""));
  const parts: string[] = [];
  for (let length = 0; length < CORPUS_BYTES; length += (parts.at(-1) as string).length) {
    const rank = Math.floor(WORD_COUNT * (dice.below(100_000) / 100_000) ** 3);
    parts.push(`${words[rank]}${dice.below(12) === 0 ? "\n" : " "}`);
  }
  made = Buffer.from(parts.join("").slice(0, CORPUS_BYTES), "latin1");
  return made;
}

type Content = "text" | "random" | "mixed";

export function makeTree(directory: string, scale = 1): TreeFacts {
  const dice = new Dice(777_001);
  const facts = { files: 0, bytes: 0 };
  const put = (path: string, sizeBytes: number, content: Content): void => {
    const bytes = Buffer.allocUnsafe(sizeBytes);
    const half = content === "text" ? sizeBytes : content === "random" ? 0 : sizeBytes >> 1;
    dice.fillText(bytes.subarray(0, half));
    dice.fillRandom(bytes.subarray(half));
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), bytes);
    facts.files++;
    facts.bytes += sizeBytes;
  };
  const mixes = ["random", "text", "mixed"] as const;
  for (let i = 0; i < 12_000 * scale; i++) put(`src/d${i % 120}/s${(i >> 7) % 10}/f${i}.txt`, 2048 + dice.below(30_720), "text");
  for (let i = 0; i < 1200 * scale; i++) put(`docs/d${i % 40}/m${i}.bin`, 262_144 + dice.below(524_288), mixes[i % 3] as Content);
  for (let i = 0; i < 40 * scale; i++) put(`media/big${i}.dat`, (16 << 20) + dice.below(32 << 20), i % 2 === 0 ? "mixed" : "random");
  return facts;
}

export function makeDb(file: string, scale = 1): void {
  const dice = new Dice(4_242_001);
  const fd = openSync(file, "w");
  const pages = Math.floor(DB_PAGES * scale);
  const block = Buffer.allocUnsafe(256 * PAGE_BYTES);
  for (let page = 0; page < pages; page += 256) {
    for (let i = 0; i < 256; i++) fillPage(block.subarray(i * PAGE_BYTES, (i + 1) * PAGE_BYTES), dice);
    writeSync(fd, block, 0, Math.min(256, pages - page) * PAGE_BYTES, page * PAGE_BYTES);
  }
  fsyncSync(fd);
  closeSync(fd);
}

/** Returns how many different pages were written. */
export function writeRound(file: string, round: number, scale = 1): number {
  const dice = new Dice(900_001 + round * 7919);
  const fd = openSync(file, "r+");
  const pages = Math.floor(DB_PAGES * scale);
  const bytes = Buffer.allocUnsafe(PAGE_BYTES);
  const written = new Set<number>();
  for (let i = 0; i < ROUND_PAGES * scale; i++) {
    const page = dice.below(pages);
    written.add(page);
    fillPage(bytes, dice);
    writeSync(fd, bytes, 0, PAGE_BYTES, page * PAGE_BYTES);
  }
  fsyncSync(fd);
  closeSync(fd);
  return written.size;
}

function fillPage(page: Buffer, dice: Dice): void {
  dice.fillRandom(page.subarray(0, PAGE_BYTES / 2));
  dice.fillText(page.subarray(PAGE_BYTES / 2));
}

function main([command, target, ...numbers]: readonly string[]): number {
  const [first, second] = numbers.map(Number);
  if (target === undefined || numbers.some((text) => !(Number(text) > 0))) return usage();
  if (command === "tree") console.log(JSON.stringify(makeTree(target, first)));
  else if (command === "db") makeDb(target, first);
  else if (command === "round" && first !== undefined) console.log(writeRound(target, first, second));
  else return usage();
  return 0;
}

function usage(): number {
  console.error("usage: workload.ts tree DIR [SCALE] | db FILE [SCALE] | round FILE N [SCALE]");
  return 2;
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2));
