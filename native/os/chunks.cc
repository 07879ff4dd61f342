#include "os/chunks.hh"

#include <cstring>

#include "core/probe.hh"
#include "os/sha256.hh"
#include "os/zstd.hh"

namespace rainbow {

namespace {

constexpr double kStoredMax = 1 - 0.03;  // A smaller gain is none: reading the bytes back costs nothing then.

}  // namespace

bool pack_chunk(const uint8_t* key, size_t key_size, const uint8_t* bytes, size_t size, int level, uint8_t* into,
                uint8_t* hash, PackedChunk* packed) {
  if (!keyed_sha256(key, key_size, bytes, size, hash)) return false;
  if (!looks_random(bytes, size)) {
    const int64_t stored = zstd_compress(bytes, size, into, size, level);
    if (stored < 0) return false;
    if (stored > 0 && static_cast<double>(stored) < static_cast<double>(size) * kStoredMax) {
      *packed = {static_cast<uint32_t>(stored), true};
      return true;
    }
  }
  memcpy(into, bytes, size);
  *packed = {static_cast<uint32_t>(size), false};
  return true;
}

}  // namespace rainbow
