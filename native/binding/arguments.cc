#include "binding/arguments.hh"

#include <cmath>

namespace rainbow {

namespace {

constexpr double kSafeIntegerMax = 9007199254740991.0;

}  // namespace

bool ByteStringArgument::load(napi_env env, napi_value value) {
  if (napi_get_value_string_latin1(env, value, inline_, sizeof inline_, &size_) != napi_ok) return false;
  if (size_ + 1 < sizeof inline_) return true;
  if (napi_get_value_string_latin1(env, value, nullptr, 0, &size_) != napi_ok) return false;
  heap_.resize(size_);  // std::string keeps room for the NUL behind it.
  return napi_get_value_string_latin1(env, value, heap_.data(), size_ + 1, &size_) == napi_ok;
}

void Arguments::refuse(const char* claim) {
  if (are_valid_) Napi::TypeError::New(info_.Env(), claim).ThrowAsJavaScriptException();
  are_valid_ = false;
}

void Arguments::byte_string(size_t index, ByteStringArgument* out) {
  if (are_valid_ && !out->load(info_.Env(), info_[index])) refuse("a path or name is a ByteString");
}

Bytes Arguments::bytes(size_t index) {
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  const bool is_array =
      napi_get_typedarray_info(info_.Env(), info_[index], &type, &length, &data, nullptr, nullptr) == napi_ok;
  if (!is_array || type != napi_uint8_array) {
    refuse("bytes are a Uint8Array");
    return {};
  }
  return {static_cast<uint8_t*>(data), length};
}

uint32_t* Arguments::words(size_t index, napi_typedarray_type type, size_t* count) {
  napi_typedarray_type found;
  void* data = nullptr;
  *count = 0;
  const bool is_array =
      napi_get_typedarray_info(info_.Env(), info_[index], &found, count, &data, nullptr, nullptr) == napi_ok;
  if (is_array && found == type) return static_cast<uint32_t*>(data);
  refuse("numbers of 32 bits are a Uint32Array or Int32Array");
  *count = 0;
  return nullptr;
}

double Arguments::number(size_t index, double least, double most) {
  double value = 0;
  const bool is_number = napi_get_value_double(info_.Env(), info_[index], &value) == napi_ok;
  if (is_number && value >= least && value <= most && value == std::trunc(value)) return value;
  refuse("a number is an integer inside its limits");
  return 0;
}

int32_t Arguments::descriptor(size_t index) { return static_cast<int32_t>(number(index, 0, INT32_MAX)); }

uint32_t Arguments::u32(size_t index) { return static_cast<uint32_t>(number(index, 0, UINT32_MAX)); }

int64_t Arguments::size(size_t index) { return static_cast<int64_t>(number(index, 0, kSafeIntegerMax)); }

int64_t Arguments::integer(size_t index) {
  return static_cast<int64_t>(number(index, -kSafeIntegerMax, kSafeIntegerMax));
}

bool Arguments::boolean(size_t index) {
  bool value = false;
  if (napi_get_value_bool(info_.Env(), info_[index], &value) != napi_ok) refuse("a choice is a boolean");
  return value;
}

Napi::Value status_value(const Napi::CallbackInfo& info, int64_t status) {
  return Napi::Number::New(info.Env(), static_cast<double>(status));
}

uint8_t* make_buffer(napi_env env, size_t byte_count, napi_value* buffer) {
  void* data = nullptr;
  if (napi_create_buffer(env, byte_count, &data, buffer) == napi_ok) {
    static uint8_t nothing[1];
    return data == nullptr ? nothing : static_cast<uint8_t*>(data);  // An empty Buffer may have no memory.
  }
  bool is_pending = false;
  napi_is_exception_pending(env, &is_pending);
  if (!is_pending) napi_throw_range_error(env, nullptr, "there is no memory for a Buffer");
  return nullptr;
}

Napi::Value buffer_value(const Napi::CallbackInfo& info, const void* bytes, size_t byte_count) {
  napi_value buffer = nullptr;
  uint8_t* data = make_buffer(info.Env(), byte_count, &buffer);
  if (data == nullptr) return info.Env().Undefined();
  if (byte_count > 0) memcpy(data, bytes, byte_count);
  return Napi::Value(info.Env(), buffer);
}

}  // namespace rainbow
