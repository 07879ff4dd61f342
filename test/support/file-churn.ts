/**
 * Random operations on a real directory, as users and programs do them: small and large files, sparse ones, renames over others, swaps,
 * hard links, whole trees moved in and out. The same seed gives the same operations; what fails because of an earlier one is no matter.
 */
import * as fs from "node:fs";
import { join } from "node:path";
import { byteStringOf, type ByteString, type Os } from "../../src/core/index.ts";
import type { SeededRandom } from "./random.ts";

const NAMES_MAX = 14; // Few names, so that they are used again and again.
const DEPTH_MAX = 6;
const { O_WRONLY, O_CREAT, O_TRUNC, O_APPEND, O_NONBLOCK } = fs.constants; // Non-blocking, as the name may be a FIFO's.
const WRITE = O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK;
const APPEND = O_WRONLY | O_APPEND | O_NONBLOCK;

export class Churn {
  private readonly root: string;
  private readonly outside: string;
  private readonly os: Os;
  private readonly random: SeededRandom;
  private directories: Buffer[] = [];
  private files: Buffer[] = [];
  private entries: Buffer[] = [];
  private outsideCount = 0;
  /**
   * Inodes that got a name in this run. No event tells of a write through a name that comes and goes between two looks: inotify names
   * the name, not the file. Such writes are left to reconcile, and left out here.
   */
  private readonly linked = new Set<number>();

  constructor(options: { readonly root: string; readonly outside: string; readonly os: Os; readonly random: SeededRandom }) {
    this.root = options.root;
    this.outside = options.outside;
    this.os = options.os;
    this.random = options.random;
  }

  run(operationCount: number): void {
    this.linked.clear();
    this.look();
    for (let i = 0; i < operationCount; i++) {
      if (i % 16 === 15) this.look();
      try {
        this.random.pick(this.operations)();
      } catch (error) {
        if (!(error instanceof Error) || !("code" in error)) throw error;
      }
    }
  }

  private readonly operations: readonly (() => void)[] = [
    () => this.create(),
    () => this.create(),
    () => this.create(),
    () => this.write(),
    () => this.write(),
    () => fs.writeFileSync(this.file(), this.bytes(this.size()), { flag: APPEND as unknown as "a" }),
    () => fs.truncateSync(this.file(), this.random.int(this.size() + 1)),
    () => this.sparse(),
    () => fs.renameSync(this.entry(), this.fresh()),
    () => fs.renameSync(this.entry(), this.fresh()),
    () => fs.renameSync(this.file(), this.file()),
    () => this.swap(),
    () => this.replaceFile(),
    () => this.link(),
    () => fs.unlinkSync(this.file()),
    () => fs.rmSync(this.entry(), { recursive: true, force: true }),
    () => fs.mkdirSync(this.fresh()),
    () => fs.mkdirSync(this.fresh()),
    () => this.nest(),
    () => fs.symlinkSync(this.bytes(5).toString("hex"), this.fresh()),
    () => fs.chmodSync(this.file(), this.random.int(0o1000) | 0o600),
    () => fs.lchownSync(this.settled(this.entry()), this.random.int(3), this.random.int(3)),
    () => this.os.setTimes(byteStringOf(this.settled(this.entry())), this.random.int(2_000_000_000), this.random.int(1_000_000_000)),
    () => this.xattr(),
    () => this.os.makeSpecial(byteStringOf(this.fresh()), "fifo", 0o644, 0),
    () => fs.renameSync(this.entry(), this.place()),
    () => this.moveIn(),
    () => this.directorySwap(),
  ];

  /** What is there now; operations draw from it. */
  private look(): void {
    this.directories = [Buffer.from(this.root)];
    this.files = [];
    this.entries = [];
    for (let i = 0; i < this.directories.length; i++) {
      const directory = this.directories[i] as Buffer;
      for (const entry of fs.readdirSync(directory, { withFileTypes: true, encoding: "buffer" })) {
        const path = Buffer.concat([directory, Buffer.from("/"), entry.name]);
        this.entries.push(path);
        if (entry.isDirectory()) this.directories.push(path);
        if (entry.isFile()) this.files.push(path);
      }
    }
  }

  private directory(): Buffer {
    const shallow = this.directories.filter((path) => path.toString("latin1").split("/").length < this.root.split("/").length + DEPTH_MAX);
    return this.random.pick(shallow);
  }

  private file(): Buffer {
    return this.settled(this.files.length === 0 ? Buffer.from(join(this.root, "missing")) : this.random.pick(this.files));
  }

  private settled(path: Buffer): Buffer {
    if (this.linked.has(fs.lstatSync(path).ino)) throw Object.assign(new Error("linked just now"), { code: "SKIP" });
    return path;
  }

