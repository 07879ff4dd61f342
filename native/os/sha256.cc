#include "os/sha256.hh"

#include "os/library.hh"

namespace rainbow {

namespace {

// OpenSSL's SHA256_CTX has 112 bytes; its layout is of no matter here.
struct Context {
  alignas(16) uint8_t bytes[256];
};

struct Library {
  int (*init)(Context*);
  int (*update)(Context*, const void*, size_t);
  int (*final)(uint8_t*, Context*);
  bool is_there;
};

const Library& library() {
  static const Library found = [] {
    Library s{};
    s.is_there = find_in_node("SHA256_Init", &s.init) && find_in_node("SHA256_Update", &s.update) &&
                 find_in_node("SHA256_Final", &s.final);
    return s;
  }();
  return found;
}

}  // namespace

bool sha256_is_there() { return library().is_there; }

bool keyed_sha256(const uint8_t* key, size_t key_size, const uint8_t* bytes, size_t size, uint8_t out[kSha256Bytes]) {
  const Library& sha = library();
  Context context;
  return sha.is_there && sha.init(&context) == 1 && sha.update(&context, key, key_size) == 1 &&
         sha.update(&context, bytes, size) == 1 && sha.final(out, &context) == 1;
}

}  // namespace rainbow
