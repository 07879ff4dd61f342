// XXH3 with 64 and 128 bits, streamed: the algorithm of the xxHash specification (doc/xxhash_spec.md, "XXH3").
// src/rsync/digests/xxh3.ts is the same in TypeScript; both are held to the same vectors.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rainbow {

constexpr size_t kXxh3SecretBytes = 192;
constexpr size_t kXxh3HeldBytes = 256;

// Plain bytes that may be moved and copied. `held` keeps 1 to 256 bytes that were not accumulated yet, and at its end,
// where it is not full, the stripe that was accumulated last: the last 64 bytes are always accumulated once more.
struct Xxh3State {
  uint64_t acc[8];
  uint64_t seed;
  uint64_t total_bytes;
  uint32_t held_bytes;
  uint32_t stripe_in_block;
  uint8_t secret[kXxh3SecretBytes];
  uint8_t held[kXxh3HeldBytes];
};

void xxh3_start(Xxh3State* state, uint64_t seed);
void xxh3_update(Xxh3State* state, const uint8_t* bytes, size_t size);
// The low word first, little-endian, as the protocol of rsync has it. The state is used up.
void xxh3_finish_64(Xxh3State* state, uint8_t into[8]);
void xxh3_finish_128(Xxh3State* state, uint8_t into[16]);

}  // namespace rainbow
