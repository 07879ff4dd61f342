/** The protected folders: what they are, whether they are still where they were, and what is counted below them. */
import { MACHINE_NODE, OsError } from "../core/index.ts";
import type { ByteString, NodeId, Os, RootOptions, TimeUs } from "../core/index.ts";
import { Exclusions } from "./exclusions.ts";
import { isSameNode, JsonRow, recordOf } from "./memory/index.ts";
import type { Directories, Memory, RowKey } from "./memory/index.ts";

interface KeptRoot {
  readonly node: NodeId;
  /** As Latin-1: raw bytes. */
  readonly path: ByteString;
  readonly filesystemUuid: string;
  readonly options: RootOptions;
  readonly isFirstScanDone: boolean;
  readonly lastReconcileUs: TimeUs | 0;
  /** Absent: false. */
  readonly areRulesNew?: boolean;
}

export interface Root {
  readonly node: NodeId;
  readonly path: ByteString;
  filesystemUuid: string;
  options: RootOptions;
  exclusions: Exclusions;
  isFirstScanDone: boolean;
  lastReconcileUs: TimeUs | undefined;
  isMissing: boolean;
  isScanning: boolean;
  /** The rules changed: a walk looks at every entry, also where nothing changed. Kept until one came to its end. */
  areRulesNew: boolean;
  nodeCount: number;
  bytes: number;
  /** The device last seen, for this process only. */
  device: number;
}

export type RootState = { readonly kind: "ok" } | { readonly kind: "missing" | "replaced"; readonly detail: string };

interface Count {
  readonly nodes: number;
  readonly bytes: number;
}

const ROOT = "r" as RowKey;
const COUNT = "s" as RowKey;
const FILESYSTEM = "f" as RowKey;

export class Roots {
  private readonly os: Os;
  private readonly memory: Memory;
  private readonly directories: Directories;
  private readonly exclusionsOf: (path: ByteString, options: RootOptions) => Exclusions;
  private readonly byNode = new Map<NodeId, Root>();
  private readonly filesystems = new Map<number, number>();

  constructor(os: Os, memory: Memory, directories: Directories, exclusionsOf: (path: ByteString, options: RootOptions) => Exclusions) {
    this.os = os;
    this.memory = memory;
    this.directories = directories;
    this.exclusionsOf = exclusionsOf;
    for (const key of memory.keys(ROOT)) {
      const kept = memory.get<JsonRow<KeptRoot>>(key, JsonRow.decode)?.value;
      if (kept === undefined) continue;
      const root = this.make(kept);
      const count = memory.get<JsonRow<Count>>(countKey(root.node), JsonRow.decode)?.value;
      root.nodeCount = count?.nodes ?? 0;
      root.bytes = count?.bytes ?? 0;
      this.byNode.set(root.node, root);
    }
  }

  list(): readonly Root[] {
    return [...this.byNode.values()];
  }

  get(node: NodeId): Root | undefined {
    return this.byNode.get(node);
  }

  at(path: ByteString): Root | undefined {
    return this.list().find((root) => root.path === path);
  }

  add(kept: KeptRoot): Root {
    const root = this.make(kept);
    this.byNode.set(root.node, root);
    this.keep(root);
    return root;
  }

  remove(node: NodeId): void {
    this.byNode.delete(node);
    this.memory.set(rootKey(node), undefined);
    this.memory.set(countKey(node), undefined);
  }

  setOptions(root: Root, options: RootOptions): void {
    root.options = options;
    root.areRulesNew = true;
    root.exclusions = this.exclusionsOf(root.path, options);
    this.keep(root);
  }

  /** Writes the root's row with the next batch. */
  keep(root: Root): void {
    const { node, path, filesystemUuid, options, isFirstScanDone, lastReconcileUs, areRulesNew } = root;
    this.memory.set(
      rootKey(node),
      new JsonRow<KeptRoot>({ node, path, filesystemUuid, options, isFirstScanDone, lastReconcileUs: lastReconcileUs ?? (0 as const), areRulesNew }),
    );
  }

  count(node: NodeId, nodes: number, bytes: number): void {
    const root = this.byNode.get(node);
    if (root === undefined || (nodes === 0 && bytes === 0)) return;
    root.nodeCount = Math.max(0, root.nodeCount + nodes);
    root.bytes = Math.max(0, root.bytes + bytes);
    this.memory.set(countKey(node), new JsonRow<Count>({ nodes: root.nodeCount, bytes: root.bytes }));
  }

  /** Whether the folder is the one that is protected: same inode and birth time, on a filesystem that is not known to be another. */
  check(root: Root): RootState {
    try {
      const stat = this.os.lstat(root.path);
      const kept = this.directories.entry(MACHINE_NODE, root.path)?.record;
      const isSame = kept === undefined || isSameNode(kept, recordOf(stat));
      if (isSame && stat.device === root.device) return { kind: "ok" };
      const uuid = this.os.filesystem(root.path).uuid;
      if (isRealUuid(uuid) && isRealUuid(root.filesystemUuid) && uuid !== root.filesystemUuid)
        return { kind: "replaced", detail: `another filesystem (${uuid}) is in its place` };
      if (!isSame) return { kind: "replaced", detail: stat.kind === "directory" ? "another directory is in its place" : `a ${stat.kind} is in its place` };
      root.device = stat.device;
      return { kind: "ok" };
    } catch (error) {
      if (error instanceof OsError) return { kind: "missing", detail: error.message };
      throw error;
    }
  }

  /** A small number for a filesystem, the same after a reboot where its UUID is known. */
  filesystemNumber(path: ByteString, device: number): number {
    const known = this.filesystems.get(device);
    if (known !== undefined) return known;
    const { uuid } = this.os.filesystem(path);
    const key = `${FILESYSTEM}${uuid === "" ? `device:${device}` : uuid}` as RowKey;
    let number = this.memory.get<JsonRow<number>>(key, JsonRow.decode)?.value;
    if (number === undefined) {
      number = this.memory.keys(FILESYSTEM).length + 1;
      this.memory.set(key, new JsonRow(number));
    }
    this.filesystems.set(device, number);
    return number;
  }

  /** The device of a filesystem that was seen in this process. */
  deviceOf(filesystem: number): number | undefined {
    for (const [device, number] of this.filesystems) if (number === filesystem) return device;
    return undefined;
  }

  private make(kept: KeptRoot): Root {
    return {
      node: kept.node,
      path: kept.path,
      filesystemUuid: kept.filesystemUuid,
      options: kept.options,
      exclusions: this.exclusionsOf(kept.path, kept.options),
      isFirstScanDone: kept.isFirstScanDone,
      lastReconcileUs: kept.lastReconcileUs === 0 ? undefined : kept.lastReconcileUs,
      isMissing: false,
      isScanning: false,
      areRulesNew: kept.areRulesNew === true,
      nodeCount: 0,
      bytes: 0,
      device: -1,
    };
  }
}

/** The kernel's "fsid:…" may change at a reboot and proves nothing. */
function isRealUuid(uuid: string): boolean {
  return uuid !== "" && !uuid.startsWith("fsid:");
}

function rootKey(node: NodeId): RowKey {
  return `${ROOT}${node}` as RowKey;
}

function countKey(node: NodeId): RowKey {
  return `${COUNT}${node}` as RowKey;
}
