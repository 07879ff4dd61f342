/**
 * An object store in memory: no tree, as S3 is none, and as there a digest that an upload has only at its end is not kept. What was not
 * settled may be lost in a crash, each object by itself. Every call can be made to fail, and after a crash all do until the store is
 * opened again.
 */
import { RainbowError } from "../../src/core/index.ts";
import type { ByteString, ObjectPlace } from "../../src/core/index.ts";
import type {
  ByteRange,
  FailedDeletion,
  ListOptions,
  NewObject,
  NewUpload,
  ObjectKind,
  ObjectMetadata,
  ObjectName,
  ObjectStore,
  ReadOptions,
  StoredObject,
  Upload,
} from "../../src/objects/index.ts";

interface Held {
  readonly kind: ObjectKind;
  readonly bytes: Buffer;
  readonly metadata: ObjectMetadata;
  readonly place: ObjectPlace;
}
type Objects = Map<string, Held>;

const PAGE = 3; // Small, so that tests meet the ends of pages.

export class MemoryObjects implements ObjectStore {
  readonly address = "memory";
  readonly features = { keepsVersions: false, isTree: false };
  readonly wholeBytesMax: number;
  fileBytesMax = Infinity;
  /** By key, directories with a slash at its end: what readers see now. */
  objects: Objects = new Map();
  /** Called before each call that changes something, with its name: may throw. */
  onCall: (name: string) => void = () => undefined;
  private settled: Objects = new Map();
  private readonly uploads = new Map<string, { readonly key: ByteString; bytes: Buffer }>();
  private etags = 0;
  private tokens = 0;

  constructor(wholeBytesMax = 1 << 20) {
    this.wholeBytesMax = wholeBytesMax;
  }

  /** Of each object that was not settled either the old or the new state stays, as `keeps` decides. */
  crash(keeps: () => boolean): void {
    for (const key of new Set([...this.objects.keys(), ...this.settled.keys()])) {
      const [now, before] = [this.objects.get(key), this.settled.get(key)];
      if (now === before || keeps()) continue;
      if (before === undefined) this.objects.delete(key);
      else this.objects.set(key, before);
    }
    this.onCall = () => undefined;
  }

  contentOf(path: string): string | undefined {
    return this.objects.get(path)?.bytes.toString("latin1");
  }

  async put(objects: readonly NewObject[]): Promise<ObjectPlace[]> {
    return objects.map(({ key, metadata, bytes }) => {
      this.onCall("put");
      return this.hold(key, metadata, Buffer.from(bytes));
    });
  }

  private hold(key: ByteString, metadata: ObjectMetadata, bytes: Buffer): ObjectPlace {
    const place = { version: undefined, etag: `e${this.etags++}` };
    if (key !== ".") this.objects.set(nameOf({ key, kind: metadata.kind }), { kind: metadata.kind, bytes, metadata, place });
    return place;
  }

  async begin({ key }: NewUpload): Promise<Upload> {
    this.onCall("begin");
    const token = `u${this.tokens++}`;
    this.uploads.set(token, { key, bytes: Buffer.alloc(0) });
    return this.uploadOf(token);
  }

  async resume(token: string, _: NewUpload, bytesMax = Infinity): Promise<Upload | undefined> {
    this.onCall("resume");
    const upload = this.uploads.get(token);
    if (upload !== undefined && upload.bytes.length > bytesMax) upload.bytes = upload.bytes.subarray(0, bytesMax);
    return upload === undefined ? undefined : this.uploadOf(token);
  }

  private uploadOf(token: string): Upload {
    const upload = this.uploads.get(token)!;
    const append = (bytes: Uint8Array): void => {
      this.onCall("write");
      upload.bytes = Buffer.concat([upload.bytes, bytes]);
    };
    let lacksDigest = false;
    return {
      token,
      get lacksDigest() {
        return lacksDigest;
      },
      get writtenBytes() {
        return upload.bytes.length;
      },
      write: async (bytes) => append(bytes),
      copyFrom: async (source, place, { offsetBytes, lengthBytes }: ByteRange) =>
        append(this.found(source, place).bytes.subarray(offsetBytes, offsetBytes + lengthBytes)),
      complete: async (metadata) => {
        this.onCall("complete");
        this.uploads.delete(token);
        lacksDigest = metadata.digest !== undefined;
        return this.hold(upload.key, { ...metadata, digest: undefined }, upload.bytes);
      },
      abort: async () => void this.uploads.delete(token),
      suspend: async () => undefined,
    };
  }

  async abortUnfinished(spared: ReadonlySet<string>): Promise<number> {
    this.onCall("abortUnfinished");
    const unfinished = [...this.uploads.keys()].filter((token) => !spared.has(token));
    for (const token of unfinished) this.uploads.delete(token);
    return unfinished.length;
  }

  async head(name: ObjectName): Promise<StoredObject | undefined> {
    const held = this.objects.get(nameOf(name));
    return held === undefined ? undefined : storedOf(nameOf(name), held);
  }

  async *read(key: ByteString, { range, place }: ReadOptions = {}): AsyncIterable<Uint8Array> {
    const { bytes } = this.found(key, place);
    yield range === undefined ? bytes : bytes.subarray(range.offsetBytes, range.offsetBytes + range.lengthBytes);
  }

  async *list({ below }: ListOptions = {}): AsyncIterable<StoredObject[]> {
    const prefix = below === undefined || below === "." ? "" : `${below}/`;
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key !== prefix).sort();
    for (let at = 0; at < keys.length; at += PAGE) yield keys.slice(at, at + PAGE).map((key) => storedOf(key, this.objects.get(key)!));
  }

  async copy(from: ByteString, place: ObjectPlace, to: ByteString, metadata: ObjectMetadata): Promise<ObjectPlace> {
    this.onCall("copy");
    return this.hold(to, metadata, this.found(from, place).bytes);
  }

  async setMetadata(key: ByteString, metadata: ObjectMetadata): Promise<ObjectPlace> {
    this.onCall("setMetadata");
    if (key === ".") return { version: undefined, etag: "" };
    const name = nameOf({ key, kind: metadata.kind });
    const held = this.objects.get(name);
    if (held === undefined) throw new RainbowError("OBJECT_CHANGED", `${key} is not there`);
    return this.hold(key, metadata, held.bytes); // A copy, as S3 has it: another place.
  }

  async delete(names: readonly ObjectName[]): Promise<FailedDeletion[]> {
    for (const name of names) {
      this.onCall("delete");
      this.objects.delete(nameOf(name));
    }
    return [];
  }

  async settle(): Promise<void> {
    this.onCall("settle");
    this.settled = new Map(this.objects);
  }

  async close(): Promise<void> {}

  private found(key: ByteString, place: ObjectPlace | undefined): Held {
    const held = this.objects.get(key);
    if (held === undefined || (place !== undefined && held.place.etag !== place.etag)) throw new RainbowError("OBJECT_CHANGED", `${key} is another one`);
    return held;
  }
}

function nameOf({ key, kind }: ObjectName): string {
  return kind === "directory" ? `${key}/` : key;
}

function storedOf(key: string, { kind, bytes, metadata, place }: Held): StoredObject {
  return { key: key.replace(/\/$/, "") as ByteString, kind, sizeBytes: bytes.length, place, metadata };
}
