#include "core/inotify-events.hh"

#include <cstring>

namespace rainbow {

bool append_events(const uint8_t* bytes, size_t byte_count, std::vector<uint8_t>* records) {
  for (size_t at = 0; at < byte_count;) {
    if (byte_count - at < kWatchRecordBytes) return false;
    uint32_t fields[4];  // inotify(7), struct inotify_event: wd, mask, cookie, len; then len bytes of name and NULs.
    std::memcpy(fields, bytes + at, sizeof fields);
    at += sizeof fields;
    if (fields[3] > byte_count - at) return false;
    fields[3] = static_cast<uint32_t>(strnlen(reinterpret_cast<const char*>(bytes) + at, fields[3]));
    uint32_t padded;
    std::memcpy(&padded, bytes + at - sizeof padded, sizeof padded);
    const auto* head = reinterpret_cast<const uint8_t*>(fields);
    records->insert(records->end(), head, head + sizeof fields);
    records->insert(records->end(), bytes + at, bytes + at + fields[3]);
    at += padded;
  }
  return true;
}

}  // namespace rainbow
