// Making, moving and removing names.
#pragma once

#include <cstdint>
#include <string>

#include "core/listing.hh"
#include "os/path-at.hh"

namespace rainbow {

int make_directory(const PathAt& at);
int make_symlink(const char* target, const PathAt& at);
int make_link(const PathAt& existing, const PathAt& at);
int rename_path(const PathAt& from, const PathAt& to);
int remove_file(const PathAt& at);
int remove_directory(const PathAt& at);
// A FIFO, socket or device node, with exactly `mode`, whatever the umask; -EINVAL for another kind.
int make_special(const PathAt& at, NodeKind kind, uint32_t mode, uint32_t rdev_major, uint32_t rdev_minor);
int read_link(const PathAt& at, std::string* target);

}  // namespace rainbow
