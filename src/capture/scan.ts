/**
 * Brings memory and host up to what a directory, or some names in one, look like now. Events and reconcile both end here; they differ
 * only in what they look at. Names that are gone are kept as absences until everything that could have taken their nodes was seen.
 */
import { listingCount, listingErrno, listingName, MACHINE_NODE, OsError } from "../core/index.ts";
import type { ByteString, NodeId } from "../core/index.ts";
import { Burst, keyOf, type Arrival } from "./burst.ts";
import { TAG_NAME, TAG_SIGNATURE } from "./exclusions.ts";
import { Files } from "./files.ts";
import { isAbsence, Looker, type Look } from "./look.ts";
import {
  below,
  denormalise,
  isSameAttributes,
  isSameContentStat,
  isSameNode,
  isSameRecord,
  kindOf,
  LEFT_OUT,
  linkCountOf,
  listedRecord,
  MARK,
  markOf,
  normalise,
  sizeOf,
} from "./memory/index.ts";
import type { Closed } from "./memory/index.ts";
import type { Root } from "./roots.ts";
import type { Site } from "./site.ts";
import { SmallContents } from "./small-contents.ts";
import { Tree } from "./tree.ts";

export type Origin = "event" | "walk";

interface Absence {
  readonly parent: NodeId;
  readonly name: ByteString;
  readonly node: NodeId;
  readonly notedUs: number;
}

interface Listed {
  readonly directory: NodeId;
  readonly root: Root;
  readonly path: ByteString;
  readonly origin: Origin;
  readonly hasNewRules: boolean;
}

const MISPLACED_TRIES_MAX = 64;
const ABSENCES_MAX = 100_000; // Beyond it names are unlinked at once; what was moved is then sent anew.

export class Scanner {
  private readonly site: Site;
  readonly tree: Tree;
  readonly files: Files;
  private readonly looker: Looker;
  private readonly smallRoom: Buffer;
  /** Directories made since, whose content is still to be listed. */
  readonly fresh: NodeId[] = [];
  private readonly absences: Record<Origin, Map<string, Absence>> = { event: new Map(), walk: new Map() };
  private readonly misplaced = new Map<NodeId, number>();
  /** What is still to be looked at in directories that are gone from their place, and may turn up elsewhere. */
  private readonly orphans = new Map<NodeId, (() => void)[]>();
  /** Directories that could not be listed, for flush. */
  readonly unreadable = new Map<NodeId, ByteString>();
  changedCount = 0;

  constructor(site: Site) {
    this.site = site;
    this.tree = new Tree(site);
    this.files = new Files(site, this.tree);
    this.looker = new Looker(site);
    this.smallRoom = Buffer.allocUnsafeSlow(site.limits.smallReadBytes);
  }

  absenceCount(origin: Origin): number {
    return this.absences[origin].size;
  }

  /** Looks at dirty names, of all directories together, so that what moved between them is seen as such. Parents come first. */
  async names(marked: ReadonlyMap<NodeId, ReadonlyMap<ByteString, boolean>>): Promise<void> {
    const { nodes, limits } = this.site;
    const depth = (node: NodeId): number => (node === MACHINE_NODE ? 0 : (nodes.location(node)?.path.length ?? 0));
    const order = [...marked.keys()].map((node) => ({ node, depth: depth(node) })).sort((a, b) => a.depth - b.depth);
    let looks: Look[] = [];
    for (const { node } of order) {
      const names = marked.get(node) ?? new Map<ByteString, boolean>();
      for (const look of node === MACHINE_NODE ? this.lookAtRoots(names) : this.lookAt(node, names)) looks.push(look);
      if (looks.length < limits.burstNames) continue;
      await this.settle(looks, "event");
      looks = [];
    }
    await this.settle(looks, "event");
  }

