// Writes that pass the page cache by: payload is written once and hardly read soon, and a copy into the cache costs more than hashing it.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace rainbow {

constexpr size_t kDirectAlignBytes = 4096;  // Suits every disk whose logical block is not larger.

// A descriptor of the file at `path`, which must be the one that `fd` has open; -errno, where the filesystem cannot.
int open_direct(const char* path, int fd);

// Takes the disk space of a range that holds nothing, so that a write to it finds room, and makes the file reach its
// end. -errno: nothing is taken.
int take_space(int fd, int64_t offset_bytes, int64_t byte_count);

// Writes of one file: begun by one thread, each carried out by any other. Buffers are kept for the next one.
class DirectWrites {
 public:
  // `direct_fd` is closed with this; `plain_fd`, of the same file, is not.
  DirectWrites(int direct_fd, int plain_fd) : direct_fd_(direct_fd), plain_fd_(plain_fd) {}
  ~DirectWrites();
  DirectWrites(const DirectWrites&) = delete;
  DirectWrites& operator=(const DirectWrites&) = delete;

  int direct_fd() const { return direct_fd_; }
  // Aligned memory for a write of so many bytes, once fewer than the most are under way; nullptr where there is none.
  // Each buffer must come back by carry_out() or give_up().
  uint8_t* begin(size_t byte_count);
  // 0 or -errno.
  int carry_out(uint8_t* buffer, size_t byte_count, int64_t offset_bytes);
  void give_up(uint8_t* buffer, size_t byte_count) { end(buffer, byte_count, 0); }
  // Until no write is under way. The first failure of all so far, else 0.
  int wait();

 private:
  void end(uint8_t* buffer, size_t byte_count, int status);

  const int direct_fd_;
  const int plain_fd_;
  std::mutex lock_;
  std::condition_variable ended_;
  size_t under_way_ = 0;
  int failure_ = 0;
  std::vector<uint8_t*> spare_;
};

}  // namespace rainbow
