/** Looks at names in directories: what is there now, beside what the memory has. A look counts only if its directory was in its place before and after. */
import { MACHINE_NODE, OsError } from "../core/index.ts";
import type { ByteString, NodeId, Stat } from "../core/index.ts";
import { below, isSameNode, isSameRecord, recordOf } from "./memory/index.ts";
import type { Site } from "./site.ts";

export interface Look {
  readonly parent: NodeId;
  readonly name: ByteString;
  readonly path: ByteString;
  /** What is there, as a kept record; undefined: nothing. */
  readonly record: Buffer | undefined;
  /** The device, where it is not that of the root: a mount point. */
  readonly device: number | undefined;
  /** A write was seen. */
  readonly isWritten: boolean;
  /** Where it is in the directory's listing, when it came from one. */
  readonly listing?: { readonly buffer: Buffer; readonly index: number };
}

/** The directory is not where the memory has it, or cannot be searched. */
export type Elsewhere = { readonly kind: "elsewhere" } | { readonly kind: "unreadable"; readonly error: OsError };

/** Errors that say "there is nothing" or "it is somewhere else by now". */
export function isAbsence(error: OsError): boolean {
  return error.code === "ENOENT" || error.code === "ENOTDIR" || error.code === "ESTALE";
}

export class Looker {
  private readonly site: Site;

  constructor(site: Site) {
    this.site = site;
  }

  /** Whether the path of a directory leads to it. Roots are checked by Roots. */
  isInPlace(directory: NodeId, path: ByteString): boolean {
    return this.compare(directory, path, isSameNode);
  }

  /** Whether a directory's own stat is what the memory has. */
  isAsKept(directory: NodeId, path: ByteString): boolean {
    return this.compare(directory, path, isSameRecord);
  }

  private compare(directory: NodeId, path: ByteString, isSame: (kept: Buffer, record: Buffer) => boolean): boolean {
    const { nodes, directories, os } = this.site;
    const place = nodes.nameOf(directory);
    const kept = place === undefined ? undefined : directories.entry(place.parent, place.name)?.record;
    if (kept === undefined) return false;
    try {
      return isSame(kept, recordOf(os.lstat(path)));
    } catch (error) {
      if (error instanceof OsError) return false;
      throw error;
    }
  }

  /** The names' looks; names that cannot be looked at (too long a path) are left as they are. */
  names(directory: NodeId, names: ReadonlyMap<ByteString, boolean>, device: number): Look[] | Elsewhere {
    const location = this.site.nodes.location(directory);
    if (location === undefined || !this.isInPlace(directory, location.path)) return { kind: "elsewhere" };
    const looks: Look[] = [];
    for (const [name, isWritten] of names) {
      const path = below(location.path, name);
      const seen = this.stat(path);
      if (seen instanceof OsError) {
        if (seen.code === "EACCES") return { kind: "unreadable", error: seen };
        continue;
      }
      looks.push(lookOf(directory, name, path, seen, device, isWritten));
    }
    return this.isInPlace(directory, location.path) ? looks : { kind: "elsewhere" };
  }

  /** The root itself, as an entry of the machine. */
  root(path: ByteString, device: number): Look | undefined {
    const seen = this.stat(path);
    if (seen === undefined || seen instanceof OsError) return undefined;
    return lookOf(MACHINE_NODE, path, path, seen, device, false);
  }

  private stat(path: ByteString): Stat | undefined | OsError {
    try {
      return this.site.os.lstat(path);
    } catch (error) {
      if (!(error instanceof OsError)) throw error;
      return isAbsence(error) ? undefined : error;
    }
  }
}

function lookOf(parent: NodeId, name: ByteString, path: ByteString, stat: Stat | undefined, device: number, isWritten: boolean): Look {
  const isForeign = stat !== undefined && stat.device !== device;
  return { parent, name, path, record: stat === undefined ? undefined : recordOf(stat), device: isForeign ? stat.device : undefined, isWritten };
}
