// Payload as it is stored: hashed, and compressed where that pays.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rainbow {

struct PackedChunk {
  uint32_t stored_bytes;
  bool is_compressed;
};

// Keyed hash of `bytes` into `hash`, the stored form into `into`, which has room for `size` bytes. False on failure.
bool pack_chunk(const uint8_t* key, size_t key_size, const uint8_t* bytes, size_t size, int level, uint8_t* into,
                uint8_t* hash, PackedChunk* packed);

}  // namespace rainbow
