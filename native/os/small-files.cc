#include "os/small-files.hh"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/files.hh"

namespace rainbow {

namespace {

constexpr uint64_t kFileBytesMax = INT32_MAX;  // What a length can say.

bool is_same_version(int fd, const StatRecord& listed) {
  struct stat now;
  if (fstat(fd, &now) != 0) return false;
  return now.st_ino == listed.inode && static_cast<uint64_t>(now.st_size) == listed.size_bytes &&
         now.st_mtim.tv_sec == listed.mtime_seconds &&
         static_cast<uint32_t>(now.st_mtim.tv_nsec) == listed.mtime_nanos &&
         now.st_ctim.tv_sec == listed.ctime_seconds && static_cast<uint32_t>(now.st_ctim.tv_nsec) == listed.ctime_nanos;
}

// A name of a listing as the kernel takes it. False for one that could leave the directory.
bool terminated(std::string_view name, char (&out)[kNameBytesMax + 1]) {
  if (name.empty() || name.size() > kNameBytesMax || memchr(name.data(), '/', name.size()) != nullptr) return false;
  memcpy(out, name.data(), name.size());
  out[name.size()] = '\0';
  return strlen(out) == name.size();
}

bool read_as_listed(int directory_fd, std::string_view listed_name, const StatRecord& listed, uint8_t* into) {
  char name[kNameBytesMax + 1];
  if (!terminated(listed_name, name)) return false;
  const int fd = open_read(directory_fd, name);
  if (fd < 0) return false;
  const int64_t count = read_at(fd, into, listed.size_bytes, 0);
  const bool is_whole = count == static_cast<int64_t>(listed.size_bytes) && is_same_version(fd, listed);
  close(fd);
  return is_whole;
}

}  // namespace

uint64_t plan_small_files(const ListingView& listing, const SmallFileBatch& batch, uint64_t bytes_max) {
  uint64_t used = 0;
  for (size_t i = 0; i < batch.count; ++i) {
    StatRecord record;
    std::string_view name;
    batch.offsets[i] = static_cast<uint32_t>(used);
    batch.lengths[i] = kSmallFileChanged;
    if (!listing.entry(batch.indexes[i], &record, &name)) continue;
    if (record.kind != static_cast<uint8_t>(NodeKind::kFile)) continue;
    if (record.size_bytes > kFileBytesMax || record.size_bytes > bytes_max - used) {
      batch.lengths[i] = kSmallFileNoRoom;
      continue;
    }
    batch.lengths[i] = static_cast<int32_t>(record.size_bytes);
    used += record.size_bytes;
  }
  return used;
}

void read_small_files(int directory_fd, const ListingView& listing, const SmallFileBatch& batch, uint8_t* out) {
  for (size_t i = 0; i < batch.count; ++i) {
    if (batch.lengths[i] < 0) continue;
    StatRecord record;
    std::string_view name;
    // The listing is checked again: its buffer belongs to JavaScript, and the plan's room must hold.
    const bool is_planned =
        listing.entry(batch.indexes[i], &record, &name) && record.size_bytes == static_cast<uint64_t>(batch.lengths[i]);
    if (!is_planned || !read_as_listed(directory_fd, name, record, out + batch.offsets[i])) {
      batch.lengths[i] = kSmallFileChanged;
    }
  }
}

}  // namespace rainbow
