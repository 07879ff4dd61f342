// The addon's entry. It holds no global state, so any number of environments (worker threads) may load it.
#include <napi.h>

#include "binding/calls.hh"

namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  rainbow::export_content_calls(env, exports);
  rainbow::export_file_calls(env, exports);
  rainbow::export_name_calls(env, exports);
  rainbow::export_listing_calls(env, exports);
  rainbow::export_watcher(env, exports);
  rainbow::export_xxh3_calls(env, exports);
  rainbow::export_zstd_calls(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(rainbow, init)
