// Checks what JavaScript hands over. A wrong type is a bug of the caller: a TypeError. Everything else is a status for
// JavaScript: 0 or more for success, -errno for failure, so that the common way throws nothing.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>

namespace rainbow {

// A ByteString (one character per byte) as raw bytes with a NUL behind them.
class ByteStringArgument {
 public:
  bool load(napi_env env, napi_value value);
  const char* data() const { return heap_.empty() ? inline_ : heap_.data(); }
  size_t size() const { return size_; }

 private:
  char inline_[4096];  // Every path but the very long ones.
  std::string heap_;
  size_t size_ = 0;
};

struct Bytes {
  uint8_t* data = nullptr;
  size_t size = 0;
};

// The arguments of one call. Each getter checks; after the last one `are_valid()` says whether a TypeError is under
// way.
class Arguments {
 public:
  explicit Arguments(const Napi::CallbackInfo& info) : info_(info) {}
  bool are_valid() const { return are_valid_; }

  void byte_string(size_t index, ByteStringArgument* out);
  Bytes bytes(size_t index);
  // Elements of a Uint32Array or Int32Array.
  uint32_t* words(size_t index, napi_typedarray_type type, size_t* count);
  int32_t descriptor(size_t index);
  uint32_t u32(size_t index);
  // A safe integer, 0 or more.
  int64_t size(size_t index);
  // A safe integer of either sign.
  int64_t integer(size_t index);
  bool boolean(size_t index);

 private:
  double number(size_t index, double least, double most);
  void refuse(const char* claim);

  const Napi::CallbackInfo& info_;
  bool are_valid_ = true;
};

Napi::Value status_value(const Napi::CallbackInfo& info, int64_t status);
// An uninitialized Buffer; nullptr with an exception under way where there is no memory.
uint8_t* make_buffer(napi_env env, size_t byte_count, napi_value* buffer);
Napi::Value buffer_value(const Napi::CallbackInfo& info, const void* bytes, size_t byte_count);

}  // namespace rainbow
