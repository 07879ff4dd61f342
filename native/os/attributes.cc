#include "os/attributes.hh"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace rainbow {

namespace {

// linux/fs.h, "struct fsuuid2" and FS_IOC_GETFSUUID; written out, as older headers lack them.
struct KernelUuid {
  uint8_t byte_count;
  uint8_t bytes[16];
};
const unsigned long kGetFilesystemUuid = _IOR(0x15, 0, KernelUuid);

bool kernel_uuid(int fd, std::string* uuid) {
  KernelUuid found{};
  if (ioctl(fd, kGetFilesystemUuid, &found) != 0 || found.byte_count != sizeof found.bytes) return false;
  const KernelUuid nil{sizeof found.bytes, {}};
  if (memcmp(&found, &nil, sizeof nil) == 0) return false;  // Made without one: it tells nothing apart.
  char text[37];
  const uint8_t* b = found.bytes;
  snprintf(text, sizeof text, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2],
           b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
  *uuid = text;
  return true;
}

}  // namespace

int set_mode(const PathAt& at, uint32_t mode) {
  if (fchmodat(at.directory(), at.path(), mode, AT_SYMLINK_NOFOLLOW) == 0) return 0;
  const int status = -errno;
  struct stat found;
  const bool is_symlink =
      fstatat(at.directory(), at.path(), &found, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(found.st_mode);
  return is_symlink ? 0 : status;
}

int set_owner(const PathAt& at, uint32_t uid, uint32_t gid) {
  return fchownat(at.directory(), at.path(), uid, gid, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : -errno;
}

int set_mtime(const PathAt& at, int64_t seconds, uint32_t nanos) {
  struct timespec times[2] = {};
  times[0].tv_nsec = UTIME_OMIT;
  times[1].tv_sec = seconds;
  times[1].tv_nsec = nanos;
  return utimensat(at.directory(), at.path(), times, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : -errno;
}

int filesystem_uuid(PathAt* at, std::string* uuid) {
  // ioctl needs a real descriptor; a device node or FIFO must not be opened for it, so only files and directories are
  // asked.
  struct stat found;
  if (fstatat(at->directory(), at->path(), &found, 0) != 0) return -errno;
  if (S_ISDIR(found.st_mode) || S_ISREG(found.st_mode)) {
    const int fd = openat(at->directory(), at->path(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    const bool is_known = fd >= 0 && kernel_uuid(fd, uuid);
    if (fd >= 0) close(fd);
    if (is_known) return 0;
  }
  struct statfs filesystem;
  if (statfs(at->flat_path(), &filesystem) != 0) return -errno;
  uint32_t id[2];
  memcpy(id, &filesystem.f_fsid, sizeof id);
  char text[32] = "";
  if (id[0] != 0 || id[1] != 0) snprintf(text, sizeof text, "fsid:%08x%08x", id[0], id[1]);
  *uuid = text;
  return 0;
}

}  // namespace rainbow
