/**
 * Files of which only the server's word is known, read back and held to it: proven, or lost and fetched whole by the next sync. Stopped
 * at any moment it goes on, when it is asked for again, with what is not yet proven. One file is read at a time, piece by piece.
 */
import type { ByteString } from "../../core/index.ts";
import type { ObjectStore } from "../../objects/index.ts";
import type { ClaimedFile, FileList, MirrorFact, MirrorFiles } from "../../projections/index.ts";
import type { Digests } from "../../rsync/index.ts";
import { loseContent, provenFact, readBack } from "./prove.ts";
import type { ContentFault, ReadOptions } from "./prove.ts";

const PAGE_FILES = 100;
const RECORD_BYTES = 1 << 30; // So much at most is read again after a crash.

export type ScrubbedItem = ({ readonly type: "fault"; readonly path: ByteString } & ContentFault) | ({ readonly type: "summary" } & ScrubReport);

export interface ScrubReport {
  readonly readBytes: number;
  readonly provenCount: number;
  /** The server's word on them was wrong, or what is stored is: they are fetched anew. */
  readonly lostCount: number;
}

export async function* scrubFiles(files: MirrorFiles, objects: ObjectStore, digests: Digests, options: ReadOptions = {}): AsyncGenerator<ScrubbedItem> {
  const scrub = new Scrub(files, objects, digests, options);
  const { signal } = options;
  let page = files.claims.some("" as ByteString, PAGE_FILES);
  for (; page.length > 0 && signal?.aborted !== true; page = files.claims.some(page.at(-1)!.path, PAGE_FILES)) {
    const list = await files.list();
    try {
      for (const claimed of page) yield* scrub.one(list, claimed);
    } finally {
      await scrub.record();
      list.close();
    }
  }
  if (signal?.aborted !== true) yield { type: "summary", ...scrub.report() };
}

class Scrub {
  private readonly files: MirrorFiles;
  private readonly objects: ObjectStore;
  private readonly digests: Digests;
  private readonly options: ReadOptions;
  private facts: MirrorFact[] = [];
  private unrecordedBytes = 0;
  private readBytes = 0;
  private provenCount = 0;
  private lostCount = 0;

  constructor(files: MirrorFiles, objects: ObjectStore, digests: Digests, options: ReadOptions) {
    this.files = files;
    this.objects = objects;
    this.digests = digests;
    this.options = options;
  }

  report(): ScrubReport {
    const { readBytes, provenCount, lostCount } = this;
    return { readBytes, provenCount, lostCount };
  }

  async *one(list: FileList, claimed: ClaimedFile): AsyncGenerator<ScrubbedItem> {
    if (this.options.signal?.aborted === true) return;
    const { path } = claimed;
    const entry = list.entry(path);
    const claim = entry?.kind === "file" && entry.digest === undefined ? this.files.claims.of(entry) : undefined;
    if (entry === undefined || claim === undefined) return await this.files.claims.done([claimed]); // A crash kept it beside a fact that is not there.
    const reading = await readBack(this.objects, this.digests, entry, claim, this.options);
    if (reading === undefined) return;
    const { lengthBytes, fault, digest } = reading;
    if (this.options.progress !== undefined) this.options.progress.nameCount += 1;
    this.readBytes += lengthBytes;
    this.unrecordedBytes += lengthBytes;
    if (fault !== undefined) {
      this.lostCount += 1;
      await loseContent(this.files, list, [entry]);
      yield { type: "fault", path, ...fault };
    } else if (digest === undefined)
      return await this.files.claims.done([claimed]); // A digest that nobody here knows.
    else {
      this.provenCount += 1;
      this.facts.push(provenFact(entry, digest, this.objects));
    }
    if (this.unrecordedBytes >= RECORD_BYTES) await this.record();
  }

  async record(): Promise<void> {
    const { facts } = this;
    [this.facts, this.unrecordedBytes] = [[], 0];
    await this.files.record(facts);
  }
}
