// A directory's entries with all their stats.
#pragma once

#include "core/listing.hh"
#include "os/path-at.hh"

namespace rainbow {

// Opens a directory for reading; a symlink is refused with -ENOTDIR.
int open_directory(const PathAt& at);

// Fills `directory`, sorted by name. An entry that vanished or cannot be looked at stays, with kind unknown and its
// errno.
int list_directory(const PathAt& at, Directory* directory);

}  // namespace rainbow
