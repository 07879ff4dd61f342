// Extended attributes in one buffer, sorted by name in byte order. Pure.
//
// Per attribute: u32 name length · u32 value length · name · value.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rainbow {

struct Xattr {
  std::string name;
  std::string value;
};

// The names in what listxattr(2) fills a buffer with: one after the other, each with its NUL.
std::vector<std::string> xattr_names(const std::string& list);

std::vector<uint8_t> pack_xattrs(std::vector<Xattr> xattrs);

}  // namespace rainbow
