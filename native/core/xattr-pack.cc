#include "core/xattr-pack.hh"

#include <algorithm>

namespace rainbow {

std::vector<std::string> xattr_names(const std::string& list) {
  std::vector<std::string> names;
  for (size_t from = 0; from < list.size();) {
    const size_t end = std::min(list.find('\0', from), list.size());
    if (end > from) names.push_back(list.substr(from, end - from));
    from = end + 1;
  }
  return names;
}

namespace {

void append_u32(std::vector<uint8_t>* out, size_t value) {
  const auto narrow = static_cast<uint32_t>(value);
  const auto* bytes = reinterpret_cast<const uint8_t*>(&narrow);
  out->insert(out->end(), bytes, bytes + sizeof narrow);
}

}  // namespace

std::vector<uint8_t> pack_xattrs(std::vector<Xattr> xattrs) {
  std::sort(xattrs.begin(), xattrs.end(), [](const Xattr& a, const Xattr& b) { return a.name < b.name; });
  std::vector<uint8_t> out;
  for (const Xattr& xattr : xattrs) {
    append_u32(&out, xattr.name.size());
    append_u32(&out, xattr.value.size());
    out.insert(out.end(), xattr.name.begin(), xattr.name.end());
    out.insert(out.end(), xattr.value.begin(), xattr.value.end());
  }
  return out;
}

}  // namespace rainbow
