#include "core/xxh3.hh"

#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace rainbow {

namespace {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are read as they lie");

constexpr uint64_t kPrime32_1 = 0x9E3779B1;
constexpr uint64_t kPrime32_2 = 0x85EBCA77;
constexpr uint64_t kPrime32_3 = 0xC2B2AE3D;
constexpr uint64_t kPrime64_1 = 0x9E3779B185EBCA87;
constexpr uint64_t kPrime64_2 = 0xC2B2AE3D27D4EB4F;
constexpr uint64_t kPrime64_3 = 0x165667B19E3779F9;
constexpr uint64_t kPrime64_4 = 0x85EBCA77C2B2AE63;
constexpr uint64_t kPrime64_5 = 0x27D4EB2F165667C5;
constexpr uint64_t kPrimeMx1 = 0x165667919E3779F9;
constexpr uint64_t kPrimeMx2 = 0x9FB21C651E98DF25;

constexpr size_t kStripeBytes = 64;
constexpr uint32_t kStripesPerBlock = (kXxh3SecretBytes - kStripeBytes) / 8;
constexpr uint64_t kSmallBytesMax = 16;
constexpr uint64_t kMediumBytesMax = 240;

constexpr uint8_t kSecret[kXxh3SecretBytes] = {
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c, 0xde, 0xd4,
    0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f, 0xcb, 0x79, 0xe6, 0x4e,
    0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21, 0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43,
    0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c, 0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb,
    0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3, 0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19,
    0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8, 0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7,
    0xc7, 0x0b, 0x4f, 0x1d, 0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78,
    0x73, 0x64, 0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
    0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e, 0x2b, 0x16,
    0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce, 0x45, 0xcb, 0x3a, 0x8f,
    0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e};

struct Value {
  uint64_t low;
  uint64_t high;
};

template <typename Word>
Word load(const uint8_t* from) {
  Word word;
  memcpy(&word, from, sizeof word);
  return word;
}
uint64_t word(const uint8_t* from) { return load<uint64_t>(from); }
uint64_t half(const uint8_t* from) { return load<uint32_t>(from); }
uint64_t rotated(uint64_t x, int count) { return x << count | x >> (64 - count); }

Value product(uint64_t a, uint64_t b) {
  const unsigned __int128 wide = static_cast<unsigned __int128>(a) * b;
  return {static_cast<uint64_t>(wide), static_cast<uint64_t>(wide >> 64)};
}
uint64_t folded(uint64_t a, uint64_t b) {
  const Value wide = product(a, b);
  return wide.low ^ wide.high;
}

uint64_t avalanche(uint64_t x) {
  x = (x ^ x >> 37) * kPrimeMx1;
  return x ^ x >> 32;
}
uint64_t avalanche_64(uint64_t x) {
  x = (x ^ x >> 33) * kPrime64_2;
  x = (x ^ x >> 29) * kPrime64_3;
  return x ^ x >> 32;
}

// ---- up to 16 bytes ----

uint64_t combined_1_to_3(const uint8_t* in, size_t size) {
  return in[size - 1] | size << 8 | static_cast<uint64_t>(in[0]) << 16 | static_cast<uint64_t>(in[size >> 1]) << 24;
}
uint64_t modified_seed(uint64_t seed) {
  return seed ^ static_cast<uint64_t>(__builtin_bswap32(static_cast<uint32_t>(seed))) << 32;
}

uint64_t small_64(const uint8_t* in, size_t size, uint64_t seed) {
  if (size == 0) return avalanche_64(seed ^ word(kSecret + 56) ^ word(kSecret + 64));
  if (size <= 3) return avalanche_64(((half(kSecret) ^ half(kSecret + 4)) + seed) ^ combined_1_to_3(in, size));
  if (size <= 8) {
    const uint64_t combined = half(in + size - 4) | half(in) << 32;
    uint64_t value = ((word(kSecret + 8) ^ word(kSecret + 16)) - modified_seed(seed)) ^ combined;
    value = (value ^ rotated(value, 49) ^ rotated(value, 24)) * kPrimeMx2;
    value = (value ^ ((value >> 35) + size)) * kPrimeMx2;
    return value ^ value >> 28;
  }
  const uint64_t low = ((word(kSecret + 24) ^ word(kSecret + 32)) + seed) ^ word(in);
  const uint64_t high = ((word(kSecret + 40) ^ word(kSecret + 48)) - seed) ^ word(in + size - 8);
  return avalanche(size + __builtin_bswap64(low) + high + folded(low, high));
}

Value small_128_1_to_3(const uint8_t* in, size_t size, uint64_t seed) {
  const uint64_t combined = combined_1_to_3(in, size);
  const uint32_t swapped = __builtin_bswap32(static_cast<uint32_t>(combined));
  const uint32_t turned = swapped << 13 | swapped >> 19;
  return {avalanche_64(((half(kSecret) ^ half(kSecret + 4)) + seed) ^ combined),
          avalanche_64(((half(kSecret + 8) ^ half(kSecret + 12)) - seed) ^ turned)};
}

Value small_128_4_to_8(const uint8_t* in, size_t size, uint64_t seed) {
  const uint64_t combined = half(in) | half(in + size - 4) << 32;
  const uint64_t value = ((word(kSecret + 16) ^ word(kSecret + 24)) + modified_seed(seed)) ^ combined;
  Value wide = product(value, kPrime64_1 + (size << 2));
  wide.high += wide.low << 1;
  wide.low ^= wide.high >> 3;
  wide.low = (wide.low ^ wide.low >> 35) * kPrimeMx2;
  return {wide.low ^ wide.low >> 28, avalanche(wide.high)};
}

Value small_128_9_to_16(const uint8_t* in, size_t size, uint64_t seed) {
  const uint64_t last = word(in + size - 8);
  const uint64_t one = ((word(kSecret + 32) ^ word(kSecret + 40)) - seed) ^ word(in) ^ last;
  const uint64_t two = ((word(kSecret + 48) ^ word(kSecret + 56)) + seed) ^ last;
  Value wide = product(one, kPrime64_1);
  wide.low += static_cast<uint64_t>(size - 1) << 54;
  wide.high += (two >> 32 << 32) + (two & 0xFFFFFFFF) * kPrime32_2;
  wide.low ^= __builtin_bswap64(wide.high);
  const Value second = product(wide.low, kPrime64_2);
  return {avalanche(second.low), avalanche(second.high + wide.high * kPrime64_2)};
}

Value small_128(const uint8_t* in, size_t size, uint64_t seed) {
  if (size == 0)
    return {avalanche_64(seed ^ word(kSecret + 64) ^ word(kSecret + 72)),
            avalanche_64(seed ^ word(kSecret + 80) ^ word(kSecret + 88))};
  if (size <= 3) return small_128_1_to_3(in, size, seed);
  return size <= 8 ? small_128_4_to_8(in, size, seed) : small_128_9_to_16(in, size, seed);
}

// ---- 17 to 240 bytes ----

uint64_t mix_step(const uint8_t* in, size_t secret_at, uint64_t seed) {
  return folded(word(in) ^ (word(kSecret + secret_at) + seed), word(in + 8) ^ (word(kSecret + secret_at + 8) - seed));
}

uint64_t medium_64(const uint8_t* in, size_t size, uint64_t seed) {
  uint64_t acc = size * kPrime64_1;
  if (size <= 128) {
    for (size_t i = ((size - 1) >> 5) + 1; i-- > 0;)
      acc += mix_step(in + i * 16, i * 32, seed) + mix_step(in + size - i * 16 - 16, i * 32 + 16, seed);
    return avalanche(acc);
  }
  for (size_t i = 0; i < 8; i++) acc += mix_step(in + i * 16, i * 16, seed);
  acc = avalanche(acc);
  for (size_t i = 8; i < size >> 4; i++) acc += mix_step(in + i * 16, (i - 8) * 16 + 3, seed);
  return avalanche(acc + mix_step(in + size - 16, 119, seed));
}

void mix_two(Value* acc, const uint8_t* first, const uint8_t* second, size_t secret_at, uint64_t seed) {
  acc->low = (acc->low + mix_step(first, secret_at, seed)) ^ (word(second) + word(second + 8));
  acc->high = (acc->high + mix_step(second, secret_at + 16, seed)) ^ (word(first) + word(first + 8));
}

Value medium_128(const uint8_t* in, size_t size, uint64_t seed) {
  Value acc = {size * kPrime64_1, 0};
  if (size <= 128) {
    for (size_t i = ((size - 1) >> 5) + 1; i-- > 0;) mix_two(&acc, in + i * 16, in + size - i * 16 - 16, i * 32, seed);
  } else {
    for (size_t i = 0; i < 4; i++) mix_two(&acc, in + i * 32, in + i * 32 + 16, i * 32, seed);
    acc = {avalanche(acc.low), avalanche(acc.high)};
    for (size_t i = 4; i < size >> 5; i++) mix_two(&acc, in + i * 32, in + i * 32 + 16, (i - 4) * 32 + 3, seed);
    mix_two(&acc, in + size - 16, in + size - 32, 103, 0 - seed);
  }
  const uint64_t high = acc.low * kPrime64_1 + acc.high * kPrime64_4 + (size - seed) * kPrime64_2;
  return {avalanche(acc.low + acc.high), 0 - avalanche(high)};
}

// ---- more than 240 bytes ----

#if defined(__SSE2__)
// Two lanes at a time; every x86-64 has these instructions.
void accumulate(uint64_t acc[8], const uint8_t* in, const uint8_t* secret) {
  for (size_t i = 0; i < 4; i++) {
    const __m128i data = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in) + i);
    const __m128i key = _mm_xor_si128(data, _mm_loadu_si128(reinterpret_cast<const __m128i*>(secret) + i));
    const __m128i product = _mm_mul_epu32(key, _mm_shuffle_epi32(key, _MM_SHUFFLE(0, 3, 0, 1)));
    const __m128i crossed = _mm_shuffle_epi32(data, _MM_SHUFFLE(1, 0, 3, 2));
    auto* sum = reinterpret_cast<__m128i*>(acc) + i;
    _mm_storeu_si128(sum, _mm_add_epi64(_mm_add_epi64(_mm_loadu_si128(sum), crossed), product));
  }
}
#else
void accumulate(uint64_t acc[8], const uint8_t* in, const uint8_t* secret) {
  for (size_t i = 0; i < 8; i++) {
    const uint64_t data = word(in + i * 8);
    const uint64_t key = data ^ word(secret + i * 8);
    acc[i ^ 1] += data;
    acc[i] += (key & 0xFFFFFFFF) * (key >> 32);
  }
}
#endif

