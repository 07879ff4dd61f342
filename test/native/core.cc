// The addon's pure part, without Node, under the address and undefined-behaviour sanitizers. Argument: the seed of the
// random bytes.
#include <algorithm>
#include <cstring>
#include <random>
#include <string>

#include "check.hh"
#include "core/block-hash.hh"
#include "core/dirents.hh"
#include "core/inotify-events.hh"
#include "core/listing.hh"
#include "core/probe.hh"
#include "core/xattr-pack.hh"
#include "core/xxh3.hh"

namespace {

using rainbow::Directory;
using rainbow::ListingView;
using rainbow::StatRecord;
using Bytes = std::vector<uint8_t>;

constexpr int kRandomRounds = 20000;

void append(Bytes* out, const void* from, size_t count) {
  const auto* bytes = static_cast<const uint8_t*>(from);
  out->insert(out->end(), bytes, bytes + count);
}

// As the kernel writes a directory entry: padded to 8 bytes.
void append_dirent(Bytes* out, uint64_t inode, const std::string& name) {
  const int64_t offset = 1;
  const auto record_bytes = static_cast<uint16_t>((19 + name.size() + 1 + 7) / 8 * 8);
  const size_t start = out->size();
  append(out, &inode, sizeof inode);
  append(out, &offset, sizeof offset);
  append(out, &record_bytes, sizeof record_bytes);
  out->push_back(8);
  append(out, name.c_str(), name.size() + 1);
  out->resize(start + record_bytes, 0xee);
}

Bytes packed(Directory* directory) {
  Bytes out(directory->packed_bytes(), 0xcc);
  directory->pack(out.data());
  return out;
}

void listings_are_sorted_by_bytes_and_read_back() {
  const std::vector<std::string> names = {
      "b", "a", "ab", "abcdefgh", "abcdefghi", "abcdefgh\x01", "\xff", "A", std::string(255, 'z')};
  Bytes dirents;
  append_dirent(&dirents, 1, ".");
  append_dirent(&dirents, 2, "..");
  for (size_t i = 0; i < names.size(); ++i) append_dirent(&dirents, 100 - i, names[i]);
  Directory directory;
  CHECK(rainbow::add_dirents(dirents.data(), dirents.size(), &directory));
  directory.sort_by_inode();
  for (size_t i = 1; i < directory.entries().size(); ++i)
    CHECK(directory.entries()[i - 1].inode <= directory.entries()[i].inode);
  for (auto& entry : directory.entries()) entry.record.inode = entry.inode;
  directory.sort_by_name();
  const Bytes listing = packed(&directory);
  std::vector<std::string> sorted = names;
  std::sort(sorted.begin(), sorted.end());
  const ListingView view(listing.data(), listing.size());
  StatRecord record;
  std::string_view name;
  for (uint32_t i = 0; i < sorted.size(); ++i) {
    CHECK(view.entry(i, &record, &name));
    CHECK(name == sorted[i]);
    const auto place = std::find(names.begin(), names.end(), sorted[i]) - names.begin();
    CHECK(record.reserved == 0 && record.inode == 100 - static_cast<uint64_t>(place));
  }
  CHECK(!view.entry(static_cast<uint32_t>(sorted.size()), &record, &name));
}

void an_empty_directory_is_a_header() {
  Directory directory;
  directory.sort_by_inode();
  directory.sort_by_name();
  CHECK(packed(&directory) == Bytes(8, 0));
}

void dirents_that_are_cut_are_refused() {
  Bytes dirents;
  append_dirent(&dirents, 7, "name");
  for (size_t count = 1; count < dirents.size(); ++count) {
    const Bytes cut(dirents.begin(), dirents.begin() + static_cast<long>(count));
    Directory directory;
    CHECK(!rainbow::add_dirents(cut.data(), cut.size(), &directory));
  }
}

void events_lose_their_padding() {
  Bytes raw, records;
  const int32_t watch = -1;
  const uint32_t fields[3] = {0x4000, 0, 0};
  append(&raw, &watch, 4);
  append(&raw, fields, 12);
  const int32_t second = 5;
  const uint32_t more[3] = {0x80, 77, 16};
  append(&raw, &second, 4);
  append(&raw, more, 12);
  append(&raw, "name\0\0\0\0\0\0\0\0\0\0\0\0", 16);
  CHECK(rainbow::append_events(raw.data(), raw.size(), &records));
  CHECK(records.size() == 16 + 16 + 4);
  CHECK(memcmp(records.data(), raw.data(), 16) == 0);
  uint32_t length;
  memcpy(&length, records.data() + 28, sizeof length);
  CHECK(length == 4 && memcmp(records.data() + 32, "name", 4) == 0);
  for (size_t count = 1; count < raw.size(); ++count) {
    if (count == 16) continue;  // The first event alone is whole.
    const Bytes cut(raw.begin(), raw.begin() + static_cast<long>(count));
    Bytes ignored;
    CHECK(!rainbow::append_events(cut.data(), cut.size(), &ignored));
  }
}

void xattrs_are_sorted_by_bytes() {
  const std::string list("user.b\0user.\xff\0user.a\0", 21);
  const std::vector<std::string> names = rainbow::xattr_names(list);
  CHECK((names == std::vector<std::string>{"user.b", "user.\xff", "user.a"}));
  CHECK(rainbow::xattr_names("").empty());
  CHECK(rainbow::xattr_names("unterminated").size() == 1);
  const Bytes out = rainbow::pack_xattrs({{"user.b", "2"}, {"user.\xff", ""}, {"user.a", std::string(300, 'v')}});
  CHECK(out.size() == 3 * 8 + 3 * 6 + 301);
  CHECK(memcmp(out.data() + 8, "user.a", 6) == 0);
  CHECK(memcmp(out.data() + out.size() - 6, "user.\xff", 6) == 0);
}

// Whatever the bytes are, nothing is read or written outside of them: the sanitizers watch. Small numbers are likely,
// so that the random lengths and offsets often fit.
const uint8_t* bytes_of(const char* text) { return reinterpret_cast<const uint8_t*>(text); }

// What the reference implementation prints (xxhsum -H64) for these.
void xxh64_is_what_others_compute() {
  CHECK(rainbow::xxh64(bytes_of(""), 0, 0) == 0xEF46DB3751D8E999);
  CHECK(rainbow::xxh64(bytes_of("a"), 1, 0) == 0xD24EC4F1A98C6E5B);
  CHECK(rainbow::xxh64(bytes_of("abc"), 3, 0) == 0x44BC2CF5AD770999);
}

void blocks_of_zeros_hash_to_zero_and_no_others_do() {
  Bytes bytes(2 * rainbow::kHashBlockBytes + 100);
  bytes[rainbow::kHashBlockBytes + 4095] = 1;
  uint64_t hashes[3] = {7, 7, 7};
  rainbow::hash_blocks(bytes.data(), bytes.size(), 5, reinterpret_cast<uint8_t*>(hashes));
  CHECK(hashes[0] == 0 && hashes[2] == 0);
  CHECK(hashes[1] == rainbow::xxh64(bytes.data() + rainbow::kHashBlockBytes, rainbow::kHashBlockBytes, 5));
}

void random_bytes_look_random_and_text_does_not(uint32_t seed) {
  std::mt19937 random(seed);
  Bytes bytes(65536);
  for (auto& byte : bytes) byte = static_cast<uint8_t>(random());
  CHECK(rainbow::looks_random(bytes.data(), bytes.size()));
  CHECK(!rainbow::looks_random(bytes.data(), 2047));
  for (size_t i = 0; i < bytes.size() / 2; ++i) bytes[i] = static_cast<uint8_t>('a' + bytes[i] % 16);
  CHECK(!rainbow::looks_random(bytes.data(), bytes.size()));
}

void random_bytes_do_no_harm(uint32_t seed) {
  std::mt19937 random(seed);
  for (int round = 0; round < kRandomRounds; ++round) {
    Bytes bytes(random() % 400);
    for (uint8_t& byte : bytes)
      byte = random() % 3 == 0 ? static_cast<uint8_t>(random()) : static_cast<uint8_t>(random() % 2 * 24);
    Directory directory;
    rainbow::add_dirents(bytes.data(), bytes.size(), &directory);
    directory.sort_by_inode();
    directory.sort_by_name();
    packed(&directory);
    Bytes records;
    rainbow::append_events(bytes.data(), bytes.size(), &records);
    CHECK(records.size() <= bytes.size());
    const ListingView view(bytes.data(), bytes.size());
    StatRecord record;
    std::string_view name;
    for (const uint32_t index : {0u, 1u, 2u, 0xffffffffu}) {
      size_t sum = 0;
      if (view.entry(index, &record, &name)) {
        for (const char c : name) sum += static_cast<unsigned char>(c);
      }
      CHECK(sum <= 255 * bytes.size());
    }
    rainbow::xattr_names(std::string(bytes.begin(), bytes.end()));
  }
}

// The values are the library's: test/vectors/rsync/xxh3.json has more of them.
void xxh3_is_the_same_in_any_parts(uint32_t seed) {
  uint8_t digest[16];
  const uint8_t of_nothing[16] = {0x7f, 0x49, 0x8d, 0x46, 0x24, 0xc3, 0x01, 0x60,
                                  0xd8, 0x98, 0x47, 0x01, 0xd3, 0x06, 0xaa, 0x99};
  rainbow::Xxh3State state;
  rainbow::xxh3_start(&state, 0);
  rainbow::xxh3_finish_128(&state, digest);
  CHECK(memcmp(digest, of_nothing, sizeof digest) == 0);
  std::mt19937 random(seed);
  for (int round = 0; round < 2000; ++round) {
    Bytes bytes(random() % 3000);
    for (auto& byte : bytes) byte = static_cast<uint8_t>(random());
    rainbow::Xxh3State whole;
    rainbow::xxh3_start(&whole, round);
    rainbow::xxh3_update(&whole, bytes.data(), bytes.size());
    rainbow::xxh3_start(&state, round);
    for (size_t at = 0; at < bytes.size();) {
      const Bytes part(bytes.begin() + at, bytes.begin() + std::min(bytes.size(), at + 1 + random() % 400));
      rainbow::xxh3_update(&state, part.data(), part.size());
      at += part.size();
    }
    uint8_t whole_digest[16];
    rainbow::xxh3_finish_128(&whole, whole_digest);
    rainbow::xxh3_finish_128(&state, digest);
    CHECK(memcmp(digest, whole_digest, sizeof digest) == 0);
  }
}

}  // namespace

int main(int argc, char** argv) {
  CHECK(argc == 2);
  listings_are_sorted_by_bytes_and_read_back();
  an_empty_directory_is_a_header();
  dirents_that_are_cut_are_refused();
  events_lose_their_padding();
  xattrs_are_sorted_by_bytes();
  const auto seed = static_cast<uint32_t>(strtoul(argv[1], nullptr, 10));
  xxh64_is_what_others_compute();
  xxh3_is_the_same_in_any_parts(seed);
  blocks_of_zeros_hash_to_zero_and_no_others_do();
  random_bytes_look_random_and_text_does_not(seed);
  random_bytes_do_no_harm(seed);
  return 0;
}
