#include "os/watch.hh"

#include <errno.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "core/inotify-events.hh"

namespace rainbow {

namespace {

// All that changes a name, an attribute or a byte. IN_OPEN, IN_ACCESS and IN_CLOSE_NOWRITE stay out: reading is no
// news, and our own reads would fill the queue. IN_EXCL_UNLINK leaves out writes to files that have lost the name under
// which they were watched.
constexpr uint32_t kMask = IN_CREATE | IN_DELETE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO |
                           IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK;
constexpr size_t kReadBytes = 64 * 1024;  // Holds the largest event (272 bytes) many times over.

}  // namespace

int open_watch() {
  const int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  return fd >= 0 ? fd : -errno;
}

int add_watch(int fd, PathAt* at) {
  const int watch = inotify_add_watch(fd, at->flat_path(), kMask);
  return watch >= 0 ? watch : -errno;
}

int remove_watch(int fd, int watch) { return inotify_rm_watch(fd, watch) == 0 ? 0 : -errno; }

int drain_watch(int fd, std::vector<uint8_t>* records) {
  // Only what is queued now: a busy writer would otherwise keep this loop running for ever.
  int queued_bytes = 0;
  if (ioctl(fd, FIONREAD, &queued_bytes) != 0) return -errno;
  std::vector<uint8_t> buffer(std::min<size_t>(kReadBytes, static_cast<size_t>(queued_bytes) + 512));
  for (int64_t left = queued_bytes; left > 0;) {
    const ssize_t count = read(fd, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return 0;
    if (count < 0) return -errno;
    if (!append_events(buffer.data(), static_cast<size_t>(count), records)) return -EPROTO;
    left -= count;
  }
  return 0;
}

}  // namespace rainbow
