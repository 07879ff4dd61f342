// Reads many small files of one directory in one go.
#pragma once

#include <cstdint>
#include <vector>

#include "core/listing.hh"

namespace rainbow {

constexpr int32_t kSmallFileChanged = -1;  // src/core/os.ts, SMALL_FILE_CHANGED
constexpr int32_t kSmallFileNoRoom = -2;   // src/core/os.ts, SMALL_FILE_NO_ROOM

// What to read: `indexes` of a listing. For each, an offset and a length (or one of the marks) are set.
struct SmallFileBatch {
  const uint32_t* indexes;
  uint32_t* offsets;
  int32_t* lengths;
  size_t count;
};

// Lays the files out one after the other by their listed sizes, and marks what is no regular file or has no room.
// Returns the bytes.
uint64_t plan_small_files(const ListingView& listing, const SmallFileBatch& batch, uint64_t bytes_max);

// Reads what the plan has room for into `out`; a file that is not, after the read, what was listed is marked as
// changed.
void read_small_files(int directory_fd, const ListingView& listing, const SmallFileBatch& batch, uint8_t* out);

}  // namespace rainbow
