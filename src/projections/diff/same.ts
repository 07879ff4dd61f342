/** Whether two nodes of two views are the same: content by its extents where that tells, else by its bytes. */
import { REGION_BYTES } from "../../core/index.ts";
import type { Extent } from "../../core/index.ts";
import type { MirroredContent, NodeRecord, View } from "../view.ts";

export interface Side {
  readonly view: View;
  readonly record: NodeRecord;
}

export function sameContent(a: Side, b: Side): boolean {
  if (a.record.linkTarget !== b.record.linkTarget || a.record.rdev !== b.record.rdev) return false;
  if (a.record.kind !== "file") return true;
  if (a.record.sizeBytes !== b.record.sizeBytes) return false;
  if (a.record.mirrored !== undefined || b.record.mirrored !== undefined) return sameMirrored(a.record.mirrored, b.record.mirrored);
  for (let offset = 0; offset < a.record.sizeBytes; offset += REGION_BYTES) {
    const end = Math.min(offset + REGION_BYTES, a.record.sizeBytes);
    const [left, right] = [a.view.extents(a.record.node, offset, end), b.view.extents(b.record.node, offset, end)];
    if (sameRuns(joined(left), joined(right))) continue;
    if (a.view.purged(a.record.node) !== undefined || b.view.purged(b.record.node) !== undefined) return false; // Nobody can tell.
    if (!a.view.read(a.record.node, offset, end - offset).equals(b.view.read(b.record.node, offset, end - offset))) return false;
  }
  return true;
}

/** By digests of the same kind, else by what the object store says of its objects. Where neither tells, they count as different. */
function sameMirrored(a: MirroredContent | undefined, b: MirroredContent | undefined): boolean {
  if (a?.digest !== undefined && a.digest.name === b?.digest?.name) return a.digest.bytes.equals(b.digest.bytes);
  return a?.place !== undefined && b?.place !== undefined && a.place.etag !== "" && a.place.etag === b.place.etag;
}

export function sameMetadata(a: NodeRecord, b: NodeRecord): boolean {
  const [x, y] = [a.attributes, b.attributes];
  if (x.mode !== y.mode || x.uid !== y.uid || x.gid !== y.gid || x.mtimeSeconds !== y.mtimeSeconds || x.mtimeNanos !== y.mtimeNanos) return false;
  if (x.xattrs.length !== y.xattrs.length) return false;
  return x.xattrs.every((xattr, i) => xattr.name === y.xattrs[i]!.name && Buffer.compare(xattr.value, y.xattrs[i]!.value) === 0);
}

/** Neighbours that go on in the same chunk become one: how a file was written in pieces does not matter. */
function joined(extents: readonly Extent[]): Extent[] {
  const runs: Extent[] = [];
  for (const extent of extents) {
    const last = runs.at(-1);
    const goesOn = last?.chunk === extent.chunk && last.offset + last.length === extent.offset && last.chunkOffset + last.length === extent.chunkOffset;
    if (goesOn) runs[runs.length - 1] = { ...last, length: last.length + extent.length };
    else runs.push(extent);
  }
  return runs;
}

function sameRuns(a: readonly Extent[], b: readonly Extent[]): boolean {
  if (a.length !== b.length) return false;
  return a.every((x, i) => {
    const y = b[i]!;
    return x.offset === y.offset && x.length === y.length && x.chunk === y.chunk && x.chunkOffset === y.chunkOffset;
  });
}
