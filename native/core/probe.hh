// Whether trying to compress pays. Pure.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rainbow {

// Whether sampled byte values are spread as evenly as in random bytes (src/capture/content/chunk.ts says how, and decides
// the same).
bool looks_random(const uint8_t* bytes, size_t size);

}  // namespace rainbow
