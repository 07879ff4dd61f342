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

class ZstdDecoder : public Napi::ObjectWrap<ZstdDecoder> {
 public:
  explicit ZstdDecoder(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ZstdDecoder>(info) {}
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "ZstdDecoder", {InstanceMethod<&ZstdDecoder::decode>("decode")});
  }

 private:
  // decode(from, into, counts): 0 or -1; counts[0] bytes were taken, counts[1] given
  Napi::Value decode(const Napi::CallbackInfo& info) {
    Arguments arguments(info);
    const Bytes from = arguments.bytes(0);
    const Bytes into = arguments.bytes(1);
    size_t word_count = 0;
    uint32_t* counts = arguments.words(2, napi_uint32_array, &word_count);
    if (!arguments.are_valid()) return info.Env().Undefined();
    if (word_count < 2 || from.size > UINT32_MAX || into.size > UINT32_MAX) return status_value(info, -1);
    size_t taken = 0;
    size_t given = 0;
    const bool is_good = stream_.decompress(from.data, from.size, &taken, into.data, into.size, &given);
    counts[0] = static_cast<uint32_t>(taken);
    counts[1] = static_cast<uint32_t>(given);
    return status_value(info, is_good ? 0 : -1);
  }

  ZstdStream stream_;
};

}  // namespace

void export_zstd_calls(Napi::Env env, Napi::Object exports) {
  if (zstd_streams_are_there()) exports.Set("ZstdDecoder", ZstdDecoder::define(env));
  if (!zstd_is_there()) return;
  exports.Set("zstdCompress", Napi::Function::New<compress_call>(env, "zstdCompress"));
  exports.Set("zstdDecompress", Napi::Function::New<decompress_call>(env, "zstdDecompress"));
}

}  // namespace rainbow
