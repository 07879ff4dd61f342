// Opening, reading and writing of regular files, and the lock on one.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/listing.hh"

namespace rainbow {

// All descriptors are O_CLOEXEC. A symlink is never followed (-ELOOP), a FIFO never waited for.

// A regular file for reading, its access time left alone where that is allowed; -EISDIR or -EINVAL for other kinds.
int open_read(int directory, const char* path);
// For writing, made with mode 0600 where it is missing.
int open_write(int directory, const char* path, bool exclusive, bool truncate);

// Reads until `byte_count` bytes are there or the file ends; returns the bytes read.
int64_t read_at(int fd, uint8_t* into, size_t byte_count, int64_t offset_bytes);
// Writes all of it.
int write_at(int fd, const uint8_t* bytes, size_t byte_count, int64_t offset_bytes);

// Makes a file with this content, mode and time, and gives its stat; the descriptor does it all, so no path is looked
// up twice. -EEXIST where something is there. A file that could not be finished is removed again.
struct NewFile {
  const uint8_t* bytes;
  size_t byte_count;
  uint32_t mode;
  int64_t mtime_seconds;
  uint32_t mtime_nanos;
};
int make_file(int directory, const char* path, const NewFile& file, StatRecord* record);

// Opens (making it where it is missing) and locks a file for as long as the descriptor lives; -EWOULDBLOCK where it is
// taken.
int lock_exclusive(int directory, const char* path);

}  // namespace rainbow
