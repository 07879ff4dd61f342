/**
 * A mirror's file list against its object store: what is missing there, another than what was stored, or there without an entry. With
 * `readsData` every file is read and held to its digest. Mended, what is wrong is fetched anew by the next sync; nothing is deleted.
 */
import { isRainbowError } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";
import type { ObjectStore, StoredObject } from "../../objects/index.ts";
import type { FileEntry, MirrorFact, MirrorFiles } from "../../projections/index.ts";
import type { Digests } from "../../rsync/index.ts";
import { isSameContent, lostFact } from "./recover.ts";
import { sideBySide } from "./side-by-side.ts";
import { startDigest } from "./view.ts";

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

/** How far a check or a recovery is. */
export interface CareProgress {
  nameCount: number;
  readBytes: number;
}

export async function* checkFiles(files: MirrorFiles, objects: ObjectStore, options: CheckOptions): AsyncGenerator<CheckedItem> {
  const check = new Check(objects, options);
  const list = await files.list();
  try {
    const facts: MirrorFact[] = [];
    for await (const { path, entry, object } of sideBySide(list, objects)) {
      if (options.signal?.aborted === true) return;
      if (options.progress !== undefined) options.progress.nameCount += 1;
      const fault = await check.faultOf(path, entry, object);
      if (fault === undefined || (fault.what === "foreign" && files.deletions.queued([path]).length > 0)) continue;
      if (fault.what === "attributes" && files.lateAttributes.has(path)) continue; // To be written yet.
      check.faultCount += 1;
      yield { type: "fault", path, ...fault };
      const fact = options.mends && entry !== undefined ? mendingFact(entry, fault.what) : undefined;
      if (fact !== undefined) facts.push(fact);
      if (facts.length >= BATCH_FACTS) await files.record(facts.splice(0));
    }
    await files.record(facts);
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
  private readonly objects: ObjectStore;
  private readonly options: CheckOptions;
  private entryCount = 0;
  private readCount = 0;
  private readBytes = 0;
  private unprovenCount = 0;

  constructor(objects: ObjectStore, options: CheckOptions) {
    this.objects = objects;
    this.options = options;
  }

  report(): CheckReport {
    const { entryCount, faultCount, readCount, readBytes, unprovenCount } = this;
    return { entryCount, faultCount, readCount, readBytes, unprovenCount };
  }

  async faultOf(path: ByteString, entry: FileEntry | undefined, object: StoredObject | undefined): Promise<Fault | undefined> {
    if (entry === undefined) return { what: "foreign", detail: "the file list does not have it" };
    this.entryCount += 1;
    if (object === undefined) return entry.place === undefined ? undefined : { what: "missing", detail: "the store does not have it" };
    if (entry.place === undefined && entry.kind === "directory") return undefined; // Nobody put it there for its own sake.
    if (!isSameContent(entry, object)) return { what: "changed", detail: changeOf(entry, object) };
    const damage = this.options.readsData && entry.kind === "file" ? await this.damageOf(path, entry) : undefined;
    return damage ?? attributesFault(entry, object);
  }

  private async damageOf(path: ByteString, { place, digest, sizeBytes }: FileEntry): Promise<Fault | undefined> {
    const running = digest === undefined ? undefined : startDigest(await this.options.digests(), digest.name);
    let lengthBytes = 0;
    try {
      for await (const bytes of this.objects.read(path, { place: place! })) {
        running?.update(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
        lengthBytes += bytes.length;
        if (this.options.progress !== undefined) this.options.progress.readBytes += bytes.length;
      }
    } catch (error) {
      if (isRainbowError(error, "OBJECT_CHANGED")) return { what: "changed", detail: error.message };
      throw error;
    }
    this.readBytes += lengthBytes;
    if (lengthBytes !== sizeBytes) return { what: "damaged", detail: `it has ${lengthBytes} bytes, ${sizeBytes} were stored` };
    if (running !== undefined && !running.digest().equals(digest!.bytes))
      return { what: "damaged", detail: `its ${digest!.name} is another than that of what was stored` };
    this.readCount += 1;
    if (running === undefined) this.unprovenCount += 1;
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

function mendingFact(entry: FileEntry, what: MirrorFault): MirrorFact | undefined {
  const { path, mode, mtimeSeconds, mtimeNanos } = entry;
  if (what === "foreign") return undefined;
  return what === "attributes" ? { type: "AttributesSet", path, mode, mtimeSeconds, mtimeNanos } : lostFact(entry);
}
