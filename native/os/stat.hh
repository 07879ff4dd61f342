// Stat of a path or of an open file, as a StatRecord.
#pragma once

#include "core/listing.hh"

namespace rainbow {

// Fills all of `record` but its name. Does not follow a symlink. The attributes are fresh, on network filesystems too.
int stat_at(int directory, const char* path, StatRecord* record);
int stat_open(int fd, StatRecord* record);

}  // namespace rainbow
