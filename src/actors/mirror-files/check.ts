/**
 * A mirror's file list against its object store: what is missing there, another than what was stored, or there without an entry. With
 * `readsData` every file is read and held to its digest, or to what the server said of it. Mended, what is wrong is fetched anew by the
 * next sync; nothing is deleted.
 */
import type { ByteString } from "../../core/index.ts";
import type { ObjectStore, StoredObject } from "../../objects/index.ts";
import type { FileEntry, MirrorFact, MirrorFiles } from "../../projections/index.ts";
import type { Digests } from "../../rsync/index.ts";
import { loseContent, provenFact, readBack } from "./prove.ts";
import { isSameContent, lostFact } from "./recover.ts";
import type { CareProgress } from "./recover.ts";
import { sideBySide } from "./side-by-side.ts";

const BATCH_FACTS = 1000;

export type MirrorFault = "missing" | "changed" | "damaged" | "attributes" | "foreign";

export type CheckedItem =
  { readonly type: "fault"; readonly path: ByteString; readonly what: MirrorFault; readonly detail: string } | ({ readonly type: "summary" } & CheckReport);

export interface CheckReport {
  readonly entryCount: number;
  readonly faultCount: number;
  /** Whose content was read and is what was stored. */
  readonly readCount: number;
  readonly readBytes: number;
  /** Of those: the server's word on them was all there was, and is proven now. */
  readonly provenCount: number;
  /** Read, and no digest is known of them: only their length speaks for them. */
  readonly unprovenCount: number;
}

export interface CheckOptions {
  readonly readsData: boolean;
  /** What is wrong is forgotten, or its attributes are to be written again. */
  readonly mends: boolean;
  readonly digests: () => Promise<Digests>;
  readonly signal?: AbortSignal;
  /** Is kept up to date. */
  readonly progress?: CareProgress;
}

export async function* checkFiles(files: MirrorFiles, objects: ObjectStore, options: CheckOptions): AsyncGenerator<CheckedItem> {
  const check = new Check(files, objects, options);
  const list = await files.list();
  try {
    const facts: MirrorFact[] = [];
    for await (const { path, entry, object } of sideBySide(list, objects)) {
      if (options.signal?.aborted === true) break;
      if (options.progress !== undefined) options.progress.nameCount += 1;
      const fault = await check.faultOf(entry, object);
      facts.push(...check.proven.splice(0));
      if (facts.length >= BATCH_FACTS) await files.record(facts.splice(0));
      if (fault === undefined || (fault.what === "foreign" && files.deletions.queued([path]).length > 0)) continue;
      if (fault.what === "attributes" && files.lateAttributes.has(path)) continue; // To be written yet.
      check.faultCount += 1;
      yield { type: "fault", path, ...fault };
      if (!options.mends || entry === undefined) continue;
      if (fault.what === "damaged") await loseContent(files, list, [entry]);
      else facts.push(...mendingFacts(entry, fault.what));
    }
    await files.record(facts);
    if (options.signal?.aborted === true) return;
  } finally {
    list.close();
  }
  yield { type: "summary", ...check.report() };
}

interface Fault {
  readonly what: MirrorFault;
  readonly detail: string;
}

class Check {
  faultCount = 0;
  /** Facts that are to be recorded. */
  readonly proven: MirrorFact[] = [];
  private readonly files: MirrorFiles;
  private readonly objects: ObjectStore;
  private readonly options: CheckOptions;
  private entryCount = 0;
  private readCount = 0;
  private readBytes = 0;
  private provenCount = 0;
  private unprovenCount = 0;

  constructor(files: MirrorFiles, objects: ObjectStore, options: CheckOptions) {
    this.files = files;
    this.objects = objects;
    this.options = options;
  }

  report(): CheckReport {
    const { entryCount, faultCount, readCount, readBytes, provenCount, unprovenCount } = this;
    return { entryCount, faultCount, readCount, readBytes, provenCount, unprovenCount };
  }

  async faultOf(entry: FileEntry | undefined, object: StoredObject | undefined): Promise<Fault | undefined> {
    if (entry === undefined) return { what: "foreign", detail: "the file list does not have it" };
    this.entryCount += 1;
    if (object === undefined) return entry.place === undefined ? undefined : { what: "missing", detail: "the store does not have it" };
    if (entry.place === undefined && entry.kind === "directory") return undefined; // Nobody put it there for its own sake.
    if (!isSameContent(entry, object)) return { what: "changed", detail: changeOf(entry, object) };
    if (!this.options.readsData) return attributesFault(entry, object);
    const damage = entry.kind === "file" ? await this.damageOf(entry) : undefined;
    if (damage !== undefined || object.metadata !== undefined || object.kind === "other") return damage ?? attributesFault(entry, object);
    // Every byte is read, so that one question more for each hardly counts.
    const told = await this.objects.head({ key: entry.path, kind: entry.kind === "directory" ? "directory" : "file" });
    return told?.metadata === undefined ? { what: "attributes", detail: "it has lost what a mirror notes of it" } : attributesFault(entry, told);
  }

  private async damageOf(entry: FileEntry): Promise<Fault | undefined> {
    const claim = entry.digest === undefined ? this.files.claims.of(entry) : undefined;
    const reading = await readBack(this.objects, await this.options.digests(), entry, claim, this.options);
    if (reading === undefined) return undefined;
    const { fault, lengthBytes, digest } = reading;
    this.readBytes += lengthBytes;
    if (fault !== undefined) return fault;
    this.readCount += 1;
    if (digest === undefined) this.unprovenCount += 1;
    if (digest === undefined || entry.digest !== undefined) return undefined;
    this.provenCount += 1;
    this.proven.push(provenFact(entry, digest, this.objects));
    return undefined;
  }
}

function changeOf(entry: FileEntry, object: StoredObject): string {
  if (entry.kind !== object.kind) return `it is a ${object.kind}, and was a ${entry.kind}`;
  return entry.sizeBytes === object.sizeBytes ? "it was replaced since it was stored" : `it has ${object.sizeBytes} bytes, ${entry.sizeBytes} were stored`;
}

/** A mode or a time that is another; undefined where they are the same, or the store tells of none. */
export function attributesFault(entry: FileEntry, { metadata }: StoredObject): Fault | undefined {
  if (metadata === undefined) return undefined;
  if (entry.kind === "symlink" && metadata.linkTarget !== entry.linkTarget) return { what: "changed", detail: "it leads elsewhere" };
  const hasSameTime = entry.mtimeSeconds === metadata.mtimeSeconds && entry.mtimeNanos === metadata.mtimeNanos;
  const hasSameMode = entry.kind === "symlink" || entry.mode === metadata.mode;
  return hasSameTime && hasSameMode ? undefined : { what: "attributes", detail: hasSameTime ? "its mode is another" : "its time is another" };
}

function mendingFacts(entry: FileEntry, what: MirrorFault): MirrorFact[] {
  const { path, mode, mtimeSeconds, mtimeNanos } = entry;
  if (what === "foreign") return [];
  return [what === "attributes" ? { type: "AttributesSet", path, mode, mtimeSeconds, mtimeNanos } : lostFact(entry)];
}