  private lookAt(directory: NodeId, names: ReadonlyMap<ByteString, boolean>): readonly Look[] {
    const { nodes, roots, dirt } = this.site;
    const location = nodes.location(directory);
    const root = location === undefined ? undefined : roots.get(location.root);
    if (location === undefined || root === undefined || root.isMissing) return [];
    const closed = nodes.closed(directory);
    if (closed === "other-filesystem") return [];
    const wanted = closed === "cachedir-tag" ? new Map([...names].filter(([name]) => name === TAG_NAME)) : names;
    const looks = this.looker.names(directory, wanted, this.deviceOf(directory, root));
    if (Array.isArray(looks)) {
      this.misplaced.delete(directory);
      if (wanted.has(TAG_NAME)) dirt.markWhole(directory);
      return looks;
    }
    if ("error" in looks) this.cannotList(directory, location.path, root, looks.error);
    else this.misplace(directory, () => names.forEach((isWritten, name) => dirt.mark(directory, name, isWritten)));
    return [];
  }

  private lookAtRoots(names: ReadonlyMap<ByteString, boolean>): readonly Look[] {
    const { roots, directories } = this.site;
    return [...names.keys()].flatMap((path) => {
      const root = roots.at(path);
      const look = root === undefined || root.isMissing ? undefined : this.looker.root(path, root.device);
      const kept = directories.entry(MACHINE_NODE, path)?.record;
      return look?.record !== undefined && kept !== undefined && isSameNode(kept, look.record) ? [look] : [];
    });
  }

  /** A write is told under one name of a file; its other names are as dirty, also where that one has another file by now. */
  addLinks(names: Map<NodeId, Map<ByteString, boolean>>): void {
    const { directories, nodes } = this.site;
    const found: { readonly parent: NodeId; readonly name: ByteString; readonly isWritten: boolean }[] = [];
    for (const [parent, marked] of names) {
      if (parent === MACHINE_NODE) continue;
      for (const [name, isWritten] of marked) {
        const entry = directories.entry(parent, name);
        if (entry === undefined || entry.node === LEFT_OUT || linkCountOf(entry.record) < 2 || kindOf(entry.record) === "directory") continue;
        for (const other of nodes.known(nodes.filesystemOf(parent), Buffer.from(entry.record))?.names ?? []) found.push({ ...other, isWritten });
      }
    }
    for (const { parent, name, isWritten } of found) {
      const marked = names.get(parent) ?? new Map<ByteString, boolean>();
      names.set(parent, marked);
      marked.set(name, isWritten || marked.get(name) === true);
    }
  }

  /** Lists a directory that is new where it is, and leaves those below it that are not watched for the next calls. */
  async nextFresh(): Promise<boolean> {
    const { watches } = this.site;
    const directory = this.fresh.pop();
    if (directory === undefined) return false;
    const isOwed = watches.isActive && !watches.isCovered(directory);
    await this.directory(directory, "event", (node) => {
      if (isOwed && !watches.isCovered(node)) this.fresh.push(node);
    });
    return true;
  }

  /** Lists a directory and settles what differs, or, with new rules, every entry; `onDirectory` is told of every sub-directory that is captured. */
  async directory(directory: NodeId, origin: Origin, onDirectory: (node: NodeId) => void, hasNewRules = false): Promise<void> {
    const { nodes, roots, watches, directories, os } = this.site;
    const location = nodes.location(directory);
    const root = location === undefined ? undefined : roots.get(location.root);
    if (location === undefined || root === undefined || root.isMissing || nodes.closed(directory) === "other-filesystem") return;
    const { path } = location;
    const isNewWatch = !watches.has(directory);
    let listing: Buffer;
    try {
      if (nodes.closed(directory) === "none") watches.add(directory, path);
      listing = os.listDirectory(path);
    } catch (error) {
      if (!(error instanceof OsError)) throw error;
      if (isAbsence(error) || error.code === "ELOOP") return this.misplace(directory, () => this.site.dirt.markWhole(directory));
      return this.cannotList(directory, path, root, error);
    }
    const foreign = normalise(listing, this.deviceOf(directory, root));
    if (
      !hasNewRules &&
      foreign.size === 0 &&
      nodes.closed(directory) === "none" &&
      directories.isUnchanged(directory, listing, (_, node) => onDirectory(node))
    ) {
      if (isNewWatch && !this.looker.isInPlace(directory, path)) return this.misplace(directory, () => this.site.dirt.markWhole(directory));
      return this.listed(directory, root, path, isNewWatch);
    }
    if (!this.looker.isInPlace(directory, path)) return this.misplace(directory, () => this.site.dirt.markWhole(directory));
    this.listed(directory, root, path, isNewWatch);
    await this.differences({ directory, root, path, origin, hasNewRules }, listing, foreign);
    for (const segment of directories.segments(directory))
      for (let i = 0; i < segment.count; i++) {
        const node = segment.nodes[i] as NodeId;
        if (node !== LEFT_OUT && kindOf(segment.record(i)) === "directory") onDirectory(node);
      }
  }

