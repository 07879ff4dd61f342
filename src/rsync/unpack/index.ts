/** Unpacks literal bytes: deflate, LZ4 and, where the machine has it, zstd. Each gives its bytes at once and in bounded pieces. */
export { HuffmanCode } from "./huffman.ts";
export { InflateUnpacker } from "./inflate.ts";
export { decodeLz4Block, Lz4Unpacker } from "./lz4.ts";
export { ZstdUnpacker } from "./zstd.ts";
export type { ZstdStream } from "./zstd.ts";
export type { Unpacker } from "./unpacker.ts";
