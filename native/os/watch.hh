// inotify: one queue for many directories.
#pragma once

#include <cstdint>
#include <vector>

#include "os/path-at.hh"

namespace rainbow {

// A non-blocking inotify descriptor.
int open_watch();
// Watches a directory itself (never through a symlink); the same inode gives the same number.
int add_watch(int fd, PathAt* at);
int remove_watch(int fd, int watch);
// Appends everything that was queued when it was called, as records of core/inotify-events.hh.
int drain_watch(int fd, std::vector<uint8_t>* records);

}  // namespace rainbow
