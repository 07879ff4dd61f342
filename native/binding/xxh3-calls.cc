// Calls of XXH3. The state lies in memory of JavaScript's, so there is nothing to free; it is checked before each use,
// as what is in it says where to write.
#include "binding/arguments.hh"
#include "binding/calls.hh"
#include "core/xxh3.hh"

namespace rainbow {

namespace {

// The state, or nullptr where the bytes are none.
Xxh3State* state_of(const Bytes& bytes) {
  if (bytes.size != sizeof(Xxh3State) || reinterpret_cast<uintptr_t>(bytes.data) % alignof(Xxh3State) != 0)
    return nullptr;
  return reinterpret_cast<Xxh3State*>(bytes.data);
}

bool is_sound(const Xxh3State& state) {
  if (state.held_bytes > kXxh3HeldBytes || state.stripe_in_block >= 16) return false;
  return state.total_bytes > 0 ? state.held_bytes > 0 && state.held_bytes <= state.total_bytes &&
                                     (state.total_bytes > kXxh3HeldBytes || state.held_bytes == state.total_bytes)
                               : state.held_bytes == 0;
}

// xxh3StateBytes(): how large a state is
Napi::Value state_bytes_call(const Napi::CallbackInfo& info) { return status_value(info, sizeof(Xxh3State)); }

// xxh3Start(state, seed): 0 or -1; the seed is widened with its sign
Napi::Value start_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  Xxh3State* state = state_of(arguments.bytes(0));
  const int64_t seed = arguments.integer(1);
  if (!arguments.are_valid()) return info.Env().Undefined();
  if (state == nullptr) return status_value(info, -1);
  xxh3_start(state, static_cast<uint64_t>(seed));
  return status_value(info, 0);
}

// xxh3Update(state, bytes): 0 or -1
Napi::Value update_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  Xxh3State* state = state_of(arguments.bytes(0));
  const Bytes bytes = arguments.bytes(1);
  if (!arguments.are_valid()) return info.Env().Undefined();
  if (state == nullptr || !is_sound(*state)) return status_value(info, -1);
  xxh3_update(state, bytes.data, bytes.size);
  return status_value(info, 0);
}

// xxh3Finish(state, into): `into` has 8 or 16 bytes; 0 or -1
Napi::Value finish_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  Xxh3State* state = state_of(arguments.bytes(0));
  const Bytes into = arguments.bytes(1);
  if (!arguments.are_valid()) return info.Env().Undefined();
  if (state == nullptr || !is_sound(*state) || (into.size != 8 && into.size != 16)) return status_value(info, -1);
  if (into.size == 8)
    xxh3_finish_64(state, into.data);
  else
    xxh3_finish_128(state, into.data);
  return status_value(info, 0);
}

}  // namespace

void export_xxh3_calls(Napi::Env env, Napi::Object exports) {
  exports.Set("xxh3StateBytes", Napi::Function::New<state_bytes_call>(env, "xxh3StateBytes"));
  exports.Set("xxh3Start", Napi::Function::New<start_call>(env, "xxh3Start"));
  exports.Set("xxh3Update", Napi::Function::New<update_call>(env, "xxh3Update"));
  exports.Set("xxh3Finish", Napi::Function::New<finish_call>(env, "xxh3Finish"));
}

}  // namespace rainbow
