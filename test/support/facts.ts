/**
 * A deterministic agent: from a seed it makes batches of facts with payload, and keeps what the files are after each of them. Used
 * where the real stores are tested without a filesystem to protect. The same seed and the same epochs give the same batches.
 */
import { createHash } from "node:crypto";
import { ENCODING, MACHINE_NODE, nodeIdOf } from "../../src/core/index.ts";
import type { Attributes, Batch, ByteString, Change, ChunkNumber, Epoch, Extent, NewChunk, NodeId, TimeUs } from "../../src/core/index.ts";
import type { SeededRandom } from "./random.ts";
import { seededRandom } from "./random.ts";

const ATTRIBUTES: Attributes = { mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 1, mtimeNanos: 2, btimeSeconds: 0, btimeNanos: 0, xattrs: [] };
const FILE_BYTES_MAX = 100_000;
const CHUNK_BYTES = 65_536;

/** Content of every file by name, below the one root. A file's bytes are never changed in place. */
export type FilesNow = ReadonlyMap<ByteString, Buffer>;

export class FactMaker {
  readonly path: ByteString;
  /** What is true after the newest batch. */
  readonly files = new Map<ByteString, Buffer>();
  private readonly nodes = new Map<ByteString, NodeId>();
  private readonly random: SeededRandom;
  private readonly hashKey: Buffer;
  private counter = 0;
  private batchCount = 0;
  private epoch = 0;
  private sequence = 0;
  private root: NodeId = MACHINE_NODE;

  constructor(seed: number, hashKey: Buffer, path = "/protected") {
    this.random = seededRandom(seed);
    this.hashKey = hashKey;
    this.path = path as ByteString;
  }

  /** The next batch, the first of a session where the epoch is a new one; `files` is what is true after it. */
  next(epoch: Epoch): Batch {
    const changes: Change[] = [];
    const chunks: NewChunk[] = [];
    if (this.batchCount === 0) changes.push(...this.protectRoot(epoch));
    const count = 1 + this.random.int(6);
    for (let i = 0; i < count || changes.length === 0; i++) this.step(epoch, changes, chunks);
    this.sequence = epoch === this.epoch ? this.sequence + 1 : 1;
    this.epoch = epoch;
    this.batchCount += 1;
    return { epoch, sequence: this.sequence, agentTimeUs: (this.batchCount * 1_000_000) as TimeUs, monotonicUs: this.batchCount, changes, chunks };
  }

  private protectRoot(epoch: Epoch): Change[] {
    this.root = nodeIdOf(epoch, this.counter++);
    const { path } = this;
    const options = { crossMounts: false, rules: [], fileBytesMax: 0 };
    return [
      { type: "RootProtected", root: this.root, path, filesystemUuid: "test", inode: 1, btimeSeconds: 0, btimeNanos: 0, options },
      {
        type: "NodeCreated",
        node: this.root,
        parent: MACHINE_NODE,
        name: path,
        kind: "directory",
        attributes: ATTRIBUTES,
        linkTarget: "" as ByteString,
        rdev: 0,
      },
    ];
  }

  private step(epoch: Epoch, changes: Change[], chunks: NewChunk[]): void {
    const names = [...this.files.keys()];
    const kind = names.length < 4 ? 0 : this.random.int(10);
    if (kind < 4) this.create(epoch, changes, chunks);
    else if (kind < 7) this.overwrite(this.random.pick(names), changes, chunks);
    else if (kind === 7) this.truncate(this.random.pick(names), changes);
    else if (kind === 8) this.rename(this.random.pick(names), this.random.chance(0.5) ? undefined : this.random.pick(names), changes);
    else this.remove(this.random.pick(names), changes);
  }

  private create(epoch: Epoch, changes: Change[], chunks: NewChunk[]): void {
    const name = `file-${this.counter}` as ByteString;
    const node = nodeIdOf(epoch, this.counter++);
    const content = this.content(this.random.int(FILE_BYTES_MAX));
    this.files.set(name, content);
    this.nodes.set(name, node);
    changes.push({ type: "NodeCreated", node, parent: this.root, name, kind: "file", attributes: ATTRIBUTES, linkTarget: "" as ByteString, rdev: 0 });
    this.write(node, content, 0, changes, chunks);
  }

  private overwrite(name: ByteString, changes: Change[], chunks: NewChunk[]): void {
    const before = this.files.get(name)!;
    const offset = Math.floor(this.random.int(before.length + 1) / 4096) * 4096;
    const content = this.content(this.random.int(30_000));
    const after = Buffer.alloc(Math.max(before.length, offset + content.length));
    before.copy(after);
    content.copy(after, offset);
    this.files.set(name, after);
    this.write(this.nodes.get(name)!, content, offset, changes, chunks);
  }

  private truncate(name: ByteString, changes: Change[]): void {
    const content = this.files.get(name)!.subarray(0, this.random.int(this.files.get(name)!.length + 1));
    this.files.set(name, content);
    changes.push({ type: "SizeSet", node: this.nodes.get(name)!, sizeBytes: content.length });
  }

  /** To a new name, or over another file. */
  private rename(name: ByteString, over: ByteString | undefined, changes: Change[]): void {
    if (over === name) return;
    const toName = over ?? (`renamed-${this.counter++}` as ByteString);
    const replaced = over === undefined ? MACHINE_NODE : this.nodes.get(over)!;
    const [node, content] = [this.nodes.get(name)!, this.files.get(name)!];
    this.forget(name);
    this.files.set(toName, content);
    this.nodes.set(toName, node);
    changes.push({ type: "NodeRenamed", node, fromParent: this.root, fromName: name, toParent: this.root, toName, replaced });
  }

  private remove(name: ByteString, changes: Change[]): void {
    changes.push({ type: "NodeUnlinked", node: this.nodes.get(name)!, parent: this.root, name: name });
    this.forget(name);
  }

  private forget(name: ByteString): void {
    this.files.delete(name);
    this.nodes.delete(name);
  }

  /** Some contents come again, so that dedup has work. */
  private content(lengthBytes: number): Buffer {
    return this.random.chance(0.2) ? Buffer.alloc(lengthBytes, 97 + this.random.int(4)) : this.random.bytes(lengthBytes);
  }

  private write(node: NodeId, content: Buffer, offset: number, changes: Change[], chunks: NewChunk[]): void {
    const extents: Extent[] = [];
    for (let at = 0; at < content.length; at += CHUNK_BYTES) {
      const plain = content.subarray(at, at + CHUNK_BYTES);
      const hash = createHash("sha256").update(this.hashKey).update(plain).digest();
      extents.push({ offset: offset + at, length: plain.length, chunk: chunks.length as ChunkNumber, chunkOffset: 0 });
      chunks.push({ hash, lengthBytes: plain.length, encoding: ENCODING.raw, stored: plain });
    }
    if (extents.length > 0) changes.push({ type: "ExtentsWritten", node, extents });
  }
}
