// Hashes of 4 KiB blocks, as the agent remembers them (src/capture/content/block-hash.ts). Pure.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rainbow {

constexpr size_t kHashBlockBytes = 4096;
constexpr size_t kBlockHashBytes = 8;

// XXH64, by its public specification.
uint64_t xxh64(const uint8_t* bytes, size_t size, uint64_t seed);

// Writes a hash for each block of `bytes`, the last of which may be shorter: 0 for zeros alone, never ~0.
void hash_blocks(const uint8_t* bytes, size_t size, uint64_t seed, uint8_t* out);

}  // namespace rainbow
