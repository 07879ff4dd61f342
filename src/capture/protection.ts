/** Roots come and go: which folders may be protected, and what the host is told. */
import { displayOf, MACHINE_NODE, OsError, RainbowError } from "../core/index.ts";
import type { ByteString, RootOptions, Stat } from "../core/index.ts";
import type { Engine } from "./engine.ts";
import { recordOf, statOfRecord } from "./memory/index.ts";
import type { Root } from "./roots.ts";
import type { Site } from "./site.ts";

export class Protection {
  private readonly site: Site;
  private readonly engine: Engine;
  private readonly dataDirectory: ByteString;

  constructor(site: Site, engine: Engine, dataDirectory: ByteString) {
    this.site = site;
    this.engine = engine;
    this.dataDirectory = dataDirectory;
  }

  add(given: ByteString, options: RootOptions): Root {
    const path = normalPath(given);
    const { roots } = this.site;
    const stat = this.statOf(path);
    const known = roots.at(path);
    if (known !== undefined && roots.check(known).kind === "ok") {
      if (JSON.stringify(known.options) !== JSON.stringify(options)) this.change(known, options, stat);
      return known;
    }
    this.refuseOverlap(path, stat);
    return this.protect(path, options, stat, known);
  }

  release(given: ByteString): void {
    const path = normalPath(given);
    const { roots, batches, gaps } = this.site;
    const root = roots.at(path);
    if (root === undefined) throw new RainbowError("NOT_PROTECTED", `${displayOf(path)} is not a protected folder`, { path: displayOf(path) });
    this.engine.abandon(root.node);
    for (const gap of gaps.list()) if (gap.scope.kind === "root" && gap.scope.node === root.node) gaps.end(gap.gap);
    batches.add({ type: "RootReleased", root: root.node });
    this.engine.scanner.tree.release(MACHINE_NODE, path);
    this.site.leftOut.clear(root.node);
    roots.remove(root.node);
  }

  private protect(path: ByteString, options: RootOptions, stat: Stat, before: Root | undefined): Root {
    const { os, roots, batches, gaps, mint, clock } = this.site;
    const node = mint();
    const { uuid } = os.filesystem(path);
    const oldGaps = before === undefined ? [] : gaps.list().filter((gap) => gap.scope.kind === "root" && gap.scope.node === before.node);
    if (before !== undefined) {
      this.engine.abandon(before.node);
      roots.remove(before.node);
    }
    batches.add({ type: "RootProtected", root: node, path, filesystemUuid: uuid, ...identityOf(stat), options });
    const filesystem = roots.filesystemNumber(path, stat.device);
    this.engine.scanner.tree.create(MACHINE_NODE, path, { record: recordOf(stat), path, filesystem, node });
    const root = roots.add({ node, path, filesystemUuid: uuid, options, isFirstScanDone: false, lastReconcileUs: 0 });
    roots.check(root);
    const gap = gaps.begin("first-scan", { kind: "root", node }, clock.now(), `the first scan of ${displayOf(path)}`);
    void this.engine.reconcile(node, gap).then(() => this.engine.command(() => this.closeMemoryGap()));
    for (const old of oldGaps) void this.engine.reconcile(node, old.gap);
    return root;
  }

  /** A lost memory is made up for when every root was scanned anew. */
  private closeMemoryGap(): void {
    const { gaps, roots } = this.site;
    const gap = gaps.find("memory-lost");
    if (gap !== undefined && roots.list().every((root) => root.isFirstScanDone)) gaps.end(gap.gap);
  }

  private change(root: Root, options: RootOptions, stat: Stat): void {
    const { roots, batches } = this.site;
    roots.setOptions(root, options);
    batches.add({ type: "RootProtected", root: root.node, path: root.path, filesystemUuid: root.filesystemUuid, ...identityOf(stat), options });
    void this.engine.reconcile(root.node);
  }

  private statOf(path: ByteString): Stat {
    let stat: Stat;
    try {
      stat = this.site.os.lstat(path);
    } catch (error) {
      if (!(error instanceof OsError)) throw error;
      throw refused(path, error.code === "ENOENT" ? "does not exist" : `cannot be looked at (${error.code})`, error);
    }
    if (stat.kind === "symlink") throw refused(path, "is a symbolic link; name the folder that it leads to");
    if (stat.kind !== "directory") throw refused(path, `is a ${stat.kind}, not a folder`);
    return stat;
  }

  private refuseOverlap(path: ByteString, stat: Stat): void {
    if (isWithin(path, this.dataDirectory)) throw refused(path, "lies in Rainbow's own data directory");
    for (const root of this.site.roots.list()) {
      if (root.path === path) continue;
      if (isWithin(path, root.path)) throw refused(path, `lies in ${displayOf(root.path)}, which is protected already`);
      if (isWithin(root.path, path)) throw refused(path, `contains ${displayOf(root.path)}, which is protected already; remove that first`);
      const kept = this.site.directories.entry(MACHINE_NODE, root.path)?.record;
      if (!root.isMissing && kept !== undefined && root.device === stat.device && statOfRecord(kept).inode === stat.inode)
        throw refused(path, `is the same folder as ${displayOf(root.path)}, which is protected already`);
    }
  }
}

function identityOf({ inode, btimeSeconds, btimeNanos }: Stat): { readonly inode: number; readonly btimeSeconds: number; readonly btimeNanos: number } {
  return { inode, btimeSeconds, btimeNanos };
}

function refused(path: ByteString, why: string, cause?: unknown): RainbowError {
  return new RainbowError("ROOT_REFUSED", `${displayOf(path)} ${why}`, { path: displayOf(path) }, cause);
}

/** Absolute, without "." and "..", and without a slash at its end. */
function normalPath(path: ByteString): ByteString {
  if (!path.startsWith("/")) throw refused(path, "is no absolute path");
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  if (names.includes("..")) throw refused(path, "contains '..'");
  return `/${names.join("/")}` as ByteString;
}

function isWithin(path: ByteString, directory: ByteString): boolean {
  return path === directory || path.startsWith(directory === "/" ? "/" : `${directory}/`);
}
