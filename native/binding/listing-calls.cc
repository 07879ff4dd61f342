// Calls that give packed buffers: stats, listings, small files.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "binding/arguments.hh"
#include "binding/calls.hh"
#include "os/listing.hh"
#include "os/small-files.hh"
#include "os/stat.hh"

namespace rainbow {

namespace {

// Room for one StatRecord, handed in so that a stat makes no garbage.
bool is_record(const Bytes& bytes) { return bytes.size == sizeof(StatRecord); }

// lstat(path, record: Uint8Array of 96 bytes): status
Napi::Value lstat_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  ByteStringArgument path;
  arguments.byte_string(0, &path);
  const Bytes out = arguments.bytes(1);
  if (!arguments.are_valid()) return info.Env().Undefined();
  const PathAt at(path.data(), path.size());
  if (at.status() < 0) return status_value(info, at.status());
  StatRecord record;
  const int status = is_record(out) ? stat_at(at.directory(), at.path(), &record) : -EINVAL;
  if (status == 0) memcpy(out.data, &record, sizeof record);
  return status_value(info, status);
}

// fstat(fd, record): status
Napi::Value fstat_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const int fd = arguments.descriptor(0);
  const Bytes out = arguments.bytes(1);
  if (!arguments.are_valid()) return info.Env().Undefined();
  StatRecord record;
  const int status = is_record(out) ? stat_open(fd, &record) : -EINVAL;
  if (status == 0) memcpy(out.data, &record, sizeof record);
  return status_value(info, status);
}

// listDirectory(path): Buffer or status
Napi::Value list_directory_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  ByteStringArgument path;
  arguments.byte_string(0, &path);
  if (!arguments.are_valid()) return info.Env().Undefined();
  const PathAt at(path.data(), path.size());
  if (at.status() < 0) return status_value(info, at.status());
  Directory directory;
  const int status = list_directory(at, &directory);
  if (status < 0) return status_value(info, status);
  if (directory.packed_bytes() > UINT32_MAX)
    return status_value(info, -EOVERFLOW);  // Names are found by 32-bit offsets.
  napi_value buffer = nullptr;
  uint8_t* out = make_buffer(info.Env(), directory.packed_bytes(), &buffer);
  if (out == nullptr) return info.Env().Undefined();
  directory.pack(out);
  return Napi::Value(info.Env(), buffer);
}

// readSmallFiles(directory, listing, indexes: Uint32Array, into, offsets: Uint32Array, lengths: Int32Array): bytes used,
// or status
Napi::Value read_small_files_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  ByteStringArgument path;
  arguments.byte_string(0, &path);
  const Bytes listed = arguments.bytes(1);
  size_t index_count, offset_count, length_count;
  const uint32_t* indexes = arguments.words(2, napi_uint32_array, &index_count);
  const Bytes into = arguments.bytes(3);
  uint32_t* offsets = arguments.words(4, napi_uint32_array, &offset_count);
  auto* lengths = reinterpret_cast<int32_t*>(arguments.words(5, napi_int32_array, &length_count));
  if (!arguments.are_valid()) return info.Env().Undefined();
  const PathAt at(path.data(), path.size());
  if (at.status() < 0) return status_value(info, at.status());
  if (offset_count != index_count || length_count != index_count) return status_value(info, -EINVAL);
  const int fd = open_directory(at);
  if (fd < 0) return status_value(info, fd);
  const ListingView listing(listed.data, listed.size);
  const SmallFileBatch batch = {indexes, offsets, lengths, index_count};
  const uint64_t used = plan_small_files(listing, batch, std::min<uint64_t>(into.size, INT32_MAX));
  read_small_files(fd, listing, batch, into.data);
  close(fd);
  return status_value(info, static_cast<int64_t>(used));
}

}  // namespace

void export_listing_calls(Napi::Env env, Napi::Object exports) {
  exports.Set("lstat", Napi::Function::New<lstat_call>(env));
  exports.Set("fstat", Napi::Function::New<fstat_call>(env));
  exports.Set("listDirectory", Napi::Function::New<list_directory_call>(env));
  exports.Set("readSmallFiles", Napi::Function::New<read_small_files_call>(env));
}

}  // namespace rainbow
