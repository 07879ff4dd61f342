#include "core/dirents.hh"

#include <cstring>

namespace rainbow {

namespace {

// u64 inode, i64 offset, u16 record length, u8 type, then the name with its NUL, padded.
constexpr size_t kLengthAt = 16;
constexpr size_t kNameAt = 19;

}  // namespace

bool add_dirents(const uint8_t* bytes, size_t byte_count, Directory* directory) {
  for (size_t at = 0; at < byte_count;) {
    if (byte_count - at < kNameAt + 1) return false;
    uint16_t record_bytes;
    std::memcpy(&record_bytes, bytes + at + kLengthAt, sizeof record_bytes);
    if (record_bytes < kNameAt + 1 || record_bytes > byte_count - at) return false;
    uint64_t inode;
    std::memcpy(&inode, bytes + at, sizeof inode);
    const char* start = reinterpret_cast<const char*>(bytes) + at + kNameAt;
    const void* end = std::memchr(start, '\0', record_bytes - kNameAt);
    if (end == nullptr) return false;
    const std::string_view name(start, static_cast<const char*>(end) - start);
    if (name != "." && name != ".." && !directory->add(name, inode)) return false;
    at += record_bytes;
  }
  return true;
}

}  // namespace rainbow
