/**
 * Gives the space of free pages back to the disk: an LMDB file never shrinks by itself. Holes are punched where nothing reads any more,
 * as the free list of the newest durable commit says; what is punched is what LMDB would write over next, so a power cut at any moment
 * leaves the file as sound as it was. Only long runs go: short ones are what small commits take first, and those must find room on a
 * full disk as well. To be called between commits alone.
 */
import type { DiskFile } from "../disk.ts";
import { isRainbowError } from "../errors.ts";
import { PAGE_BYTES } from "./layout.ts";
import { freePagesOf } from "./scan.ts";

const RUN_PAGES_MIN = 16; // 64 KiB; LMDB takes the run that fits best.
const STEP_BYTES = 16 << 20; // A few milliseconds: commits wait meanwhile.
const STEP_RUNS = 256;

export class GiveBack {
  /** Where the next step begins. */
  private next = 2;
  private readonly pagesMin: number;

  /** `pagesMin`: shorter runs stay. */
  constructor(pagesMin: number = RUN_PAGES_MIN) {
    this.pagesMin = pagesMin;
  }

  /**
   * One step through the file. `oldestReader`: the oldest snapshot that anybody reads; Infinity where nobody does. True when it came to
   * the end, or nothing can be given back.
   */
  step(file: DiskFile, oldestReader: number): boolean {
    const source = { read: (into: Uint8Array, at: number) => file.read(into, at), sizeBytes: file.sizeBytes() };
    const free = freePagesOf(source, oldestReader);
    if (free === undefined) return true;
    let [pages, runs] = [0, 0];
    for (const { first, count } of runsFrom(free, this.next, this.pagesMin)) {
      if (pages * PAGE_BYTES >= STEP_BYTES || runs >= STEP_RUNS) {
        this.next = first;
        return false;
      }
      const some = Math.min(count, STEP_BYTES / PAGE_BYTES);
      if (!punched(file, first, some)) break;
      [pages, runs] = [pages + some, runs + 1];
      if (some === count) continue;
      this.next = first + some;
      return false;
    }
    this.next = 2;
    return true;
  }
}

function punched(file: DiskFile, first: number, count: number): boolean {
  try {
    return file.punchHole(first * PAGE_BYTES, count * PAGE_BYTES);
  } catch (error) {
    if (!isRainbowError(error)) throw error;
    return false; // The pages are free all the same; they only keep their space.
  }
}

/** Runs of free pages that are long enough, from a page on; the rest of a long run counts as one. */
function* runsFrom(free: Uint8Array, from: number, pagesMin: number): IterableIterator<{ readonly first: number; readonly count: number }> {
  for (let first = free.indexOf(1, from); first >= 0;) {
    const end = free.indexOf(0, first);
    const count = (end < 0 ? free.length : end) - first;
    if (count >= pagesMin) yield { first, count };
    first = end < 0 ? -1 : free.indexOf(1, end);
  }
}

/** The oldest snapshot in LMDB's own list of readers, one a line: process, thread, transaction or "-". Undefined where it cannot be read. */
export function oldestReaderOf(list: string): number | undefined {
  let oldest = Number.POSITIVE_INFINITY;
  for (const line of list.split("\n").slice(1)) {
    const txnid = line.trim().split(/\s+/).at(-1) ?? "";
    if (txnid === "" || txnid === "-") continue;
    if (!/^\d+$/.test(txnid)) return undefined;
    oldest = Math.min(oldest, Number(txnid));
  }
  return oldest;
}