  /** Unlinks names that stayed absent. `beforeUs`: only those noted before that moment. */
  async settleAbsences(origin: Origin, beforeUs: number): Promise<void> {
    const { directories, nodes, dirt, roots } = this.site;
    for (const [key, absence] of this.absences[origin]) {
      if (absence.notedUs >= beforeUs) continue;
      this.absences[origin].delete(key);
      const { parent, name, node } = absence;
      if (directories.entry(parent, name)?.node !== node) continue;
      const location = nodes.location(parent);
      const root = location === undefined ? undefined : roots.get(location.root);
      if (location === undefined || root === undefined || root.isMissing) continue;
      const looks = this.looker.names(parent, new Map([[name, false]]), root.device);
      if (!Array.isArray(looks) || looks.length === 0 || looks[0]?.record !== undefined) {
        dirt.mark(parent, name);
        continue;
      }
      this.tree.unlink(parent, name);
      this.touch(parent);
      await this.site.breathe();
    }
    this.settleOrphans();
  }

  forgetAbsences(): void {
    this.absences.event.clear();
    this.absences.walk.clear();
  }

  /** Takes part of a listing that differs from the memory, as looks, burst by burst. */
  private async differences(at: Listed, listing: Buffer, foreign: Map<number, number>): Promise<void> {
    const { directory, root, path, origin, hasNewRules } = at;
    denormalise(listing);
    const isTagged = this.hasTag(path, listing);
    if (!isTagged && this.site.nodes.closed(directory) === "cachedir-tag") this.site.leftOut.remove(root.node, path);
    this.setClosed(directory, isTagged ? "cachedir-tag" : "none");
    const { present, absent } = this.compare(directory, listing, hasNewRules);
    const wanted = isTagged ? present.filter((index) => listingName(listing, index) === TAG_NAME) : present;
    if (isTagged) this.closeTagged(directory, root, path);
    const { burstNames } = this.site.limits;
    const lookAt = (index: number): Look => {
      const name = listingName(listing, index);
      return {
        parent: directory,
        name,
        path: below(path, name),
        record: listedRecord(listing, index),
        device: foreign.get(index),
        isWritten: false,
        listing: { buffer: listing, index },
      };
    };
    const gone = isTagged ? [] : absent;
    for (let from = 0; from < Math.max(wanted.length, gone.length); from += burstNames) {
      const looks: Look[] = wanted.slice(from, from + burstNames).map(lookAt);
      for (const name of gone.slice(from, from + burstNames))
        looks.push({ parent: directory, name, path: below(path, name), record: undefined, device: undefined, isWritten: false });
      await this.settle(looks, origin);
    }
  }

