// Calls on names and on what a name's node carries. All give a status, but where the comment says otherwise.
#include "binding/arguments.hh"
#include "binding/calls.hh"
#include "os/attributes.hh"
#include "os/names.hh"
#include "os/xattrs.hh"

namespace rainbow {

namespace {

// (path)
template <int (*kCall)(const PathAt&)>
Napi::Value path_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  ByteStringArgument path;
  arguments.byte_string(0, &path);
  if (!arguments.are_valid()) return info.Env().Undefined();
  const PathAt at(path.data(), path.size());
  return status_value(info, at.status() < 0 ? at.status() : kCall(at));
}

// (existing, path)
template <int (*kCall)(const PathAt&, const PathAt&)>
Napi::Value two_paths_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  ByteStringArgument first, second;
  arguments.byte_string(0, &first);
  arguments.byte_string(1, &second);
  if (!arguments.are_valid()) return info.Env().Undefined();
  const PathAt from(first.data(), first.size());
  const PathAt to(second.data(), second.size());
  if (from.status() < 0) return status_value(info, from.status());
  return status_value(info, to.status() < 0 ? to.status() : kCall(from, to));
}

// symlink(target, path)
Napi::Value symlink_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  ByteStringArgument target, path;
  arguments.byte_string(0, &target);
  arguments.byte_string(1, &path);
  if (!arguments.are_valid()) return info.Env().Undefined();
  if (strlen(target.data()) != target.size()) return status_value(info, -EINVAL);
  const PathAt at(path.data(), path.size());
  return status_value(info, at.status() < 0 ? at.status() : make_symlink(target.data(), at));
}

// makeSpecial(path, kind, mode, rdev major, rdev minor)
Napi::Value make_special_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  ByteStringArgument path;
  arguments.byte_string(0, &path);
  const uint32_t kind = arguments.u32(1);
  const uint32_t mode = arguments.u32(2);
  const uint32_t rdev_major = arguments.u32(3);
  const uint32_t rdev_minor = arguments.u32(4);
  if (!arguments.are_valid()) return info.Env().Undefined();
  const PathAt at(path.data(), path.size());
  if (at.status() < 0) return status_value(info, at.status());
  const NodeKind node_kind = kind <= 7 ? static_cast<NodeKind>(kind) : NodeKind::kUnknown;
  return status_value(info, make_special(at, node_kind, mode, rdev_major, rdev_minor));
}

// readlink(path): Buffer or status
Napi::Value read_link_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  ByteStringArgument path;
  arguments.byte_string(0, &path);
  if (!arguments.are_valid()) return info.Env().Undefined();
  const PathAt at(path.data(), path.size());
  std::string target;
  const int status = at.status() < 0 ? at.status() : read_link(at, &target);
  return status < 0 ? status_value(info, status) : buffer_value(info, target.data(), target.size());
}

// chmod(path, mode)
Napi::Value set_mode_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  ByteStringArgument path;
  arguments.byte_string(0, &path);
  const uint32_t mode = arguments.u32(1);
  if (!arguments.are_valid()) return info.Env().Undefined();
  const PathAt at(path.data(), path.size());
  return status_value(info, at.status() < 0 ? at.status() : set_mode(at, mode));
}

// chown(path, uid, gid)
Napi::Value set_owner_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  ByteStringArgument path;
  arguments.byte_string(0, &path);
  const uint32_t uid = arguments.u32(1);
  const uint32_t gid = arguments.u32(2);
  if (!arguments.are_valid()) return info.Env().Undefined();
  const PathAt at(path.data(), path.size());
  return status_value(info, at.status() < 0 ? at.status() : set_owner(at, uid, gid));
}

// setTimes(path, seconds, nanos)
Napi::Value set_times_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  ByteStringArgument path;
  arguments.byte_string(0, &path);
  const int64_t seconds = arguments.integer(1);
  const uint32_t nanos = arguments.u32(2);
  if (!arguments.are_valid()) return info.Env().Undefined();
  const PathAt at(path.data(), path.size());
  return status_value(info, at.status() < 0 ? at.status() : set_mtime(at, seconds, nanos));
}

// filesystemUuid(path): Buffer or status
Napi::Value filesystem_uuid_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  ByteStringArgument path;
  arguments.byte_string(0, &path);
  if (!arguments.are_valid()) return info.Env().Undefined();
  PathAt at(path.data(), path.size());
  std::string uuid;
  const int status = at.status() < 0 ? at.status() : filesystem_uuid(&at, &uuid);
  return status < 0 ? status_value(info, status) : buffer_value(info, uuid.data(), uuid.size());
}

// xattrs(path): Buffer (core/xattr-pack.hh), 0 where there are none, or status
Napi::Value xattrs_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  ByteStringArgument path;
  arguments.byte_string(0, &path);
  if (!arguments.are_valid()) return info.Env().Undefined();
  PathAt at(path.data(), path.size());
  std::vector<Xattr> xattrs;
  const int status = at.status() < 0 ? at.status() : list_xattrs(&at, &xattrs);
  if (status < 0 || xattrs.empty()) return status_value(info, status);
  const std::vector<uint8_t> packed = pack_xattrs(std::move(xattrs));
  return buffer_value(info, packed.data(), packed.size());
}

// setXattr(path, name, value)
Napi::Value set_xattr_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  ByteStringArgument path, name;
  arguments.byte_string(0, &path);
  arguments.byte_string(1, &name);
  const Bytes value = arguments.bytes(2);
  if (!arguments.are_valid()) return info.Env().Undefined();
  PathAt at(path.data(), path.size());
  return status_value(info, at.status() < 0 ? at.status() : set_xattr(&at, name.data(), value.data, value.size));
}

// removeXattr(path, name)
Napi::Value remove_xattr_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  ByteStringArgument path, name;
  arguments.byte_string(0, &path);
  arguments.byte_string(1, &name);
  if (!arguments.are_valid()) return info.Env().Undefined();
  PathAt at(path.data(), path.size());
  return status_value(info, at.status() < 0 ? at.status() : remove_xattr(&at, name.data()));
}

}  // namespace

void export_name_calls(Napi::Env env, Napi::Object exports) {
  exports.Set("makeDirectory", Napi::Function::New<path_call<make_directory>>(env));
  exports.Set("unlink", Napi::Function::New<path_call<remove_file>>(env));
  exports.Set("removeDirectory", Napi::Function::New<path_call<remove_directory>>(env));
  exports.Set("link", Napi::Function::New<two_paths_call<make_link>>(env));
  exports.Set("rename", Napi::Function::New<two_paths_call<rename_path>>(env));
  exports.Set("symlink", Napi::Function::New<symlink_call>(env));
  exports.Set("makeSpecial", Napi::Function::New<make_special_call>(env));
  exports.Set("readlink", Napi::Function::New<read_link_call>(env));
  exports.Set("chmod", Napi::Function::New<set_mode_call>(env));
  exports.Set("chown", Napi::Function::New<set_owner_call>(env));
  exports.Set("setTimes", Napi::Function::New<set_times_call>(env));
  exports.Set("filesystemUuid", Napi::Function::New<filesystem_uuid_call>(env));
  exports.Set("xattrs", Napi::Function::New<xattrs_call>(env));
  exports.Set("setXattr", Napi::Function::New<set_xattr_call>(env));
  exports.Set("removeXattr", Napi::Function::New<remove_xattr_call>(env));
}

}  // namespace rainbow
