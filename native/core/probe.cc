#include "core/probe.hh"

namespace rainbow {

namespace {

constexpr size_t kBytesMin = 2048;
constexpr int kSamples = 1024;
constexpr uint32_t kEvenMax = 5600;

}  // namespace

bool looks_random(const uint8_t* bytes, size_t size) {
  if (size < kBytesMin) return false;
  uint16_t counts[256] = {};
  const double step = static_cast<double>(size) / kSamples;
  uint32_t squares = 0;
  double at = 0;
  for (int i = 0; i < kSamples; ++i, at += step) squares += 2u * counts[bytes[static_cast<size_t>(at)]]++ + 1;
  return squares <= kEvenMax;
}

}  // namespace rainbow