  /** The entries that differ (or all), by index of the listing, and the names that the listing lacks. */
  private compare(directory: NodeId, listing: Buffer, isAll: boolean): { readonly present: number[]; readonly absent: ByteString[] } {
    const present: number[] = [];
    const absent: ByteString[] = [];
    const count = listingCount(listing);
    let index = 0;
    for (const segment of this.site.directories.segments(directory)) {
      for (let i = 0; i < segment.count; i++) {
        const name = segment.names[i] as ByteString;
        let listed = index < count ? listingName(listing, index) : undefined;
        while (listed !== undefined && listed < name) {
          if (listingErrno(listing, index) === 0) present.push(index);
          index += 1;
          listed = index < count ? listingName(listing, index) : undefined;
        }
        if (listed !== name) {
          absent.push(name);
          continue;
        }
        if (listingErrno(listing, index) === 0 && (isAll || !isSameRecord(segment.record(i), listedRecord(listing, index)))) present.push(index);
        index += 1;
      }
    }
    for (; index < count; index++) if (listingErrno(listing, index) === 0) present.push(index);
    return { present, absent };
  }

  private async settle(looks: readonly Look[], origin: Origin): Promise<void> {
    const { batches, directories, clock } = this.site;
    if (looks.length === 0) return;
    if (batches.isFull) batches.cut();
    const captured = looks.filter((look) => !this.isLeftOut(look));
    const named = new Burst(this.site, this.tree, this.looker).settle(captured);
    const notedUs = clock.monotonicUs();
    const absences = this.absences[this.site.watches.isActive ? origin : "walk"]; // Without events only a walk finds where a node went.
    for (const look of named.absent) {
      const { parent, name } = look;
      const node = directories.entry(parent, name)?.node;
      if (node === undefined) continue;
      if (node === LEFT_OUT || absences.size >= ABSENCES_MAX) this.tree.unlink(parent, name);
      else absences.set(keyOf(look), { parent, name, node, notedUs });
    }
    for (const parent of named.touched) this.touch(parent);
    if (this.orphans.size > 0) this.settleOrphans();
    this.changedCount += named.same.length + named.created.length + named.absent.length;
    if (origin === "event") for (const arrival of named.same) this.watchMoved(arrival);
    const contents = new SmallContents(this.site, [...named.created, ...named.same], this.smallRoom);
    for (const arrival of named.created) await this.take(arrival, () => this.create(arrival, origin, contents));
    for (const arrival of named.same) await this.take(arrival, () => this.refresh(arrival, origin, contents));
  }

  /** A directory that was not listed yet moved to where the walk has been already. */
  private watchMoved({ parent, name, record }: Arrival): void {
    const { directories, watches } = this.site;
    const node = directories.entry(parent, name)?.node;
    if (node !== undefined && kindOf(record) === "directory" && watches.isActive && !watches.isCovered(node)) this.fresh.push(node);
  }

  private async take(arrival: Arrival, action: () => void): Promise<void> {
    const { batches, dirt, leftOut, nodes } = this.site;
    if (!nodes.isAlive(arrival.parent)) return; // Its directory was replaced by another name of the same burst.
    try {
      action();
    } catch (error) {
      if (!(error instanceof OsError)) throw error;
      const root = nodes.location(arrival.parent)?.root;
      if (isAbsence(error) || root === undefined) dirt.mark(arrival.parent, arrival.name, arrival.isWritten);
      else leftOut.add(root, { path: arrival.path, why: "unreadable", detail: error.message });
    }
    if (batches.isFull) batches.cut();
    await this.site.breathe();
  }

  private create(arrival: Arrival, origin: Origin, contents: SmallContents): void {
    const { nodes, directories, roots } = this.site;
    const { parent, name, record, path, device } = arrival;
    const root = this.rootOf(parent);
    if (root === undefined) return;
    const filesystem = nodes.filesystemOf(parent);
    const known = device === undefined && linkCountOf(record) > 1 ? nodes.known(filesystem, record) : undefined;
    if (known !== undefined && kindOf(record) !== "directory") {
      const first = known.names[0];
      const kept = first === undefined ? undefined : directories.entry(first.parent, first.name)?.record;
      if (kept !== undefined && !known.names.some((each) => each.parent === parent && each.name === name))
        this.tree.link(known.node, parent, name, Buffer.from(kept));
      return;
    }
    const kind = kindOf(record);
    if (kind === "file") return this.files.create({ name: { parent, name }, path, record, filesystem }, contents.of(arrival));
    const closed: Closed = device !== undefined && !root.options.crossMounts ? "other-filesystem" : "none";
    const own = device === undefined ? filesystem : roots.filesystemNumber(path, device);
    const node = this.tree.create(parent, name, { record, path, closed, filesystem: own });
    this.files.versions.keep(node, { parent, name }, this.files.versions.withTick({ parent, name }, record, this.site.clock.now()));
    if (kind === "directory" && closed === "none" && origin === "event") this.fresh.push(node);
  }

