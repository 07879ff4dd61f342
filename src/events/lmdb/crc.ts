/** CRC-32 (the one of zlib) over many short pieces: a call into zlib costs more than 75 bytes do here. Tables by four bytes at a step. */
import { crc32 } from "node:zlib";

const NATIVE_BYTES_MIN = 256; // From here on zlib is faster.

const TABLES: readonly Uint32Array[] = makeTables();
const [T0, T1, T2, T3] = TABLES as [Uint32Array, Uint32Array, Uint32Array, Uint32Array];

/** The CRC of what `crc` covers and then `bytes`. Start with 0. */
export function crcOf(bytes: Uint8Array, crc = 0): number {
  if (bytes.length >= NATIVE_BYTES_MIN) return crc32(bytes, crc);
  let c = ~crc;
  let i = 0;
  for (const end = bytes.length - 3; i < end; i += 4) {
    c ^= bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    c = T3[c & 255]! ^ T2[(c >>> 8) & 255]! ^ T1[(c >>> 16) & 255]! ^ T0[c >>> 24]!;
  }
  for (; i < bytes.length; i++) c = T0[(c ^ bytes[i]!) & 255]! ^ (c >>> 8);
  return ~c >>> 0;
}

function makeTables(): Uint32Array[] {
  const tables = [new Uint32Array(256), new Uint32Array(256), new Uint32Array(256), new Uint32Array(256)];
  for (let i = 0; i < 256; i++) {
    let c = i;
    for (let bit = 0; bit < 8; bit++) c = (c & 1) === 0 ? c >>> 1 : (c >>> 1) ^ 0xedb88320;
    tables[0]![i] = c;
  }
  for (let t = 1; t < 4; t++) for (let i = 0; i < 256; i++) tables[t]![i] = (tables[t - 1]![i]! >>> 8) ^ tables[0]![tables[t - 1]![i]! & 255]!;
  return tables;
}
