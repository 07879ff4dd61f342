// SHA-256 from the OpenSSL inside the running Node, found by name: it knows the processor's own instructions, and called from here
// it costs no object and no copy. Where Node does not show it, there is none.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rainbow {

constexpr size_t kSha256Bytes = 32;

bool sha256_is_there();

// SHA-256 of `key` and `bytes` behind it. False on failure.
bool keyed_sha256(const uint8_t* key, size_t key_size, const uint8_t* bytes, size_t size, uint8_t out[kSha256Bytes]);

}  // namespace rainbow
