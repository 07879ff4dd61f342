// Calls on the content of files, for many pieces at once.
#include <errno.h>

#include "binding/arguments.hh"
#include "binding/calls.hh"
#include "core/block-hash.hh"
#include "os/chunks.hh"
#include "os/sha256.hh"
#include "os/zstd.hh"

namespace rainbow {

namespace {

constexpr size_t kPieceWords = 2;   // from, to
constexpr size_t kPackedWords = 2;  // stored bytes, whether they are compressed

// hashBlocks(bytes, seed: 8 bytes, into): status
Napi::Value hash_blocks_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Bytes bytes = arguments.bytes(0);
  const Bytes seed = arguments.bytes(1);
  const Bytes into = arguments.bytes(2);
  if (!arguments.are_valid()) return info.Env().Undefined();
  const size_t block_count = (bytes.size + kHashBlockBytes - 1) / kHashBlockBytes;
  uint64_t number;
  if (seed.size != sizeof number || into.size != block_count * kBlockHashBytes) return status_value(info, -EINVAL);
  memcpy(&number, seed.data, sizeof number);
  hash_blocks(bytes.data, bytes.size, number, into.data);
  return status_value(info, 0);
}

struct PackWork {
  Bytes bytes;
  const uint32_t* pieces;
  size_t piece_count;
  Bytes key;
  Bytes into;
  Bytes hashes;
  uint32_t* packed;
};

// Packs pieces until one might find no room. Returns how many, or -errno.
int64_t pack_pieces(const PackWork& work, int level) {
  size_t used = 0;
  for (size_t i = 0; i < work.piece_count; ++i) {
    const uint32_t from = work.pieces[kPieceWords * i];
    const uint32_t to = work.pieces[kPieceWords * i + 1];
    if (from >= to || to > work.bytes.size) return -EINVAL;
    if (to - from > work.into.size - used) return static_cast<int64_t>(i);
    PackedChunk chunk;
    const bool is_packed = pack_chunk(work.key.data, work.key.size, work.bytes.data + from, to - from, level,
                                      work.into.data + used, work.hashes.data + kSha256Bytes * i, &chunk);
    if (!is_packed) return -EIO;
    work.packed[kPackedWords * i] = chunk.stored_bytes;
    work.packed[kPackedWords * i + 1] = chunk.is_compressed ? 1 : 0;
    used += chunk.stored_bytes;
  }
  return static_cast<int64_t>(work.piece_count);
}

// packChunks(bytes, pieces: Uint32Array, key, level, into, hashes, packed: Uint32Array): pieces done or status
Napi::Value pack_chunks_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  PackWork work{};
  size_t piece_words, packed_words;
  work.bytes = arguments.bytes(0);
  work.pieces = arguments.words(1, napi_uint32_array, &piece_words);
  work.key = arguments.bytes(2);
  const uint32_t level = arguments.u32(3);
  work.into = arguments.bytes(4);
  work.hashes = arguments.bytes(5);
  work.packed = arguments.words(6, napi_uint32_array, &packed_words);
  if (!arguments.are_valid()) return info.Env().Undefined();
  work.piece_count = piece_words / kPieceWords;
  if (work.hashes.size < work.piece_count * kSha256Bytes || packed_words < work.piece_count * kPackedWords)
    return status_value(info, -EINVAL);
  return status_value(info, pack_pieces(work, static_cast<int>(level)));
}

}  // namespace

void export_content_calls(Napi::Env env, Napi::Object exports) {
  if (!zstd_is_there() || !sha256_is_there()) return;
  exports.Set("hashBlocks", Napi::Function::New<hash_blocks_call>(env, "hashBlocks"));
  exports.Set("packChunks", Napi::Function::New<pack_chunks_call>(env, "packChunks"));
}

}  // namespace rainbow
