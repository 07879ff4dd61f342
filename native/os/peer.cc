#include "os/peer.hh"

#include <errno.h>
#include <sys/socket.h>

namespace rainbow {

int peer_of(int fd, Peer* peer) {
  struct ucred found = {};
  socklen_t length = sizeof(found);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &found, &length) != 0) return -errno;
  // The kernel answers for other sockets too, with nobody: no pid, and -1 for the user.
  if (length != sizeof(found) || found.pid <= 0) return -ENOTCONN;
  peer->pid = static_cast<uint32_t>(found.pid);
  peer->uid = found.uid;
  return 0;
}

}  // namespace rainbow
