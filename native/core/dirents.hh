// Reads the records that getdents64(2) fills a buffer with ("struct linux_dirent64"). Pure.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/listing.hh"

namespace rainbow {

// Adds every name but "." and "..". Returns false where the bytes are not whole records, or names pass what a listing
// holds.
bool add_dirents(const uint8_t* bytes, size_t byte_count, Directory* directory);

}  // namespace rainbow
