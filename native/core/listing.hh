// The packed directory listing of src/core/os.ts ("STAT_RECORD_BYTES"), as C++ writes it. Pure: no system calls, no
// JavaScript. Invariants: entries leave here sorted by name in byte order; equal input gives equal bytes; every
// reserved byte is zero.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace rainbow {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records are written as they lie in memory: little-endian");

enum class NodeKind : uint8_t { kUnknown = 0, kFile, kDirectory, kSymlink, kFifo, kSocket, kCharacter, kBlock };

// One entry, byte for byte as JavaScript reads it.
struct StatRecord {
  uint64_t inode;
  uint64_t size_bytes;
  int64_t mtime_seconds;
  int64_t ctime_seconds;
  int64_t btime_seconds;
  uint32_t mtime_nanos;
  uint32_t ctime_nanos;
  uint32_t btime_nanos;
  uint32_t uid;
  uint32_t gid;
  uint16_t mode;
  uint8_t kind;   // NodeKind
  uint8_t error;  // errno where kind is kUnknown
  uint32_t link_count;
  uint32_t device_major;
  uint32_t device_minor;
  uint32_t rdev_major;
  uint32_t rdev_minor;
  uint32_t name_offset;
  uint16_t name_length;
  uint16_t reserved;
  uint32_t allocated_units;  // 4 KiB each
};
static_assert(sizeof(StatRecord) == 96, "the layout in src/core/os.ts: 96 bytes");
static_assert(offsetof(StatRecord, mode) == 60 && offsetof(StatRecord, name_offset) == 84,
              "the layout in src/core/os.ts");

constexpr size_t kListingHeaderBytes = 8;
constexpr size_t kNameBytesMax = 255;  // NAME_MAX of every Linux filesystem.

// A name that was read from a directory, with what is known about it.
struct Entry {
  uint64_t inode;  // As the directory says; the record's own may differ (a mount point).
  uint32_t name_offset;
  uint16_t name_length;
  StatRecord record;
};

// The entries of one directory. Names lie in one arena, each followed by a NUL, so that they can go to system calls as
// they are.
class Directory {
 public:
  // Adds a name. Returns false where the names together pass 4 GiB, the reach of a record's offset.
  bool add(std::string_view name, uint64_t inode);
  std::vector<Entry>& entries() { return entries_; }
  const char* name(const Entry& entry) const { return arena_.data() + entry.name_offset; }

  // The order in which stats are cheapest: inodes lie in tables on disk.
  void sort_by_inode();
  // Byte order of names; call before packing.
  void sort_by_name();

  uint64_t packed_bytes() const;
  // Writes packed_bytes() bytes.
  void pack(uint8_t* out) const;

 private:
  std::vector<char> arena_;
  std::vector<Entry> entries_;
};

// A listing as JavaScript hands it back: lengths and offsets are checked before they are used.
class ListingView {
 public:
  ListingView(const uint8_t* bytes, size_t byte_count) : bytes_(bytes), byte_count_(byte_count) {}
  // Copies out the record and a pointer to its name (not terminated). False where the listing does not hold it.
  bool entry(uint32_t index, StatRecord* record, std::string_view* name) const;

 private:
  const uint8_t* bytes_;
  size_t byte_count_;
};

}  // namespace rainbow
