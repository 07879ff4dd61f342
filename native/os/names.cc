#include "os/names.hh"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace rainbow {

namespace {

int status_of(int result) { return result == 0 ? 0 : -errno; }

// The type bits of mknod(2); 0 for a kind that it does not make.
mode_t type_bits(NodeKind kind) {
  switch (kind) {
    case NodeKind::kFifo:
      return S_IFIFO;
    case NodeKind::kSocket:
      return S_IFSOCK;
    case NodeKind::kCharacter:
      return S_IFCHR;
    case NodeKind::kBlock:
      return S_IFBLK;
    default:
      return 0;
  }
}

}  // namespace

int make_directory(const PathAt& at) { return status_of(mkdirat(at.directory(), at.path(), 0700)); }

int make_symlink(const char* target, const PathAt& at) {
  return status_of(symlinkat(target, at.directory(), at.path()));
}

int make_link(const PathAt& existing, const PathAt& at) {
  return status_of(linkat(existing.directory(), existing.path(), at.directory(), at.path(), 0));
}

int rename_path(const PathAt& from, const PathAt& to) {
  return status_of(renameat(from.directory(), from.path(), to.directory(), to.path()));
}

int remove_file(const PathAt& at) { return status_of(unlinkat(at.directory(), at.path(), 0)); }

int remove_directory(const PathAt& at) { return status_of(unlinkat(at.directory(), at.path(), AT_REMOVEDIR)); }

int make_special(const PathAt& at, NodeKind kind, uint32_t mode, uint32_t rdev_major, uint32_t rdev_minor) {
  const mode_t type = type_bits(kind);
  if (type == 0) return -EINVAL;
  if (mknodat(at.directory(), at.path(), type | (mode & 0700), makedev(rdev_major, rdev_minor)) != 0) return -errno;
  return status_of(fchmodat(at.directory(), at.path(), mode, AT_SYMLINK_NOFOLLOW));
}

int read_link(const PathAt& at, std::string* target) {
  target->resize(PATH_MAX);  // No target is longer: symlink(2) takes a path.
  const ssize_t count = readlinkat(at.directory(), at.path(), target->data(), target->size());
  if (count < 0) return -errno;
  target->resize(static_cast<size_t>(count));
  return 0;
}

}  // namespace rainbow
