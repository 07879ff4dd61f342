#include "os/zstd.hh"

#include "os/library.hh"

namespace rainbow {

namespace {

// The stable part of zstd's interface (since 1.4.0), declared here as Node ships no header for it.
struct Library {
  void* (*create_compressor)();
  size_t (*free_compressor)(void*);
  size_t (*set_parameter)(void*, int, int);
  size_t (*compress)(void*, void*, size_t, const void*, size_t);
  void* (*create_decompressor)();
  size_t (*free_decompressor)(void*);
  size_t (*decompress)(void*, void*, size_t, const void*, size_t);
  unsigned (*is_error)(size_t);
  bool is_there;
};

// As zstd declares them: where the bytes lie, how many there are, how far it came.
struct StreamInput {
  const void* bytes;
  size_t size;
  size_t at;
};
struct StreamOutput {
  void* bytes;
  size_t size;
  size_t at;
};
struct StreamLibrary {
  void* (*create)();
  size_t (*free)(void*);
  size_t (*set_parameter)(void*, int, int);
  size_t (*decompress)(void*, StreamOutput*, StreamInput*);
  unsigned (*is_error)(size_t);
  bool is_there;
};

constexpr int COMPRESSION_LEVEL = 100;  // ZSTD_c_compressionLevel
constexpr int HISTORY_LOG_MAX = 100;    // ZSTD_d_windowLogMax
constexpr int HISTORY_LOG = 23;         // What every level up to 18 needs; the decoder asks for that much memory.

const Library& library() {
  static const Library found = [] {
    Library z{};
    z.is_there =
        find_in_node("ZSTD_createCCtx", &z.create_compressor) && find_in_node("ZSTD_freeCCtx", &z.free_compressor) &&
        find_in_node("ZSTD_CCtx_setParameter", &z.set_parameter) && find_in_node("ZSTD_compress2", &z.compress) &&
        find_in_node("ZSTD_createDCtx", &z.create_decompressor) &&
        find_in_node("ZSTD_freeDCtx", &z.free_decompressor) && find_in_node("ZSTD_decompressDCtx", &z.decompress) &&
        find_in_node("ZSTD_isError", &z.is_error);
    return z;
  }();
  return found;
}

const StreamLibrary& stream_library() {
  static const StreamLibrary found = [] {
    StreamLibrary z{};
    z.is_there = find_in_node("ZSTD_createDCtx", &z.create) && find_in_node("ZSTD_freeDCtx", &z.free) &&
                 find_in_node("ZSTD_DCtx_setParameter", &z.set_parameter) &&
                 find_in_node("ZSTD_decompressStream", &z.decompress) && find_in_node("ZSTD_isError", &z.is_error);
    return z;
  }();
  return found;
}

// One of each per thread; freed with it.
struct Contexts {
  void* compressor = nullptr;
  void* decompressor = nullptr;
  ~Contexts() {
    if (compressor != nullptr) library().free_compressor(compressor);
    if (decompressor != nullptr) library().free_decompressor(decompressor);
  }
};
thread_local Contexts contexts;

}  // namespace

bool zstd_is_there() { return library().is_there; }

int64_t zstd_compress(const uint8_t* from, size_t from_size, uint8_t* into, size_t into_size, int level) {
  const Library& z = library();
  if (!z.is_there) return -1;
  if (contexts.compressor == nullptr) contexts.compressor = z.create_compressor();
  if (contexts.compressor == nullptr) return -1;
  if (z.is_error(z.set_parameter(contexts.compressor, COMPRESSION_LEVEL, level))) return -1;
  const size_t size = z.compress(contexts.compressor, into, into_size, from, from_size);
  return z.is_error(size) ? 0 : static_cast<int64_t>(size);
}

int64_t zstd_decompress(const uint8_t* from, size_t from_size, uint8_t* into, size_t into_size) {
  const Library& z = library();
  if (!z.is_there) return -1;
  if (contexts.decompressor == nullptr) contexts.decompressor = z.create_decompressor();
  if (contexts.decompressor == nullptr) return -1;
  const size_t size = z.decompress(contexts.decompressor, into, into_size, from, from_size);
  return z.is_error(size) ? -1 : static_cast<int64_t>(size);
}

bool zstd_streams_are_there() { return stream_library().is_there; }

ZstdStream::ZstdStream() : context_(nullptr) {
  const StreamLibrary& z = stream_library();
  if (!z.is_there) return;
  context_ = z.create();
  if (context_ != nullptr) z.set_parameter(context_, HISTORY_LOG_MAX, HISTORY_LOG);
}

ZstdStream::~ZstdStream() {
  if (context_ != nullptr) stream_library().free(context_);
}

bool ZstdStream::decompress(const uint8_t* from, size_t from_size, size_t* taken, uint8_t* into, size_t into_size,
                            size_t* given) {
  *taken = *given = 0;
  if (context_ == nullptr) return false;
  StreamInput input = {from, from_size, 0};
  StreamOutput output = {into, into_size, 0};
  if (stream_library().is_error(stream_library().decompress(context_, &output, &input))) return false;
  *taken = input.at;
  *given = output.at;
  return true;
}

}  // namespace rainbow
