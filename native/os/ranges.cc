#include "os/ranges.hh"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace rainbow {

int data_ranges(int fd, int64_t from_bytes, int64_t to_bytes, std::vector<int64_t>* ranges) {
  struct stat found;
  if (fstat(fd, &found) != 0) return -errno;
  const int64_t limit = std::min<int64_t>(to_bytes, found.st_size);
  for (int64_t at = from_bytes; at < limit;) {
    const int64_t start = lseek(fd, at, SEEK_DATA);
    if (start < 0 && errno == ENXIO) return 0;  // Only a hole from here on.
    const bool is_unsupported = start < 0 && (errno == EINVAL || errno == EOPNOTSUPP);
    if (start < 0 && !is_unsupported) return -errno;
    if (start >= limit) return 0;
    int64_t end = is_unsupported ? limit : lseek(fd, start, SEEK_HOLE);
    if (end < 0 && errno == ENXIO) return 0;  // The file was cut short meanwhile.
    if (end < 0) return -errno;
    end = std::min(end, limit);
    ranges->push_back(is_unsupported ? at : start);
    ranges->push_back(end);
    at = end;
  }
  return 0;
}

int punch_hole(int fd, int64_t offset_bytes, int64_t length_bytes) {
  for (;;) {
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset_bytes, length_bytes) == 0) return 1;
    if (errno == EOPNOTSUPP || errno == ENOSYS) return 0;
    if (errno != EINTR) return -errno;
  }
}

}  // namespace rainbow
