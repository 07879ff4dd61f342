// What the addon exports, by file.
#pragma once

#include <napi.h>

namespace rainbow {

// Exports nothing where the running Node shows no zstd or no SHA-256.
void export_content_calls(Napi::Env env, Napi::Object exports);
void export_file_calls(Napi::Env env, Napi::Object exports);
void export_name_calls(Napi::Env env, Napi::Object exports);
void export_listing_calls(Napi::Env env, Napi::Object exports);
void export_watcher(Napi::Env env, Napi::Object exports);
void export_xxh3_calls(Napi::Env env, Napi::Object exports);
// Exports nothing where the running Node shows no zstd.
void export_zstd_calls(Napi::Env env, Napi::Object exports);

}  // namespace rainbow
