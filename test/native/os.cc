// The addon's system calls, without Node, under the sanitizers. Argument: an empty directory. What they promise is
// tested by the contract suite; here every path through them is walked once, so that a wrong length or a lost
// descriptor shows.
#include <dirent.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "check.hh"
#include "os/attributes.hh"
#include "os/files.hh"
#include "os/listing.hh"
#include "os/names.hh"
#include "os/peer.hh"
#include "os/ranges.hh"
#include "os/small-files.hh"
#include "os/stat.hh"
#include "os/watch.hh"
#include "os/xattrs.hh"

namespace {

using rainbow::PathAt;
using Bytes = std::vector<uint8_t>;

int open_descriptors() {
  DIR* directory = opendir("/proc/self/fd");
  CHECK(directory != nullptr);
  int count = 0;
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count;
}

void write_file(const std::string& path, const std::string& content) {
  const PathAt at(path.c_str(), path.size());
  const int fd = rainbow::open_write(at.directory(), at.path(), false, true);
  CHECK(fd >= 0);
  CHECK(rainbow::write_at(fd, reinterpret_cast<const uint8_t*>(content.data()), content.size(), 0) == 0);
  close(fd);
}

void list_and_read(const std::string& folder) {
  for (int i = 0; i < 500; ++i)
    write_file(folder + "/file-" + std::to_string(i), std::string(static_cast<size_t>(i), 'x'));
  const PathAt at(folder.c_str(), folder.size());
  rainbow::Directory directory;
  CHECK(rainbow::list_directory(at, &directory) == 0);
  Bytes listing(directory.packed_bytes());
  directory.pack(listing.data());
  std::vector<uint32_t> indexes(501), offsets(501);
  std::vector<int32_t> lengths(501);
  for (uint32_t i = 0; i < 501; ++i) indexes[i] = 500 - i;  // The first of them is none.
  const rainbow::ListingView view(listing.data(), listing.size());
  const rainbow::SmallFileBatch batch = {indexes.data(), offsets.data(), lengths.data(), indexes.size()};
  const uint64_t bytes = rainbow::plan_small_files(view, batch, 1 << 20);
  CHECK(bytes == 499 * 500 / 2);
  Bytes out(bytes);
  const int fd = rainbow::open_directory(at);
  rainbow::read_small_files(fd, view, batch, out.data());
  close(fd);
  CHECK(lengths[0] == rainbow::kSmallFileChanged);
  for (size_t i = 1; i < lengths.size(); ++i)
    CHECK(lengths[i] >= 0 && offsets[i] + static_cast<uint64_t>(lengths[i]) <= bytes);
  for (const uint8_t byte : out) CHECK(byte == 'x');
}

void walk_deep(const std::string& folder) {
  std::string deep = folder;
  while (deep.size() < 9000) {
    deep += "/" + std::string(200, 'd');
    const PathAt at(deep.c_str(), deep.size());
    CHECK(at.status() == 0 && rainbow::make_directory(at) == 0);
  }
  write_file(deep + "/file", "deep");
  const std::string file = deep + "//file";
  PathAt at(file.c_str(), file.size());
  rainbow::StatRecord record;
  CHECK(rainbow::stat_at(at.directory(), at.path(), &record) == 0 && record.size_bytes == 4);
  std::vector<rainbow::Xattr> xattrs;
  CHECK(rainbow::list_xattrs(&at, &xattrs) == 0);
  std::string uuid;
  CHECK(rainbow::filesystem_uuid(&at, &uuid) == 0);
  CHECK(rainbow::remove_file(at) == 0);
  for (; deep.size() > folder.size(); deep.resize(deep.rfind('/'))) {
    const PathAt directory(deep.c_str(), deep.size());
    CHECK(rainbow::remove_directory(directory) == 0);
  }
  const std::string long_name = folder + "/" + std::string(6000, 'n');
  CHECK(PathAt(long_name.c_str(), long_name.size()).status() == -ENAMETOOLONG);
  const std::string missing = folder + "/missing/" + std::string(4000, '/') + std::string(200, 'n');
  CHECK(PathAt(missing.c_str(), missing.size()).status() == -ENOENT);
}

void hold_and_watch(const std::string& folder) {
  const std::string path = folder + "/watched";
  PathAt at(path.c_str(), path.size());
  CHECK(rainbow::make_directory(at) == 0);
  const int watch = rainbow::open_watch();
  CHECK(rainbow::add_watch(watch, &at) > 0);
  for (int i = 0; i < 3000; ++i) write_file(path + "/" + std::to_string(i) + std::string(200, 'w'), "");
  Bytes records;
  CHECK(rainbow::drain_watch(watch, &records) == 0);
  CHECK(records.size() > 3000 * 2 * 200);  // More than one read of the queue.
  records.clear();
  CHECK(rainbow::drain_watch(watch, &records) == 0 && records.empty());
  close(watch);
  const std::string locked = folder + "/locked";
  const PathAt lock(locked.c_str(), locked.size());
  const int held = rainbow::lock_exclusive(lock.directory(), lock.path());
  CHECK(held >= 0);
  CHECK(rainbow::lock_exclusive(lock.directory(), lock.path()) == -EWOULDBLOCK);
  std::vector<int64_t> ranges;
  CHECK(rainbow::data_ranges(held, 0, 1 << 20, &ranges) == 0 && ranges.empty());
  CHECK(rainbow::punch_hole(held, 0, 0) == -EINVAL || rainbow::punch_hole(held, 0, 4096) == 0);
  close(held);
}

void know_the_peer(const std::string& folder) {
  int ends[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  rainbow::Peer peer = {};
  CHECK(rainbow::peer_of(ends[0], &peer) == 0);
  CHECK(peer.pid == static_cast<uint32_t>(getpid()) && peer.uid == geteuid());
  close(ends[0]);
  close(ends[1]);
  CHECK(rainbow::peer_of(ends[0], &peer) == -EBADF);
  const std::string path = folder + "/no-socket";
  const PathAt at(path.c_str(), path.size());
  const int file = rainbow::open_write(at.directory(), at.path(), false, true);
  CHECK(rainbow::peer_of(file, &peer) == -ENOTSOCK);
  close(file);
  const int nobody = socket(AF_UNIX, SOCK_STREAM, 0);
  CHECK(rainbow::peer_of(nobody, &peer) == -ENOTCONN);
  close(nobody);
}

}  // namespace

int main(int argc, char** argv) {
  CHECK(argc == 2);
  const int before = open_descriptors();
  list_and_read(argv[1]);
  walk_deep(argv[1]);
  hold_and_watch(argv[1]);
  know_the_peer(argv[1]);
  CHECK(open_descriptors() == before);
  return 0;
}
