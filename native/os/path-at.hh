// Paths of any length. The kernel takes at most PATH_MAX - 1 bytes at a time; a longer path is walked by descriptors,
// so that a deep tree is no hole in a backup. Below, every function of os/ returns 0 or more for success and -errno for
// failure.
#pragma once

#include <limits.h>

#include <string_view>

namespace rainbow {

// A directory descriptor and a path relative to it: what the *at system calls take. `path` must outlive it and end with
// a NUL.
class PathAt {
 public:
  explicit PathAt(const char* path, size_t byte_count);
  ~PathAt();
  PathAt(const PathAt&) = delete;
  PathAt& operator=(const PathAt&) = delete;

  // 0, or -errno of the walk; then the other two must not be used.
  int status() const { return status_; }
  int directory() const { return directory_; }
  const char* path() const { return path_; }
  // For system calls without a directory argument; goes through /proc where the path was long. Valid as long as this
  // is.
  const char* flat_path();

 private:
  int status_ = 0;
  int directory_;
  const char* path_;
  char flat_path_[PATH_MAX + 32];
};

}  // namespace rainbow
