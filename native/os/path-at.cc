#include "os/path-at.hh"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

namespace rainbow {

namespace {

constexpr size_t kStepBytesMax = PATH_MAX - 1;  // Without the NUL.

// The longest start of `path` that ends before a slash and that the kernel takes; 0 where there is none.
size_t step_bytes(const char* path) {
  for (size_t end = kStepBytesMax; end > 0; --end) {
    if (path[end] == '/') return end;
  }
  return 0;
}

}  // namespace

PathAt::PathAt(const char* path, size_t byte_count) : directory_(AT_FDCWD), path_(path) {
  if (memchr(path, '\0', byte_count) != nullptr) {
    status_ = -EINVAL;
    return;
  }
  const char* end = path + byte_count;
  while (static_cast<size_t>(end - path_) > kStepBytesMax) {
    const size_t count = step_bytes(path_);
    if (count == 0) {
      status_ = -ENAMETOOLONG;
      return;
    }
    char step[PATH_MAX];
    memcpy(step, path_, count);
    step[count] = '\0';
    const int next = openat(directory_, step, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (next < 0) {
      status_ = -errno;
      return;
    }
    if (directory_ != AT_FDCWD) close(directory_);
    directory_ = next;
    path_ += count;
    while (*path_ == '/') ++path_;
    if (*path_ == '\0') path_ = ".";  // The path ended with slashes: it means the directory itself.
    if (path_[0] == '.' && path_[1] == '\0') return;
  }
}

PathAt::~PathAt() {
  if (directory_ != AT_FDCWD) close(directory_);
}

const char* PathAt::flat_path() {
  if (directory_ == AT_FDCWD) return path_;
  snprintf(flat_path_, sizeof flat_path_, "/proc/self/fd/%d/%s", directory_, path_);
  return flat_path_;
}

}  // namespace rainbow
