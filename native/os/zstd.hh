// zstd with contexts that are kept: Node's own binding makes one for every call, which costs more than a small chunk's
// compression. The library is the one inside the running Node, found by name; where it does not show it (linked
// otherwise), there is none.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rainbow {

bool zstd_is_there();

// Compressed size; 0 where the result would not fit `into`; -1 on failure. One frame, with its content size.
int64_t zstd_compress(const uint8_t* from, size_t from_size, uint8_t* into, size_t into_size, int level);

// Size of the plain bytes; -1 where `from` is no whole frame or its content does not fit `into`.
int64_t zstd_decompress(const uint8_t* from, size_t from_size, uint8_t* into, size_t into_size);

// Whether streams can be decompressed.
bool zstd_streams_are_there();

// A stream that is decompressed as it comes: whatever was flushed is given at once.
class ZstdStream {
 public:
  ZstdStream();
  ~ZstdStream();
  ZstdStream(const ZstdStream&) = delete;
  ZstdStream& operator=(const ZstdStream&) = delete;

  // Takes of `from` what fits, and says how much that was and how much it gave; false where the bytes are no zstd, ask
  // for more than 8 MiB of history, or there is no memory.
  bool decompress(const uint8_t* from, size_t from_size, size_t* taken, uint8_t* into, size_t into_size, size_t* given);

 private:
  void* context_;
};

}  // namespace rainbow
