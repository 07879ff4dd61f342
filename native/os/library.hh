// Functions of the libraries inside the running Node, found by name, as Node ships no header for them.
#pragma once

#include <dlfcn.h>

namespace rainbow {

template <typename Function>
bool find_in_node(const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
  return *function != nullptr;
}

}  // namespace rainbow
