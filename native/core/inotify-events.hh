// Turns what read(2) gives on an inotify descriptor into records without padding. Pure.
//
// A record: i32 watch (-1 for an overflow) · u32 mask · u32 cookie · u32 name length · the name, without terminator.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace rainbow {

constexpr size_t kWatchRecordBytes = 16;

// Appends a record for each event of `bytes`. Returns false where they are not whole events.
bool append_events(const uint8_t* bytes, size_t byte_count, std::vector<uint8_t>* records);

}  // namespace rainbow
