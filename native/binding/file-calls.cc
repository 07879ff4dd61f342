// Calls on open files.
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "binding/arguments.hh"
#include "binding/calls.hh"
#include "os/files.hh"
#include "os/path-at.hh"
#include "os/peer.hh"
#include "os/ranges.hh"

namespace rainbow {

namespace {

// openRead(path): descriptor or status
Napi::Value open_read_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  ByteStringArgument path;
  arguments.byte_string(0, &path);
  if (!arguments.are_valid()) return info.Env().Undefined();
  const PathAt at(path.data(), path.size());
  return status_value(info, at.status() < 0 ? at.status() : open_read(at.directory(), at.path()));
}

// openWrite(path, exclusive, truncate): descriptor or status
Napi::Value open_write_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  ByteStringArgument path;
  arguments.byte_string(0, &path);
  const bool exclusive = arguments.boolean(1);
  const bool truncate = arguments.boolean(2);
  if (!arguments.are_valid()) return info.Env().Undefined();
  const PathAt at(path.data(), path.size());
  return status_value(info, at.status() < 0 ? at.status() : open_write(at.directory(), at.path(), exclusive, truncate));
}

// makeFile(path, bytes, mode, mtimeSeconds, mtimeNanos, record: Uint8Array of 96 bytes): status
Napi::Value make_file_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  ByteStringArgument path;
  arguments.byte_string(0, &path);
  const Bytes from = arguments.bytes(1);
  const uint32_t mode = arguments.u32(2);
  const int64_t mtime_seconds = arguments.integer(3);
  const uint32_t mtime_nanos = arguments.u32(4);
  const Bytes out = arguments.bytes(5);
  if (!arguments.are_valid()) return info.Env().Undefined();
  const PathAt at(path.data(), path.size());
  if (at.status() < 0) return status_value(info, at.status());
  if (out.size != sizeof(StatRecord)) return status_value(info, -EINVAL);
  StatRecord record;
  const NewFile file = {from.data, from.size, mode, mtime_seconds, mtime_nanos};
  const int status = make_file(at.directory(), at.path(), file, &record);
  if (status == 0) memcpy(out.data, &record, sizeof record);
  return status_value(info, status);
}

// lockExclusive(path): descriptor or status
Napi::Value lock_exclusive_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  ByteStringArgument path;
  arguments.byte_string(0, &path);
  if (!arguments.are_valid()) return info.Env().Undefined();
  const PathAt at(path.data(), path.size());
  return status_value(info, at.status() < 0 ? at.status() : lock_exclusive(at.directory(), at.path()));
}

// read(fd, into, offset): bytes read or status
Napi::Value read_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const int fd = arguments.descriptor(0);
  const Bytes into = arguments.bytes(1);
  const int64_t offset_bytes = arguments.size(2);
  if (!arguments.are_valid()) return info.Env().Undefined();
  return status_value(info, read_at(fd, into.data, into.size, offset_bytes));
}

// write(fd, bytes, offset): status
Napi::Value write_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const int fd = arguments.descriptor(0);
  const Bytes from = arguments.bytes(1);
  const int64_t offset_bytes = arguments.size(2);
  if (!arguments.are_valid()) return info.Env().Undefined();
  return status_value(info, write_at(fd, from.data, from.size, offset_bytes));
}

// close(fd): status. Linux has released the descriptor even where close(2) says EINTR.
Napi::Value close_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const int fd = arguments.descriptor(0);
  if (!arguments.are_valid()) return info.Env().Undefined();
  return status_value(info, close(fd) == 0 || errno == EINTR ? 0 : -errno);
}

// dataRanges(fd, from, to): number[] or status
Napi::Value data_ranges_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const int fd = arguments.descriptor(0);
  const int64_t from_bytes = arguments.size(1);
  const int64_t to_bytes = arguments.size(2);
  if (!arguments.are_valid()) return info.Env().Undefined();
  std::vector<int64_t> ranges;
  const int status = data_ranges(fd, from_bytes, to_bytes, &ranges);
  if (status < 0) return status_value(info, status);
  Napi::Array array = Napi::Array::New(info.Env(), ranges.size());
  for (uint32_t i = 0; i < ranges.size(); ++i) array.Set(i, static_cast<double>(ranges[i]));
  return array;
}

// punchHole(fd, offset, length): 1, 0 where the filesystem cannot, or status
Napi::Value punch_hole_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const int fd = arguments.descriptor(0);
  const int64_t offset_bytes = arguments.size(1);
  const int64_t length_bytes = arguments.size(2);
  if (!arguments.are_valid()) return info.Env().Undefined();
  return status_value(info, punch_hole(fd, offset_bytes, length_bytes));
}

// peerOf(fd): [pid, uid] or status
Napi::Value peer_of_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const int fd = arguments.descriptor(0);
  if (!arguments.are_valid()) return info.Env().Undefined();
  Peer peer = {};
  const int status = peer_of(fd, &peer);
  if (status < 0) return status_value(info, status);
  Napi::Array array = Napi::Array::New(info.Env(), 2);
  array.Set(0u, static_cast<double>(peer.pid));
  array.Set(1u, static_cast<double>(peer.uid));
  return array;
}

}  // namespace

void export_file_calls(Napi::Env env, Napi::Object exports) {
  exports.Set("openRead", Napi::Function::New<open_read_call>(env));
  exports.Set("openWrite", Napi::Function::New<open_write_call>(env));
  exports.Set("makeFile", Napi::Function::New<make_file_call>(env));
  exports.Set("lockExclusive", Napi::Function::New<lock_exclusive_call>(env));
  exports.Set("read", Napi::Function::New<read_call>(env));
  exports.Set("write", Napi::Function::New<write_call>(env));
  exports.Set("close", Napi::Function::New<close_call>(env));
  exports.Set("dataRanges", Napi::Function::New<data_ranges_call>(env));
  exports.Set("punchHole", Napi::Function::New<punch_hole_call>(env));
  exports.Set("peerOf", Napi::Function::New<peer_of_call>(env));
}

}  // namespace rainbow
