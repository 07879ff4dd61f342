// Where a sparse file has data, and how to make holes.
#pragma once

#include <cstdint>
#include <vector>

namespace rainbow {

// Appends the data ranges of [from, to) as pairs start, end; the whole range, cut at the file's end, where the
// filesystem cannot tell. Moves the descriptor's offset, which nothing in Rainbow uses.
int data_ranges(int fd, int64_t from_bytes, int64_t to_bytes, std::vector<int64_t>* ranges);

// 1 when the range was given back, 0 where the filesystem cannot.
int punch_hole(int fd, int64_t offset_bytes, int64_t length_bytes);

}  // namespace rainbow
