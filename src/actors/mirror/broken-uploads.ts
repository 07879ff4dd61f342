/**
 * Uploads whose connection broke: the store keeps what it has, and the block sums of that are the basis of the next request, so that only
 * the rest comes. What cannot be gone on with is given up; the file is then fetched whole.
 */
import type { ByteString } from "../../core/index.ts";
import type { ObjectStore, Upload } from "../../objects/index.ts";
import type { RememberedSums } from "../../projections/index.ts";
import type { Entry } from "../../rsync/index.ts";
import { metadataOf } from "./facts.ts";

/** Enough to go on, if the file is still that one. */
export interface BrokenUpload {
  readonly entry: Pick<Entry, "path" | "kind" | "mode" | "sizeBytes" | "mtimeSeconds" | "mtimeNanos" | "linkTarget">;
  readonly token: string;
  /** Of whole blocks, from the beginning on: what was written behind them is given up, so that blocks go on lying side by side. */
  readonly sums: RememberedSums;
}

/** An upload that waits to go on. */
export interface Resumable {
  readonly broken: BrokenUpload;
  readonly upload: Upload;
  /** Of what the store still has. */
  readonly sums: RememberedSums;
}

/** Sums as they are written down. */
type Written = Omit<RememberedSums, "sums"> & { readonly sums: string };

const VERSION = 1;
const WEAK_BYTES = 4;
export const RESUMED_BYTES_MIN = 1 << 20; // Less is fetched again sooner than it is looked for.

export async function resumeUploads(store: ObjectStore, uploads: readonly BrokenUpload[]): Promise<Map<ByteString, Resumable>> {
  const resumed = new Map<ByteString, Resumable>();
  for (const broken of uploads) {
    const { entry, token } = broken;
    const upload = await store.resume(token, { key: entry.path, metadata: metadataOf(entry), sizeBytes: entry.sizeBytes }, lengthBytesOf(broken.sums));
    if (upload === undefined) continue;
    const sums = sumsOfFirst(broken.sums, upload.writtenBytes);
    if (sums === undefined) await upload.abort();
    else resumed.set(entry.path, { broken, upload, sums });
  }
  return resumed;
}

/** They wait on, as they did before. */
export async function letGo(resumables: Map<ByteString, Resumable>): Promise<BrokenUpload[]> {
  const broken: BrokenUpload[] = [];
  for (const resumable of resumables.values()) {
    await resumable.upload.suspend();
    broken.push(resumable.broken);
  }
  return broken;
}

export function lengthBytesOf({ blockBytes, blockCount, remainderBytes }: RememberedSums): number {
  return blockBytes * blockCount - (remainderBytes === 0 ? 0 : blockBytes - remainderBytes);
}

/** Sums of exactly the first `byteCount` bytes; undefined where blocks do not end there. */
export function sumsOfFirst(sums: RememberedSums, byteCount: number): RememberedSums | undefined {
  if (byteCount === 0 || sums.offsets !== undefined) return undefined;
  const blockCount = byteCount / sums.blockBytes;
  if (!Number.isInteger(blockCount) || blockCount > sums.blockCount) return undefined;
  const rowBytes = sums.sums.length / sums.blockCount;
  return { ...sums, blockCount, remainderBytes: 0, sums: sums.sums.subarray(0, blockCount * rowBytes) };
}

/** As text, for a process that comes later. */
export function encodeBrokenUploads(uploads: readonly BrokenUpload[]): string {
  return JSON.stringify({
    version: VERSION,
    uploads: uploads.map((upload) => ({ ...upload, sums: { ...upload.sums, sums: upload.sums.sums.toString("base64") } })),
  });
}

/** What was encoded; nothing where the text is another's, or cut: these files are then fetched whole. */
export function decodeBrokenUploads(text: string): BrokenUpload[] {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    return [];
  }
  if (typeof read !== "object" || read === null || !("version" in read) || read.version !== VERSION || !("uploads" in read)) return [];
  return Array.isArray(read.uploads) ? read.uploads.flatMap((each: unknown) => decodeOne(each) ?? []) : [];
}

function decodeOne(read: unknown): BrokenUpload | undefined {
  if (typeof read !== "object" || read === null || !("entry" in read && "token" in read && "sums" in read)) return undefined;
  const { entry, token, sums } = read as { readonly entry: BrokenUpload["entry"]; readonly token: string; readonly sums: Written };
  const bytes = Buffer.from(sums.sums, "base64");
  const counts = [sums.blockBytes, sums.blockCount, sums.strongBytes, entry.sizeBytes];
  const isSound = counts.every((count) => Number.isSafeInteger(count) && count > 0) && bytes.length === sums.blockCount * (WEAK_BYTES + sums.strongBytes);
  return isSound && token !== "" ? { entry: { ...entry, linkTarget: undefined }, token, sums: { ...sums, offsets: undefined, sums: bytes } } : undefined;
}
