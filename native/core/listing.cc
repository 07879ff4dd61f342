#include "core/listing.hh"

#include <algorithm>
#include <cstring>

namespace rainbow {

bool Directory::add(std::string_view name, uint64_t inode) {
  if (arena_.size() + name.size() + 1 > UINT32_MAX) return false;
  Entry entry{};
  entry.inode = inode;
  entry.name_offset = static_cast<uint32_t>(arena_.size());
  entry.name_length = static_cast<uint16_t>(name.size());
  arena_.insert(arena_.end(), name.begin(), name.end());
  arena_.push_back('\0');
  entries_.push_back(entry);
  return true;
}

void Directory::sort_by_inode() {
  std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.inode < b.inode; });
}

namespace {

// The first eight bytes of a name as a number that orders as the bytes do; most names are told apart by it.
uint64_t leading_bytes(const char* name, uint16_t length) {
  uint64_t key = 0;
  std::memcpy(&key, name, std::min<size_t>(length, sizeof key));
  return __builtin_bswap64(key);
}

struct SortKey {
  uint64_t leading;
  uint32_t entry;
};

}  // namespace

void Directory::sort_by_name() {
  std::vector<SortKey> keys(entries_.size());
  for (uint32_t i = 0; i < keys.size(); ++i) keys[i] = {leading_bytes(name(entries_[i]), entries_[i].name_length), i};
  std::sort(keys.begin(), keys.end(), [this](const SortKey& a, const SortKey& b) {
    if (a.leading != b.leading) return a.leading < b.leading;
    // Names hold no NUL, so strcmp is byte order (it compares unsigned) and a prefix comes first.
    return std::strcmp(name(entries_[a.entry]), name(entries_[b.entry])) < 0;
  });
  std::vector<Entry> sorted;
  sorted.reserve(entries_.size());
  for (const SortKey& key : keys) sorted.push_back(entries_[key.entry]);
  entries_.swap(sorted);
}

uint64_t Directory::packed_bytes() const {
  uint64_t total = kListingHeaderBytes + uint64_t{sizeof(StatRecord)} * entries_.size();
  for (const Entry& entry : entries_) total += entry.name_length;
  return total;
}

void Directory::pack(uint8_t* out) const {
  const uint32_t header[2] = {static_cast<uint32_t>(entries_.size()), 0};
  std::memcpy(out, header, sizeof header);
  size_t record_at = kListingHeaderBytes;
  size_t name_at = kListingHeaderBytes + sizeof(StatRecord) * entries_.size();
  for (const Entry& entry : entries_) {
    StatRecord record = entry.record;
    record.name_offset = static_cast<uint32_t>(name_at);
    record.name_length = entry.name_length;
    std::memcpy(out + record_at, &record, sizeof record);
    std::memcpy(out + name_at, name(entry), entry.name_length);
    record_at += sizeof record;
    name_at += entry.name_length;
  }
}

bool ListingView::entry(uint32_t index, StatRecord* record, std::string_view* name) const {
  if (byte_count_ < kListingHeaderBytes) return false;
  uint32_t count;
  std::memcpy(&count, bytes_, sizeof count);
  if (index >= count) return false;
  const uint64_t at = kListingHeaderBytes + uint64_t{sizeof(StatRecord)} * index;
  if (at + sizeof(StatRecord) > byte_count_) return false;
  std::memcpy(record, bytes_ + at, sizeof *record);
  if (uint64_t{record->name_offset} + record->name_length > byte_count_) return false;
  *name = {reinterpret_cast<const char*>(bytes_) + record->name_offset, record->name_length};
  return true;
}

}  // namespace rainbow
