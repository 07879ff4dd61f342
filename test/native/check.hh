// A claim that must hold, in the test binaries: prints it and ends the process where it does not.
#pragma once

#include <cstdio>
#include <cstdlib>

#define CHECK(claim)                                                             \
  do {                                                                           \
    if (!(claim)) {                                                              \
      fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #claim); \
      exit(1);                                                                   \
    }                                                                            \
  } while (false)
