#include "os/xattrs.hh"

#include <errno.h>
#include <sys/xattr.h>

namespace rainbow {

namespace {

// Calls `read(buffer, size)` with a growing buffer until what there is fits. Returns -errno or the size.
template <typename Read>
ssize_t read_growing(std::string* out, Read read) {
  for (size_t room = 1024;; room *= 4) {  // Limits of the kernel: 64 KiB of names, 64 KiB a value.
    out->resize(room);
    const ssize_t count = read(out->data(), room);
    if (count >= 0) {
      out->resize(static_cast<size_t>(count));
      return count;
    }
    if (errno != ERANGE || room > (1u << 20)) return -errno;
  }
}

// XFS shows the ACLs that it keeps under names of its own a second time, to root; system.posix_acl_* says the same
// everywhere.
bool is_shadow(const std::string& name) { return name == "trusted.SGI_ACL_FILE" || name == "trusted.SGI_ACL_DEFAULT"; }

}  // namespace

int list_xattrs(PathAt* at, std::vector<Xattr>* xattrs) {
  const char* path = at->flat_path();
  char names[1024];
  const ssize_t count = llistxattr(path, names, sizeof names);
  if (count == 0 || (count < 0 && errno == EOPNOTSUPP)) return 0;  // The usual answer, without memory from the heap.
  std::string list;
  const ssize_t status = read_growing(&list, [path](char* out, size_t room) { return llistxattr(path, out, room); });
  if (status < 0) return static_cast<int>(status);
  for (std::string& name : xattr_names(list)) {
    if (is_shadow(name)) continue;
    Xattr xattr;
    const ssize_t size = read_growing(
        &xattr.value, [path, &name](char* out, size_t room) { return lgetxattr(path, name.c_str(), out, room); });
    if (size == -ENODATA || size == -EOPNOTSUPP) continue;  // It went meanwhile, or has a name and no value.
    if (size < 0) return static_cast<int>(size);
    xattr.name = std::move(name);
    xattrs->push_back(std::move(xattr));
  }
  return 0;
}

int set_xattr(PathAt* at, const char* name, const uint8_t* value, size_t byte_count) {
  return lsetxattr(at->flat_path(), name, value, byte_count, 0) == 0 ? 0 : -errno;
}

int remove_xattr(PathAt* at, const char* name) { return lremovexattr(at->flat_path(), name) == 0 ? 0 : -errno; }

}  // namespace rainbow