  private link(): void {
    const [file, name] = [this.file(), this.fresh()];
    fs.linkSync(file, name);
    this.linked.add(fs.lstatSync(name).ino);
  }

  private entry(): Buffer {
    return this.entries.length === 0 ? Buffer.from(join(this.root, "missing")) : this.random.pick(this.entries);
  }

  /** A name that may or may not exist; some are not UTF-8. */
  private fresh(): Buffer {
    const number = this.random.int(NAMES_MAX);
    const name = number === 0 ? Buffer.from([0xff, 0x41, 0xc3]) : Buffer.from(`n${number}`);
    return Buffer.concat([this.directory(), Buffer.from("/"), name]);
  }

  private place(): string {
    return join(this.outside, `o${this.outsideCount++}`);
  }

  private size(): number {
    const kind = this.random.int(20);
    if (kind === 0) return this.random.int(3_000_000);
    if (kind < 4) return this.random.int(200_000);
    return this.random.int(kind < 10 ? 20_000 : 5000);
  }

  private bytes(byteCount: number): Buffer {
    if (this.random.chance(0.15)) return Buffer.alloc(byteCount);
    return this.random.chance(0.5) ? this.random.bytes(byteCount) : Buffer.alloc(byteCount, this.random.bytes(7));
  }

  private create(): void {
    const path = this.fresh();
    fs.writeFileSync(path, this.bytes(this.size()), { flag: WRITE as unknown as "w" });
  }

  private write(): void {
    const fd = fs.openSync(this.file(), "r+");
    const { size } = fs.fstatSync(fd);
    for (let left = this.random.int(5); left >= 0; left--) fs.writeSync(fd, this.bytes(this.random.int(9000)), 0, undefined, this.random.int(size + 1));
    fs.closeSync(fd);
  }

  private sparse(): void {
    const fd = fs.openSync(this.fresh(), WRITE);
    fs.ftruncateSync(fd, this.random.int(5_000_000));
    for (let left = this.random.int(3); left > 0; left--) fs.writeSync(fd, this.bytes(this.random.int(9000)), 0, undefined, this.random.int(5_000_000));
    fs.closeSync(fd);
  }

  /** As editors save: a new file over the old one. */
  private replaceFile(): void {
    const path = this.file();
    const temporary = Buffer.concat([path, Buffer.from(".tmp")]);
    fs.writeFileSync(temporary, this.bytes(this.size()));
    fs.renameSync(temporary, path);
  }

  private swap(): void {
    const [a, b] = [this.entry(), this.entry()];
    const temporary = Buffer.concat([Buffer.from(this.root), Buffer.from("/swap")]);
    fs.renameSync(a, temporary);
    fs.renameSync(b, a);
    fs.renameSync(temporary, b);
  }

  /** A child directory becomes the parent of its parent. */
  private directorySwap(): void {
    const child = this.random.pick(this.directories);
    const parent = child.subarray(0, child.lastIndexOf(0x2f));
    const temporary = Buffer.concat([Buffer.from(this.root), Buffer.from("/turn")]);
    fs.renameSync(child, temporary);
    fs.renameSync(parent, Buffer.concat([temporary, Buffer.from("/below")]));
    fs.renameSync(temporary, parent);
  }

  private nest(): void {
    const path = this.fresh();
    const deep = Buffer.concat([path, Buffer.from("/x/y")]);
    fs.mkdirSync(deep, { recursive: true });
    fs.writeFileSync(Buffer.concat([deep, Buffer.from("/f")]), this.bytes(100), { flag: WRITE as unknown as "w" });
  }

  private xattr(): void {
    const path = byteStringOf(this.settled(this.entry()));
    const count = this.random.int(3);
    const wanted = Array.from({ length: count }, (_, i) => ({ name: `user.a${i}` as ByteString, value: this.random.bytes(1 + this.random.int(60)) }));
    this.os.setXattrs(path, wanted);
  }

  private moveIn(): void {
    const names = fs.readdirSync(this.outside);
    if (names.length > 0) {
      const path = this.fresh();
      fs.renameSync(join(this.outside, this.random.pick(names)), path);
      this.noteLinks(path);
    }
    if (names.length > 40) fs.rmSync(join(this.outside, this.random.pick(names)), { recursive: true, force: true });
  }

  /** What comes back with other names of it inside gets a new name by that. */
  private noteLinks(path: Buffer): void {
    const stat = fs.lstatSync(path);
    if (!stat.isDirectory() && stat.nlink > 1) this.linked.add(stat.ino);
    if (!stat.isDirectory()) return;
    for (const name of fs.readdirSync(path, { encoding: "buffer" })) this.noteLinks(Buffer.concat([path, Buffer.from("/"), name]));
  }
}