  private refresh(arrival: Arrival, origin: Origin, contents: SmallContents): void {
    const { directories, nodes } = this.site;
    const { parent, name, record, path } = arrival;
    const entry = directories.entry(parent, name);
    if (entry === undefined || entry.node === LEFT_OUT || !isSameNode(entry.record, record)) return;
    const before = Buffer.from(entry.record);
    if (kindOf(record) === "file" && this.mustRead(before, arrival, origin))
      return this.files.update(entry.node, { name: { parent, name }, path, record, filesystem: nodes.filesystemOf(parent) }, before, contents.of(arrival));
    const readUs = this.site.clock.now();
    this.tree.settleAttributes(entry.node, path, record, isSameAttributes(before, record));
    this.files.versions.keep(entry.node, { parent, name }, this.files.versions.withTick({ parent, name }, record, readUs));
  }

  /** A later change time alone (chmod, rename, a new link) is no reason to read, but only events tell that there was no write. */
  private mustRead(before: Buffer, { record, isWritten }: Arrival, origin: Origin): boolean {
    if (markOf(before) !== MARK.none || !isSameContentStat(before, record)) return true;
    return !isSameRecord(before, record) && (isWritten || origin === "walk" || !this.site.watches.isActive);
  }

  private isLeftOut({ parent, name, path, record, device }: Look): boolean {
    const root = this.rootOf(parent);
    if (root === undefined) return false;
    const { leftOut, directories } = this.site;
    if (record === undefined) {
      if (leftOut.list(root.node).total > 0) leftOut.removeBelow(root.node, path);
      return false;
    }
    const kind = kindOf(record);
    const isForeign = device !== undefined && !root.options.crossMounts;
    if (isForeign) leftOut.add(root.node, { path, why: "other-filesystem", detail: "a mount point" });
    const mount = isForeign && kind !== "directory" ? { path, why: "other-filesystem" as const, detail: "a mounted file" } : undefined;
    const verdict = mount ?? root.exclusions.verdict({ path, kind, sizeBytes: sizeOf(record) });
    if (verdict === undefined && !isForeign) leftOut.captured(root.node, path, kind);
    if (verdict === undefined) return false;
    leftOut.add(root.node, verdict);
    const entry = directories.entry(parent, name);
    if (entry === undefined || entry.node !== LEFT_OUT || !isSameRecord(entry.record, record)) this.tree.leaveOut(parent, name, record);
    if (entry !== undefined && entry.node !== LEFT_OUT) this.touch(parent);
    return true;
  }

  /** The root that a directory lies in; undefined for the machine, and where it left the tree. */
  private rootOf(directory: NodeId): Root | undefined {
    const location = this.site.nodes.location(directory);
    return location === undefined ? undefined : this.site.roots.get(location.root);
  }

  /** A directory's own times changed with its entries. */
  private touch(directory: NodeId): void {
    const place = this.site.nodes.nameOf(directory);
    if (place !== undefined) this.site.dirt.mark(place.parent, place.name);
  }

  /** The directory is not where the memory has it: its own name is looked at first, then it again; a few times. */
  private misplace(directory: NodeId, again: () => void): void {
    const { nodes, dirt, limits } = this.site;
    const tries = (this.misplaced.get(directory) ?? 0) + 1;
    this.misplaced.set(directory, tries);
    if (this.misplaced.size > limits.dirtyMax) this.misplaced.clear();
    const place = nodes.nameOf(directory);
    if (place === undefined) return void this.misplaced.delete(directory);
    if (this.isAbsent(directory)) return void this.orphans.set(directory, [...(this.orphans.get(directory) ?? []), again]);
    dirt.mark(place.parent, place.name);
    if (tries <= MISPLACED_TRIES_MAX) again();
    else this.misplaced.delete(directory);
  }

