// The watcher: an inotify descriptor on the environment's event loop.
//
// Life of a handle: open --close()--> closing --libuv's close callback--> gone. close() comes from JavaScript, from the
// collector, or from the environment's end (a worker stopped); whichever is first wins, the others find no handle. The
// asynchronous cleanup hook holds the environment's end until libuv has let go of the handle.
#include <unistd.h>
#include <uv.h>

#include "binding/arguments.hh"
#include "binding/calls.hh"
#include "os/watch.hh"

namespace rainbow {

namespace {

class Watcher;

struct WatchHandle {
  uv_poll_t poll;
  int fd;
  Watcher* owner;  // Null once it is closing.
  napi_async_cleanup_hook_handle hook;
};

class Watcher : public Napi::ObjectWrap<Watcher> {
 public:
  explicit Watcher(const Napi::CallbackInfo& info);
  ~Watcher() override { shut(); }
  static Napi::Function define(Napi::Env env);

 private:
  Napi::Value add(const Napi::CallbackInfo& info);
  Napi::Value remove(const Napi::CallbackInfo& info);
  Napi::Value drain(const Napi::CallbackInfo& info);
  Napi::Value on_readable(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  void shut();
  void call_back();
  static void poll_event(uv_poll_t* poll, int status, int events);
  static void poll_closed(uv_handle_t* poll);
  static void environment_ends(napi_async_cleanup_hook_handle hook, void* data);

  WatchHandle* handle_ = nullptr;
  Napi::AsyncContext context_;
  Napi::FunctionReference callback_;
};

// new Watcher(descriptor): takes over a descriptor of openWatch().
Watcher::Watcher(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<Watcher>(info), context_(info.Env(), "rainbow.Watcher") {
  Arguments arguments(info);
  const int fd = arguments.descriptor(0);
  if (!arguments.are_valid()) return;
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(info.Env(), &loop);
  auto* handle = new WatchHandle{};
  if (uv_poll_init(loop, &handle->poll, fd) != 0) {
    delete handle;
    Napi::Error::New(info.Env(), "the descriptor cannot be polled").ThrowAsJavaScriptException();
    return;
  }
  handle->poll.data = handle;
  handle->fd = fd;
  handle->owner = this;
  napi_add_async_cleanup_hook(info.Env(), environment_ends, handle, &handle->hook);
  handle_ = handle;
}

Napi::Function Watcher::define(Napi::Env env) {
  return DefineClass(env, "Watcher",
                     {InstanceMethod<&Watcher::add>("add"), InstanceMethod<&Watcher::remove>("remove"),
                      InstanceMethod<&Watcher::drain>("drain"), InstanceMethod<&Watcher::on_readable>("onReadable"),
                      InstanceMethod<&Watcher::close>("close")});
}

// add(path): watch or status
Napi::Value Watcher::add(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  ByteStringArgument path;
  arguments.byte_string(0, &path);
  if (!arguments.are_valid()) return info.Env().Undefined();
  if (handle_ == nullptr) return status_value(info, -EBADF);
  PathAt at(path.data(), path.size());
  return status_value(info, at.status() < 0 ? at.status() : add_watch(handle_->fd, &at));
}

// remove(watch): status
Napi::Value Watcher::remove(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const int watch = arguments.descriptor(0);
  if (!arguments.are_valid()) return info.Env().Undefined();
  return status_value(info, handle_ == nullptr ? -EBADF : remove_watch(handle_->fd, watch));
}

// drain(): Buffer of records, 0 where nothing is queued, or status
Napi::Value Watcher::drain(const Napi::CallbackInfo& info) {
  if (handle_ == nullptr) return status_value(info, -EBADF);
  std::vector<uint8_t> records;
  const int status = drain_watch(handle_->fd, &records);
  if (!callback_.IsEmpty()) uv_poll_start(&handle_->poll, UV_READABLE, poll_event);
  if (status < 0 || records.empty()) return status_value(info, status);
  return buffer_value(info, records.data(), records.size());
}

// onReadable(callback): keeps the event loop and this object alive until close().
Napi::Value Watcher::on_readable(const Napi::CallbackInfo& info) {
  if (!info[0].IsFunction()) {
    Napi::TypeError::New(info.Env(), "a callback is a function").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  if (handle_ == nullptr) return status_value(info, -EBADF);
  if (callback_.IsEmpty()) Ref();
  callback_ = Napi::Persistent(info[0].As<Napi::Function>());
  uv_poll_start(&handle_->poll, UV_READABLE, poll_event);
  return status_value(info, 0);
}

Napi::Value Watcher::close(const Napi::CallbackInfo& info) {
  const bool was_referenced = handle_ != nullptr && !callback_.IsEmpty();
  shut();
  callback_.Reset();
  if (was_referenced) Unref();
  return status_value(info, 0);
}

void Watcher::shut() {
  if (handle_ == nullptr) return;
  WatchHandle* handle = handle_;
  handle_ = nullptr;
  handle->owner = nullptr;
  uv_poll_stop(&handle->poll);
  uv_close(reinterpret_cast<uv_handle_t*>(&handle->poll), poll_closed);
}

void Watcher::poll_event(uv_poll_t* poll, int, int) {
  auto* handle = static_cast<WatchHandle*>(poll->data);
  uv_poll_stop(poll);  // Until the next drain; an error shows there too.
  if (handle->owner != nullptr) handle->owner->call_back();
}

// Plain Node-API, as its wrapper would rethrow the failure of a call into a worker that is being stopped, which ends
// the process.
void Watcher::call_back() {
  napi_env env = Env();
  Napi::HandleScope scope(env);
  const napi_status status = napi_make_callback(env, context_, Value(), callback_.Value(), 0, nullptr, nullptr);
  if (status != napi_pending_exception) return;
  napi_value error = nullptr;
  if (napi_get_and_clear_last_exception(env, &error) != napi_ok) return;
  napi_fatal_exception(env, error);  // As for any callback of the event loop: "uncaughtException".
}

void Watcher::poll_closed(uv_handle_t* poll) {
  auto* handle = static_cast<WatchHandle*>(poll->data);
  ::close(handle->fd);
  napi_remove_async_cleanup_hook(handle->hook);
  delete handle;
}

void Watcher::environment_ends(napi_async_cleanup_hook_handle, void* data) {
  auto* handle = static_cast<WatchHandle*>(data);
  if (handle->owner != nullptr) handle->owner->shut();
}

// openWatch(): descriptor or status
Napi::Value open_watch_call(const Napi::CallbackInfo& info) { return status_value(info, open_watch()); }

}  // namespace

void export_watcher(Napi::Env env, Napi::Object exports) {
  exports.Set("openWatch", Napi::Function::New<open_watch_call>(env));
  exports.Set("Watcher", Watcher::define(env));
}

}  // namespace rainbow
