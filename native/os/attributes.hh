// Mode, owner, times, and a filesystem's identity. A symlink is never followed.
#pragma once

#include <cstdint>
#include <string>

#include "os/path-at.hh"

namespace rainbow {

// 0 for a symlink too, which has no mode of its own.
int set_mode(const PathAt& at, uint32_t mode);
int set_owner(const PathAt& at, uint32_t uid, uint32_t gid);
// Leaves the access time as it is.
int set_mtime(const PathAt& at, int64_t seconds, uint32_t nanos);

// The UUID that the kernel names (FS_IOC_GETFSUUID, Linux 6.9 and newer), else "fsid:" and statfs(2)'s number, else "".
int filesystem_uuid(PathAt* at, std::string* uuid);

}  // namespace rainbow
