#include "os/direct.hh"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/files.hh"
#include "os/ranges.hh"

namespace rainbow {

namespace {

constexpr size_t kUnderWayMax = 4;  // About 4 MiB: as many threads as write at once.
constexpr size_t kBufferBytesMin = (1 << 20) + (256 << 10);  // Holds the usual batch, so that buffers fit the next one.

size_t capacity_for(size_t byte_count) { return byte_count < kBufferBytesMin ? kBufferBytesMin : byte_count; }

}  // namespace

int open_direct(const char* path, int fd) {
  const int direct = open(path, O_WRONLY | O_DIRECT | O_NOFOLLOW | O_CLOEXEC);
  if (direct < 0) return -errno;
  struct stat wanted, found;
  if (fstat(fd, &wanted) == 0 && fstat(direct, &found) == 0 && wanted.st_ino == found.st_ino &&
      wanted.st_dev == found.st_dev)
    return direct;
  close(direct);
  return -ESTALE;
}

int take_space(int fd, int64_t offset_bytes, int64_t byte_count) {
  while (fallocate(fd, 0, offset_bytes, byte_count) != 0) {
    if (errno == EINTR) continue;
    const int status = -errno;
    punch_hole(fd, offset_bytes, byte_count);  // A part of it may have been taken.
    return status;
  }
  return 0;
}

DirectWrites::~DirectWrites() {
  for (uint8_t* buffer : spare_) free(buffer);
  close(direct_fd_);
}

uint8_t* DirectWrites::begin(size_t byte_count) {
  std::unique_lock<std::mutex> guard(lock_);
  ended_.wait(guard, [this] { return under_way_ < kUnderWayMax; });
  if (!spare_.empty() && byte_count <= kBufferBytesMin) {
    uint8_t* buffer = spare_.back();
    spare_.pop_back();
    ++under_way_;
    return buffer;
  }
  void* buffer = nullptr;
  if (posix_memalign(&buffer, kDirectAlignBytes, capacity_for(byte_count)) != 0) return nullptr;
  ++under_way_;
  return static_cast<uint8_t*>(buffer);
}

int DirectWrites::carry_out(uint8_t* buffer, size_t byte_count, int64_t offset_bytes) {
  int status = write_at(direct_fd_, buffer, byte_count, offset_bytes);
  if (status == -EINVAL) status = write_at(plain_fd_, buffer, byte_count, offset_bytes);  // It wants larger blocks.
  end(buffer, byte_count, status);
  return status;
}

void DirectWrites::end(uint8_t* buffer, size_t byte_count, int status) {
  const std::lock_guard<std::mutex> guard(lock_);
  if (spare_.size() < kUnderWayMax && byte_count <= kBufferBytesMin) {
    spare_.push_back(buffer);
  } else {
    free(buffer);
  }
  if (failure_ == 0) failure_ = status;
  --under_way_;
  ended_.notify_all();
}

int DirectWrites::wait() {
  std::unique_lock<std::mutex> guard(lock_);
  ended_.wait(guard, [this] { return under_way_ == 0; });
  return failure_;
}

}  // namespace rainbow
