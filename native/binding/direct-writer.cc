// The writer of payload: copies what it is given, and writes on a worker thread, past the page cache.
#include <errno.h>

#include <memory>

#include "binding/arguments.hh"
#include "binding/calls.hh"
#include "os/direct.hh"

namespace rainbow {

namespace {

class WriteWork : public Napi::AsyncWorker {
 public:
  WriteWork(Napi::Env env, std::shared_ptr<DirectWrites> writes, uint8_t* buffer, size_t byte_count, int64_t offset)
      : Napi::AsyncWorker(env, "rainbow.DirectWriter"),
        deferred_(Napi::Promise::Deferred::New(env)),
        writes_(std::move(writes)),
        buffer_(buffer),
        byte_count_(byte_count),
        offset_bytes_(offset) {}
  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override { status_ = writes_->carry_out(buffer_, byte_count_, offset_bytes_); }
  void OnOK() override { deferred_.Resolve(Napi::Number::New(Env(), status_)); }

 private:
  Napi::Promise::Deferred deferred_;
  std::shared_ptr<DirectWrites> writes_;
  uint8_t* buffer_;
  size_t byte_count_;
  int64_t offset_bytes_;
  int status_ = 0;
};

class DirectWriter : public Napi::ObjectWrap<DirectWriter> {
 public:
  explicit DirectWriter(const Napi::CallbackInfo& info);
  static Napi::Function define(Napi::Env env);

 private:
  Napi::Value write(const Napi::CallbackInfo& info);
  Napi::Value wait(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  std::shared_ptr<DirectWrites> writes_;
};

// new DirectWriter(descriptor of openDirect(), plain descriptor): takes over the first.
DirectWriter::DirectWriter(const Napi::CallbackInfo& info) : Napi::ObjectWrap<DirectWriter>(info) {
  Arguments arguments(info);
  const int direct_fd = arguments.descriptor(0);
  const int plain_fd = arguments.descriptor(1);
  if (arguments.are_valid()) writes_ = std::make_shared<DirectWrites>(direct_fd, plain_fd);
}

Napi::Function DirectWriter::define(Napi::Env env) {
  return DefineClass(env, "DirectWriter",
                     {InstanceMethod<&DirectWriter::write>("write"), InstanceMethod<&DirectWriter::wait>("wait"),
                      InstanceMethod<&DirectWriter::close>("close")});
}

// All of `parts` in one buffer of `byte_count` bytes; false where they are not just so many.
bool copy_parts(const Napi::Array& parts, size_t byte_count, uint8_t* into) {
  size_t used = 0;
  for (uint32_t i = 0; i < parts.Length(); ++i) {
    const Napi::Value part = parts[i];
    if (!part.IsTypedArray()) return false;
    const auto bytes = part.As<Napi::Uint8Array>();
    if (bytes.ByteLength() > byte_count - used) return false;
    memcpy(into + used, bytes.Data(), bytes.ByteLength());
    used += bytes.ByteLength();
  }
  return used == byte_count;
}

// write(parts: Uint8Array[], byteCount, offset): Promise of a status, or a status where nothing was begun. Both numbers
// are multiples of kDirectAlignBytes.
Napi::Value DirectWriter::write(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const int64_t byte_count = arguments.size(1);
  const int64_t offset_bytes = arguments.size(2);
  if (!arguments.are_valid()) return info.Env().Undefined();
  if (writes_ == nullptr) return status_value(info, -EBADF);
  const bool is_aligned = byte_count % kDirectAlignBytes == 0 && offset_bytes % kDirectAlignBytes == 0;
  if (!is_aligned || byte_count == 0 || !info[0].IsArray()) return status_value(info, -EINVAL);
  const int status = take_space(writes_->direct_fd(), offset_bytes, byte_count);
  if (status < 0) return status_value(info, status);
  const auto size = static_cast<size_t>(byte_count);
  uint8_t* buffer = writes_->begin(size);
  if (buffer == nullptr) return status_value(info, -ENOMEM);
  if (!copy_parts(info[0].As<Napi::Array>(), size, buffer)) {
    writes_->give_up(buffer, size);
    return status_value(info, -EINVAL);
  }
  auto* work = new WriteWork(info.Env(), writes_, buffer, size, offset_bytes);
  work->Queue();
  return work->promise();
}

// wait(): waits until no write is under way (their promises may still be pending); the first failure of all so far, or 0.
Napi::Value DirectWriter::wait(const Napi::CallbackInfo& info) {
  return status_value(info, writes_ == nullptr ? 0 : writes_->wait());
}

// close(): waits, and lets go of the descriptor.
Napi::Value DirectWriter::close(const Napi::CallbackInfo& info) {
  if (writes_ != nullptr) writes_->wait();
  writes_.reset();
  return info.Env().Undefined();
}

// openDirect(path, fd): descriptor or status
Napi::Value open_direct_call(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  ByteStringArgument path;
  arguments.byte_string(0, &path);
  const int fd = arguments.descriptor(1);
  if (!arguments.are_valid()) return info.Env().Undefined();
  return status_value(info, open_direct(path.data(), fd));
}

}  // namespace

void export_direct_writer(Napi::Env env, Napi::Object exports) {
  exports.Set("openDirect", Napi::Function::New<open_direct_call>(env, "openDirect"));
  exports.Set("DirectWriter", DirectWriter::define(env));
}

}  // namespace rainbow
