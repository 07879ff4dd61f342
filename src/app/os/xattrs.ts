/** Extended attributes as the addon packs them (native/core/xattr-pack.hh), and what to change to make them others. */
import type { ByteString, Xattr } from "../../core/index.ts";

export function decodeXattrs(packed: Buffer): Xattr[] {
  const xattrs: Xattr[] = [];
  for (let at = 0; at < packed.length;) {
    const nameFrom = at + 8;
    const valueFrom = nameFrom + packed.readUInt32LE(at);
    const end = valueFrom + packed.readUInt32LE(at + 4);
    xattrs.push({ name: packed.toString("latin1", nameFrom, valueFrom) as ByteString, value: packed.subarray(valueFrom, end) });
    at = end;
  }
  return xattrs;
}

/** What must go and what must be set, so that `current` becomes `wanted`; equal ones are left alone. */
export function differingXattrs(current: readonly Xattr[], wanted: readonly Xattr[]): { toRemove: ByteString[]; toSet: Xattr[] } {
  const values = new Map(current.map((xattr) => [xattr.name, xattr.value]));
  const wantedNames = new Set(wanted.map((xattr) => xattr.name));
  const isEqual = (xattr: Xattr): boolean => {
    const value = values.get(xattr.name);
    return value !== undefined && Buffer.compare(value, xattr.value) === 0;
  };
  return { toRemove: [...values.keys()].filter((name) => !wantedNames.has(name)), toSet: wanted.filter((xattr) => !isEqual(xattr)) };
}
