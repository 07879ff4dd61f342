#include "os/stat.hh"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

namespace rainbow {

namespace {

constexpr unsigned kMask = STATX_BASIC_STATS | STATX_BTIME;

NodeKind kind_of(unsigned mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return NodeKind::kFile;
    case S_IFDIR:
      return NodeKind::kDirectory;
    case S_IFLNK:
      return NodeKind::kSymlink;
    case S_IFIFO:
      return NodeKind::kFifo;
    case S_IFSOCK:
      return NodeKind::kSocket;
    case S_IFCHR:
      return NodeKind::kCharacter;
    case S_IFBLK:
      return NodeKind::kBlock;
    default:
      return NodeKind::kUnknown;
  }
}

// Blocks of 512 bytes as units of 4 KiB, rounded up.
uint32_t units_of(uint64_t sectors) {
  const uint64_t units = (sectors + 7) / 8;
  return units > UINT32_MAX ? UINT32_MAX : static_cast<uint32_t>(units);
}

void fill(const struct statx& from, StatRecord* to) {
  const NodeKind kind = kind_of(from.stx_mode);
  const bool is_device = kind == NodeKind::kCharacter || kind == NodeKind::kBlock;
  const bool has_birth = (from.stx_mask & STATX_BTIME) != 0;
  *to = {};
  to->inode = from.stx_ino;
  to->size_bytes = from.stx_size;
  to->mtime_seconds = from.stx_mtime.tv_sec;
  to->ctime_seconds = from.stx_ctime.tv_sec;
  to->btime_seconds = has_birth ? from.stx_btime.tv_sec : 0;
  to->mtime_nanos = from.stx_mtime.tv_nsec;
  to->ctime_nanos = from.stx_ctime.tv_nsec;
  to->btime_nanos = has_birth ? from.stx_btime.tv_nsec : 0;
  to->uid = from.stx_uid;
  to->gid = from.stx_gid;
  to->mode = from.stx_mode & 07777;
  to->kind = static_cast<uint8_t>(kind);
  to->error = kind == NodeKind::kUnknown ? EINVAL : 0;
  to->link_count = from.stx_nlink;
  to->device_major = from.stx_dev_major;
  to->device_minor = from.stx_dev_minor;
  to->rdev_major = is_device ? from.stx_rdev_major : 0;
  to->rdev_minor = is_device ? from.stx_rdev_minor : 0;
  to->allocated_units = units_of(from.stx_blocks);
}

int stat_with(int directory, const char* path, int flags, StatRecord* record) {
  struct statx found;
  if (statx(directory, path, flags, kMask, &found) != 0) return -errno;
  fill(found, record);
  return 0;
}

}  // namespace

int stat_at(int directory, const char* path, StatRecord* record) {
  return stat_with(directory, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, record);
}

int stat_open(int fd, StatRecord* record) { return stat_with(fd, "", AT_EMPTY_PATH, record); }

}  // namespace rainbow
