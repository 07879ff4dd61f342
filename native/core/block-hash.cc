#include "core/block-hash.hh"

#include <algorithm>
#include <cstring>

namespace rainbow {

namespace {

// The five primes of the specification.
constexpr uint64_t kPrimes[5] = {0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63,
                                 0x27D4EB2F165667C5};
constexpr size_t kStripeBytes = 32;

uint64_t rotate(uint64_t value, int bits) { return (value << bits) | (value >> (64 - bits)); }

uint64_t word64(const uint8_t* at) {
  uint64_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

uint64_t word32(const uint8_t* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

uint64_t round_of(uint64_t lane, uint64_t word) { return rotate(lane + word * kPrimes[1], 31) * kPrimes[0]; }

uint64_t merge(uint64_t hash, uint64_t lane) { return (hash ^ round_of(0, lane)) * kPrimes[0] + kPrimes[3]; }

// All whole stripes of at least one; `*at` goes behind them.
uint64_t stripes(const uint8_t** at, const uint8_t* end, uint64_t seed) {
  uint64_t lanes[4] = {seed + kPrimes[0] + kPrimes[1], seed + kPrimes[1], seed, seed - kPrimes[0]};
  const uint8_t* from = *at;
  for (; end - from >= static_cast<ptrdiff_t>(kStripeBytes); from += kStripeBytes) {
    for (int i = 0; i < 4; ++i) lanes[i] = round_of(lanes[i], word64(from + 8 * i));
  }
  *at = from;
  uint64_t hash = rotate(lanes[0], 1) + rotate(lanes[1], 7) + rotate(lanes[2], 12) + rotate(lanes[3], 18);
  for (const uint64_t lane : lanes) hash = merge(hash, lane);
  return hash;
}

bool is_zero(const uint8_t* bytes, size_t size) {
  return bytes[0] == 0 && std::memcmp(bytes, bytes + 1, size - 1) == 0;
}

}  // namespace

uint64_t xxh64(const uint8_t* bytes, size_t size, uint64_t seed) {
  const uint8_t* at = bytes;
  const uint8_t* end = bytes + size;
  uint64_t hash = size >= kStripeBytes ? stripes(&at, end, seed) : seed + kPrimes[4];
  hash += size;
  for (; end - at >= 8; at += 8) hash = rotate(hash ^ round_of(0, word64(at)), 27) * kPrimes[0] + kPrimes[3];
  if (end - at >= 4) {
    hash = rotate(hash ^ (word32(at) * kPrimes[0]), 23) * kPrimes[1] + kPrimes[2];
    at += 4;
  }
  for (; at < end; ++at) hash = rotate(hash ^ (*at * kPrimes[4]), 11) * kPrimes[0];
  hash = (hash ^ (hash >> 33)) * kPrimes[1];
  hash = (hash ^ (hash >> 29)) * kPrimes[2];
  return hash ^ (hash >> 32);
}

void hash_blocks(const uint8_t* bytes, size_t size, uint64_t seed, uint8_t* out) {
  for (size_t at = 0; at < size; at += kHashBlockBytes, out += kBlockHashBytes) {
    const size_t length = std::min(kHashBlockBytes, size - at);
    uint64_t hash = 0;
    if (!is_zero(bytes + at, length)) {
      hash = xxh64(bytes + at, length, seed);
      if (hash == 0 || hash == ~uint64_t{0}) hash = 1;  // These two mean zeros and "not known".
    }
    std::memcpy(out, &hash, sizeof hash);
  }
}

}  // namespace rainbow
