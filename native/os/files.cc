#include "os/files.hh"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/stat.hh"

namespace rainbow {

namespace {

constexpr int kReadFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

int open_retrying(int directory, const char* path, int flags) {
  for (;;) {
    const int fd = openat(directory, path, flags, 0600);
    if (fd >= 0) return fd;
    if (errno != EINTR) return -errno;
  }
}

}  // namespace

int open_read(int directory, const char* path) {
  int fd = open_retrying(directory, path, kReadFlags | O_NOATIME);
  if (fd == -EPERM) fd = open_retrying(directory, path, kReadFlags);  // O_NOATIME is for the owner and root.
  if (fd < 0) return fd;
  struct stat found;
  const int status = fstat(fd, &found) != 0   ? -errno
                     : S_ISREG(found.st_mode) ? 0
                     : S_ISDIR(found.st_mode) ? -EISDIR
                                              : -EINVAL;
  if (status == 0) return fd;
  close(fd);
  return status;
}

int open_write(int directory, const char* path, bool exclusive, bool truncate) {
  const int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  return open_retrying(directory, path, flags | (exclusive ? O_EXCL : 0) | (truncate ? O_TRUNC : 0));
}

int64_t read_at(int fd, uint8_t* into, size_t byte_count, int64_t offset_bytes) {
  size_t done = 0;
  while (done < byte_count) {
    const ssize_t count = pread(fd, into + done, byte_count - done, offset_bytes + static_cast<int64_t>(done));
    if (count == 0) break;
    if (count > 0) {
      done += static_cast<size_t>(count);
    } else if (errno != EINTR) {
      return -errno;
    }
  }
  return static_cast<int64_t>(done);
}

int write_at(int fd, const uint8_t* bytes, size_t byte_count, int64_t offset_bytes) {
  size_t done = 0;
  while (done < byte_count) {
    const ssize_t count = pwrite(fd, bytes + done, byte_count - done, offset_bytes + static_cast<int64_t>(done));
    if (count >= 0) {
      done += static_cast<size_t>(count);
    } else if (errno != EINTR) {
      return -errno;
    }
  }
  return 0;
}

namespace {

int fill(int fd, const NewFile& file, StatRecord* record) {
  const int written = write_at(fd, file.bytes, file.byte_count, 0);
  if (written < 0) return written;
  struct timespec times[2] = {};
  times[0].tv_nsec = UTIME_OMIT;
  times[1].tv_sec = file.mtime_seconds;
  times[1].tv_nsec = file.mtime_nanos;
  if (fchmod(fd, file.mode) != 0 || futimens(fd, times) != 0) return -errno;
  return stat_open(fd, record);
}

}  // namespace

int make_file(int directory, const char* path, const NewFile& file, StatRecord* record) {
  const int fd = open_write(directory, path, true, false);
  if (fd < 0) return fd;
  int status = fill(fd, file, record);
  if (close(fd) != 0 && errno != EINTR && status == 0) status = -errno;
  if (status < 0) unlinkat(directory, path, 0);
  return status;
}

int lock_exclusive(int directory, const char* path) {
  const int fd = open_retrying(directory, path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return fd;
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  const int status = -errno;
  close(fd);
  return status;
}

}  // namespace rainbow
