/**
 * A file's bytes between view and disk: written run by run, or compared with what is there. A run is a stretch of neighbouring
 * extents, cut only between extents, so that each chunk is decoded once. What no extent covers is a hole, and stays one.
 */
import { RainbowError } from "../../core/index.ts";
import type { ByteString, NodeId, Os } from "../../core/index.ts";
import type { View } from "../../projections/index.ts";
import type { Pace } from "./pace.ts";

export const RUN_BYTES_MAX = 1 << 20; // One read and one write each; larger gains nothing and holds the event loop for longer.
const SPAN_BYTES = 64 << 20; // Extents are asked for by the span: at most 16,384 of them, where each is one block.
const ZEROS = Buffer.alloc(1 << 16);

export interface FileSource {
  readonly view: View;
  readonly node: NodeId;
  readonly sizeBytes: number;
  /** Room for a run, used again and again: new memory for each would keep the garbage collector busier than all the rest. */
  readonly scratch: Buffer;
}

/** Flat pairs start, end; ascending, not overlapping. */
export function* runsOf({ view, node, sizeBytes }: Omit<FileSource, "scratch">): Generator<readonly [fromBytes: number, toBytes: number], void, undefined> {
  let [from, to] = [0, 0];
  for (let span = 0; span < sizeBytes; span += SPAN_BYTES) {
    for (const extent of view.extents(node, span, Math.min(span + SPAN_BYTES, sizeBytes))) {
      const end = extent.offset + extent.length;
      if (extent.offset !== to || end - from > RUN_BYTES_MAX) {
        if (to > from) yield [from, to];
        from = extent.offset;
      }
      to = end;
    }
  }
  if (to > from) yield [from, to];
}

/** Writes all of it into an empty file; `onWritten` hears of each run. Every byte comes verified from the view, or it throws. */
export async function writeContent(os: Os, fd: number, source: FileSource, pace: Pace, onWritten: (byteCount: number) => void): Promise<void> {
  if (source.view.stream !== undefined) return await writeStream(os, fd, source.view.stream(source.node), pace, onWritten);
  let end = 0;
  for (const [from, to] of runsOf(source)) {
    os.write(fd, readWhole(source, from, to), from);
    end = to;
    onWritten(to - from);
    if (pace.isDue) await pace.rest();
  }
  if (end < source.sizeBytes) os.truncate(fd, source.sizeBytes);
}

async function writeStream(os: Os, fd: number, stream: AsyncIterable<Uint8Array>, pace: Pace, onWritten: (byteCount: number) => void): Promise<void> {
  let end = 0;
  for await (const bytes of stream) {
    os.write(fd, bytes, end);
    end += bytes.length;
    onWritten(bytes.length);
    if (pace.isDue) await pace.rest();
  }
}

/** Whether the file at `path` holds exactly these bytes. A hole and a run of zeros read alike, and are alike here. */
export async function hasSameContent(os: Os, path: ByteString, source: FileSource, pace: Pace): Promise<boolean> {
  const fd = os.openRead(path);
  try {
    if (source.view.stream !== undefined) return await hasSameStream(os, fd, source.view.stream(source.node), pace);
    const found = Buffer.allocUnsafe(Math.min(RUN_BYTES_MAX, source.sizeBytes));
    let end = 0;
    for (const [from, to] of runsOf(source)) {
      if (!hasZeros(os, fd, end, from, found)) return false;
      const stored = readWhole(source, from, to);
      const part = found.length >= stored.length ? found.subarray(0, stored.length) : Buffer.allocUnsafe(stored.length);
      if (os.read(fd, part, from) !== part.length || !part.equals(stored)) return false;
      end = to;
      if (pace.isDue) await pace.rest();
    }
    return hasZeros(os, fd, end, source.sizeBytes, found) && os.fstat(fd).sizeBytes === source.sizeBytes;
  } finally {
    os.close(fd);
  }
}

async function hasSameStream(os: Os, fd: number, stream: AsyncIterable<Uint8Array>, pace: Pace): Promise<boolean> {
  const found = Buffer.allocUnsafe(RUN_BYTES_MAX);
  let end = 0;
  for await (const bytes of stream) {
    for (let at = 0; at < bytes.length; at += found.length) {
      const stored = bytes.subarray(at, at + found.length);
      const part = found.subarray(0, stored.length);
      if (os.read(fd, part, end) !== part.length || !part.equals(stored)) return false;
      end += part.length;
    }
    if (pace.isDue) await pace.rest();
  }
  return os.fstat(fd).sizeBytes === end;
}

function readWhole(source: FileSource, from: number, to: number): Buffer {
  const bytes = source.view.read(source.node, from, to - from, source.scratch);
  if (bytes.length === to - from) return bytes;
  throw new RainbowError("DIG_CORRUPT", `node ${source.node}: ${to - from} bytes at ${from} are recorded, ${bytes.length} are stored`, { node: source.node });
}

function hasZeros(os: Os, fd: number, from: number, to: number, scratch: Buffer): boolean {
  if (from >= to) return true;
  const ranges = os.dataRanges(fd, from, to);
  for (let i = 0; i + 1 < ranges.length; i += 2) {
    for (let at = ranges[i]!; at < ranges[i + 1]!;) {
      const part = scratch.subarray(0, Math.min(ZEROS.length, scratch.length, ranges[i + 1]! - at));
      if (part.length === 0 || os.read(fd, part, at) !== part.length || !part.equals(ZEROS.subarray(0, part.length))) return false;
      at += part.length;
    }
  }
  return true;
}