void scramble(uint64_t acc[8], const uint8_t* secret) {
  for (size_t i = 0; i < 8; i++) {
    acc[i] ^= acc[i] >> 47;
    acc[i] ^= word(secret + i * 8);
    acc[i] *= kPrime32_1;
  }
}

// `size` is a multiple of a stripe.
void take_stripes(Xxh3State* state, const uint8_t* in, size_t size) {
  for (size_t at = 0; at < size; at += kStripeBytes) {
    accumulate(state->acc, in + at, state->secret + state->stripe_in_block * 8);
    if (++state->stripe_in_block < kStripesPerBlock) continue;
    state->stripe_in_block = 0;
    scramble(state->acc, state->secret + kXxh3SecretBytes - kStripeBytes);
  }
}

uint64_t merged(const uint64_t acc[8], const uint8_t* secret, uint64_t start) {
  for (size_t i = 0; i < 4; i++)
    start += folded(acc[i * 2] ^ word(secret + i * 16), acc[i * 2 + 1] ^ word(secret + i * 16 + 8));
  return avalanche(start);
}

void take_last(Xxh3State* state) {
  const size_t held_bytes = state->held_bytes;
  take_stripes(state, state->held, (held_bytes - 1) / kStripeBytes * kStripeBytes);
  uint8_t last[kStripeBytes];
  const size_t own_bytes = held_bytes < kStripeBytes ? held_bytes : kStripeBytes;
  memcpy(last, state->held + kXxh3HeldBytes - (kStripeBytes - own_bytes), kStripeBytes - own_bytes);
  memcpy(last + kStripeBytes - own_bytes, state->held + held_bytes - own_bytes, own_bytes);
  accumulate(state->acc, last, state->secret + kXxh3SecretBytes - 71);
}

}  // namespace

