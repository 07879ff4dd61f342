// Calls of the kept zstd contexts.
#include "binding/arguments.hh"
#include "binding/calls.hh"
#include "os/zstd.hh"

namespace rainbow {

namespace {

// zstdCompress(from, into, level): size, 0 where it does not fit, -1
Napi::Value compress_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Bytes from = arguments.bytes(0);
  const Bytes into = arguments.bytes(1);
  const uint32_t level = arguments.u32(2);
  if (!arguments.are_valid()) return info.Env().Undefined();
  return status_value(info, zstd_compress(from.data, from.size, into.data, into.size, static_cast<int>(level)));
}

// zstdDecompress(from, into): size or -1
Napi::Value decompress_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const Bytes from = arguments.bytes(0);
  const Bytes into = arguments.bytes(1);
  if (!arguments.are_valid()) return info.Env().Undefined();
  return status_value(info, zstd_decompress(from.data, from.size, into.data, into.size));
}

}  // namespace

void export_zstd_calls(Napi::Env env, Napi::Object exports) {
  if (!zstd_is_there()) return;
  exports.Set("zstdCompress", Napi::Function::New<compress_call>(env, "zstdCompress"));
  exports.Set("zstdDecompress", Napi::Function::New<decompress_call>(env, "zstdDecompress"));
}

}  // namespace rainbow
