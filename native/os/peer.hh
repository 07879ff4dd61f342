// Who is at the other end of a local socket.
#pragma once

#include <cstdint>

namespace rainbow {

// As they were when the peer connected.
struct Peer {
  uint32_t pid;
  uint32_t uid;
};

// -ENOTCONN where the socket has no peer that the kernel knows.
int peer_of(int fd, Peer* peer);

}  // namespace rainbow