void xxh3_start(Xxh3State* state, uint64_t seed) {
  *state = {};
  const uint64_t start[8] = {kPrime32_3, kPrime64_1, kPrime64_2, kPrime64_3,
                             kPrime64_4, kPrime32_2, kPrime64_5, kPrime32_1};
  memcpy(state->acc, start, sizeof start);
  state->seed = seed;
  for (size_t at = 0; at < kXxh3SecretBytes; at += 8) {
    const uint64_t derived = word(kSecret + at) + (at % 16 == 0 ? seed : 0 - seed);
    memcpy(state->secret + at, &derived, sizeof derived);
  }
}

void xxh3_update(Xxh3State* state, const uint8_t* bytes, size_t size) {
  if (size == 0) return;
  state->total_bytes += size;
  if (state->held_bytes + size <= kXxh3HeldBytes) {
    memcpy(state->held + state->held_bytes, bytes, size);
    state->held_bytes += static_cast<uint32_t>(size);
    return;
  }
  const size_t filling = kXxh3HeldBytes - state->held_bytes;
  memcpy(state->held + state->held_bytes, bytes, filling);
  take_stripes(state, state->held, kXxh3HeldBytes);
  bytes += filling;
  size -= filling;
  const size_t whole = (size - 1) / kStripeBytes * kStripeBytes;
  take_stripes(state, bytes, whole);
  if (whole > 0) memcpy(state->held + kXxh3HeldBytes - kStripeBytes, bytes + whole - kStripeBytes, kStripeBytes);
  state->held_bytes = static_cast<uint32_t>(size - whole);
  memcpy(state->held, bytes + whole, state->held_bytes);
}

void xxh3_finish_64(Xxh3State* state, uint8_t into[8]) {
  uint64_t value;
  if (state->total_bytes <= kSmallBytesMax) {
    value = small_64(state->held, state->total_bytes, state->seed);
  } else if (state->total_bytes <= kMediumBytesMax) {
    value = medium_64(state->held, state->total_bytes, state->seed);
  } else {
    take_last(state);
    value = merged(state->acc, state->secret + 11, state->total_bytes * kPrime64_1);
  }
  memcpy(into, &value, sizeof value);
}

void xxh3_finish_128(Xxh3State* state, uint8_t into[16]) {
  Value value;
  if (state->total_bytes <= kSmallBytesMax) {
    value = small_128(state->held, state->total_bytes, state->seed);
  } else if (state->total_bytes <= kMediumBytesMax) {
    value = medium_128(state->held, state->total_bytes, state->seed);
  } else {
    take_last(state);
    value = {merged(state->acc, state->secret + 11, state->total_bytes * kPrime64_1),
             merged(state->acc, state->secret + kXxh3SecretBytes - 75, ~(state->total_bytes * kPrime64_2))};
  }
  memcpy(into, &value.low, 8);
  memcpy(into + 8, &value.high, 8);
}

}  // namespace rainbow
