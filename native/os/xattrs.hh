// Extended attributes, ACLs and capabilities among them. A symlink is never followed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/xattr-pack.hh"
#include "os/path-at.hh"

namespace rainbow {

// Nothing, and success, where the filesystem has none. An attribute that goes meanwhile is left out; one that
// may not be read is an error.
int list_xattrs(PathAt* at, std::vector<Xattr>* xattrs);
int set_xattr(PathAt* at, const char* name, const uint8_t* value, size_t byte_count);
int remove_xattr(PathAt* at, const char* name);

}  // namespace rainbow
