/** A file that is being written below the target's partial directory; renamed into its place when it is complete. */
import { assert } from "../../core/index.ts";
import type { ByteString } from "../../core/index.ts";
import type { ByteRange, ObjectMetadata, ObjectPlace, Upload } from "../object-store.ts";
import { breathe, openContent, pieces } from "./content.ts";
import type { OpenContent } from "./content.ts";
import { attempt, changed } from "./failures.ts";
import { placeOf } from "./tree.ts";
import type { Tree } from "./tree.ts";

export class DirectoryUpload implements Upload {
  readonly token: string;
  /** A tree has no place for digests. */
  readonly lacksDigest = false;
  readonly #tree: Tree;
  readonly #key: ByteString;
  readonly #partial: ByteString;
  readonly #fd: number;
  #writtenBytes: number;
  #isOpen = true;
  /** The file that ranges were copied from last: it stays open, as the next range is most often of the same. */
  #source: (OpenContent & { readonly key: ByteString }) | undefined;

  constructor(parts: { tree: Tree; key: ByteString; token: string; partial: ByteString; fd: number; writtenBytes: number }) {
    this.token = parts.token;
    this.#tree = parts.tree;
    this.#key = parts.key;
    this.#partial = parts.partial;
    this.#fd = parts.fd;
    this.#writtenBytes = parts.writtenBytes;
  }

  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  write(bytes: Uint8Array): undefined {
    assert(this.#isOpen, "an upload that ended takes no more bytes");
    this.#tree.isUnsettled = true;
    attempt(this.#partial, () => this.#tree.os.write(this.#fd, bytes, this.#writtenBytes));
    this.#writtenBytes += bytes.length;
  }

  async copyFrom(source: ByteString, place: ObjectPlace, range: ByteRange): Promise<void> {
    const content = this.#sourceOf(source, place);
    const end = this.#writtenBytes + range.lengthBytes;
    for (const piece of pieces(this.#tree, content, range)) {
      this.write(piece);
      await breathe();
    }
    if (this.#writtenBytes !== end) throw changed(content.path, "is shorter than the range that was to be copied");
  }

  #sourceOf(key: ByteString, place: ObjectPlace): OpenContent {
    if (this.#source?.key === key && placeOf(this.#source.stat).etag === place.etag) return this.#source;
    this.#closeSource();
    this.#source = { ...openContent(this.#tree, key, place), key };
    return this.#source;
  }

  async complete(metadata: ObjectMetadata): Promise<ObjectPlace> {
    assert(metadata.kind === "file", "an upload makes a file");
    const { os } = this.#tree;
    this.#close();
    this.#tree.isUnsettled = true;
    return attempt(this.#partial, () => {
      os.chmod(this.#partial, metadata.mode);
      os.setTimes(this.#partial, metadata.mtimeSeconds, metadata.mtimeNanos);
      const place = placeOf(os.lstat(this.#partial));
      this.#tree.forget();
      this.#tree.publish(this.#partial, this.#key);
      return place;
    });
  }

  async abort(): Promise<void> {
    if (!this.#isOpen) return;
    this.#close();
    attempt(this.#partial, () => this.#tree.os.unlink(this.#partial));
  }

  async suspend(): Promise<void> {
    if (this.#isOpen) this.#close();
  }

  #close(): void {
    assert(this.#isOpen, "an upload ends once");
    this.#isOpen = false;
    this.#closeSource();
    attempt(this.#partial, () => this.#tree.os.close(this.#fd));
  }

  #closeSource(): void {
    if (this.#source !== undefined) this.#tree.os.close(this.#source.fd);
    this.#source = undefined;
  }
}