  /** Whether a directory, or one above it, is known to be gone from its place. */
  private isAbsent(directory: NodeId): boolean {
    const { nodes } = this.site;
    for (let place = nodes.nameOf(directory); place !== undefined; place = nodes.nameOf(place.parent))
      if (this.absences.event.has(keyOf(place)) || this.absences.walk.has(keyOf(place))) return true;
    return false;
  }

  /** Directories that turned up, or are gone for good: what was to be looked at in them is now, or is no matter. */
  private settleOrphans(): void {
    for (const [directory, actions] of this.orphans) {
      if (this.isAbsent(directory)) continue;
      this.orphans.delete(directory);
      if (this.site.nodes.isAlive(directory)) for (const again of actions) again();
    }
  }

  private listed(directory: NodeId, root: Root, path: ByteString, isNewWatch: boolean): void {
    this.misplaced.delete(directory);
    if (isNewWatch && !this.looker.isAsKept(directory, path)) this.touch(directory); // Entries may have come and gone unseen.
    if (this.unreadable.size > 0 && this.unreadable.delete(directory)) this.site.leftOut.remove(root.node, path);
    const gap = this.site.gaps.find("unreadable", directory);
    if (gap !== undefined) this.site.gaps.end(gap.gap);
  }

  private cannotList(directory: NodeId, path: ByteString, root: Root, error: OsError): void {
    const { leftOut, gaps, clock } = this.site;
    this.unreadable.set(directory, path);
    leftOut.add(root.node, { path, why: "unreadable", detail: error.message });
    if (gaps.find("unreadable", directory) === undefined) gaps.begin("unreadable", { kind: "subtree", node: directory }, clock.now(), error.message);
  }

  private deviceOf(directory: NodeId, root: Root): number {
    const { nodes, roots } = this.site;
    if (!root.options.crossMounts) return root.device;
    return roots.deviceOf(nodes.filesystemOf(directory)) ?? root.device;
  }

  private setClosed(directory: NodeId, closed: Closed): void {
    const { nodes } = this.site;
    const place = nodes.nameOf(directory);
    if (place !== undefined && nodes.closed(directory) !== closed)
      nodes.setPlace(directory, { parent: place.parent, name: place.name }, closed, nodes.filesystemOf(directory));
  }

  /** What was captured before the tag came leaves the tree; the tag stays. */
  private closeTagged(directory: NodeId, root: Root, path: ByteString): void {
    const { directories, leftOut } = this.site;
    leftOut.add(root.node, { path, why: "cachedir-tag", detail: "CACHEDIR.TAG" });
    const names: ByteString[] = [];
    for (const segment of directories.segments(directory)) names.push(...segment.names.filter((name) => name !== TAG_NAME));
    for (const name of names) this.tree.unlink(directory, name);
  }

  private hasTag(path: ByteString, listing: Buffer): boolean {
    const index = findName(listing, TAG_NAME);
    if (index === undefined) return false;
    const { os } = this.site;
    try {
      const fd = os.openRead(below(path, TAG_NAME));
      try {
        const head = Buffer.alloc(TAG_SIGNATURE.length);
        return os.read(fd, head, 0) === head.length && head.equals(TAG_SIGNATURE);
      } finally {
        os.close(fd);
      }
    } catch (error) {
      if (error instanceof OsError) return false;
      throw error;
    }
  }
}

function findName(listing: Buffer, name: ByteString): number | undefined {
  let low = 0;
  let high = listingCount(listing);
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (listingName(listing, middle) < name) low = middle + 1;
    else high = middle;
  }
  return low < listingCount(listing) && listingName(listing, low) === name ? low : undefined;
}
