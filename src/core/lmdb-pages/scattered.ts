/**
 * Entries of every page of an LMDB file that looks like a leaf, whether or not a tree leads to it: what a damaged page above hides, and
 * copies that later commits have left behind. Nothing here is to be believed but what proves itself by its content.
 */
import { LONG_VALUE_BYTES, NODE_FLAG, NODE_HEADER_BYTES, PAGE_BYTES, PAGE_FLAG, PAGE_HEADER_BYTES, u64 } from "./layout.ts";
import type { PageSource, Place } from "./scan.ts";

/** `txnid`: the transaction that wrote the page. */
export type ScatteredVisitor = (key: Buffer, place: Place, txnid: number) => void;

const PIECE_PAGES = 256;

/** In the order of the file. Throws only what `source` throws. */
export function scatteredEntries(source: PageSource, visit: ScatteredVisitor): void {
  const { sizeBytes } = source;
  const piece = Buffer.alloc(PIECE_PAGES * PAGE_BYTES);
  for (let at = 0; at < sizeBytes; at += piece.length) {
    const length = source.read(piece, at);
    for (let offset = 0; offset + PAGE_BYTES <= length; offset += PAGE_BYTES) {
      const page = piece.subarray(offset, offset + PAGE_BYTES);
      const number = (at + offset) / PAGE_BYTES;
      if (u64(page, 0) === number && page.readUInt16LE(18) === PAGE_FLAG.leaf) visitLeaf(page, number, sizeBytes, visit);
    }
  }
}

function visitLeaf(page: Buffer, number: number, fileBytes: number, visit: ScatteredVisitor): void {
  const countBytes = Math.min(page.readUInt16LE(20), PAGE_BYTES - PAGE_HEADER_BYTES);
  for (let i = 0; i < Math.floor(countBytes / 2); i++) {
    const at = PAGE_HEADER_BYTES + page.readUInt16LE(PAGE_HEADER_BYTES + i * 2);
    if (at + NODE_HEADER_BYTES > PAGE_BYTES) continue;
    const [lengthBytes, flags, keyBytes] = [page.readUInt32LE(at), page.readUInt16LE(at + 4), page.readUInt16LE(at + 6)];
    const valueAt = at + NODE_HEADER_BYTES + keyBytes;
    const isApart = flags === NODE_FLAG.big;
    if ((flags !== 0 && !isApart) || valueAt + (isApart ? LONG_VALUE_BYTES : lengthBytes) > PAGE_BYTES) continue;
    const offsetBytes = isApart ? u64(page, valueAt) * PAGE_BYTES + PAGE_HEADER_BYTES : number * PAGE_BYTES + valueAt;
    if (offsetBytes >= 0 && offsetBytes + lengthBytes <= fileBytes)
      visit(Buffer.from(page.subarray(at + NODE_HEADER_BYTES, valueAt)), { offsetBytes, lengthBytes }, u64(page, 8));
  }
}
