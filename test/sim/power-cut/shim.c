/*
 * Preload library for power-cut tests: records every write, truncation, hole, rename, removal and sync of files below
 * RAINBOW_SHIM_ROOT into RAINBOW_SHIM_LOG, in the order in which they took effect.
 *
 * One record: u32 magic "RBWS", u8 kind, u8[3] zero, u32 file number, u64 offset, u64 length, u64 start, then `length` bytes where
 * the kind carries data (write: the bytes; open, rename, unlink: the path). All little-endian. The record's index in the log is its
 * time. `start` is the index of the log when a sync began: writes recorded before it are durable once the sync's record stands.
 * Writes to descriptors opened with O_DSYNC or O_SYNC are followed by a sync record of their own.
 *
 * One mutex makes effect and record one step for writes; a sync runs outside of it, as it must not hold up other writers.
 *
 * With RAINBOW_SHIM_KILL_AT=N the process is killed (SIGKILL) as soon as N records stand: between two steps of its choice, from outside.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { KIND_OPEN = 1, KIND_WRITE = 2, KIND_SYNC = 3, KIND_TRUNCATE = 4, KIND_PUNCH = 5, KIND_RENAME = 6, KIND_UNLINK = 7 };
enum { FD_MAX = 65536, FILE_MAX = 4096, PATH_BYTES_MAX = 4096 };

struct tracked {
  uint32_t file; /* 0: not below the root */
  int synchronous;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct tracked fds[FD_MAX];
static struct { dev_t dev; ino_t ino; } files[FILE_MAX];
static uint32_t file_count;
static uint64_t record_index;
static uint64_t kill_at; /* 0: never */
static int log_fd = -1;
static const char *root;
static size_t root_length;

#define REAL(name) ((__typeof__(&name))real(#name))
static void *real(const char *name) {
  void *symbol = dlsym(RTLD_NEXT, name);
  if (symbol == NULL) abort();
  return symbol;
}

__attribute__((constructor)) static void start(void) {
  const char *log_path = getenv("RAINBOW_SHIM_LOG");
  root = getenv("RAINBOW_SHIM_ROOT");
  if (root == NULL || log_path == NULL) return;
  root_length = strlen(root);
  log_fd = REAL(open)(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log_fd < 0) abort();
  const char *kill_text = getenv("RAINBOW_SHIM_KILL_AT");
  if (kill_text != NULL) kill_at = strtoull(kill_text, NULL, 10);
}

static int below_root(const char *path) {
  return log_fd >= 0 && path != NULL && strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || path[root_length] == 0);
}

/* Caller holds the lock. */
static void put(const void *bytes, size_t length) {
  const char *at = bytes;
  while (length > 0) {
    ssize_t done = REAL(write)(log_fd, at, length);
    if (done < 0) {
      if (errno == EINTR) continue;
      abort();
    }
    at += done;
    length -= (size_t)done;
  }
}

/* Caller holds the lock. */
static void record(uint8_t kind, uint32_t file, uint64_t offset, uint64_t length, uint64_t start_index) {
  unsigned char header[36] = {'R', 'B', 'W', 'S', kind};
  memcpy(header + 8, &file, 4);
  memcpy(header + 12, &offset, 8);
  memcpy(header + 20, &length, 8);
  memcpy(header + 28, &start_index, 8);
  put(header, sizeof header);
  record_index += 1;
  if (record_index == kill_at) raise(SIGKILL);
}

static void track(int fd, const char *path, int flags) {
  struct stat status;
  if (fd < 0 || fd >= FD_MAX) return;
  pthread_mutex_lock(&lock);
  fds[fd].file = 0;
  if (below_root(path) && fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < file_count; i++)
      if (files[i].dev == status.st_dev && files[i].ino == status.st_ino) found = i + 1;
    if (found == 0) {
      if (file_count == FILE_MAX) abort();
      files[file_count].dev = status.st_dev;
      files[file_count].ino = status.st_ino;
      found = ++file_count;
    }
    fds[fd].file = found;
    fds[fd].synchronous = (flags & O_DSYNC) != 0;
    size_t length = strlen(path);
    record(KIND_OPEN, found, 0, length, 0);
    put(path, length);
    if ((flags & O_TRUNC) != 0 && (flags & O_ACCMODE) != O_RDONLY) record(KIND_TRUNCATE, found, 0, 0, 0);
  }
  pthread_mutex_unlock(&lock);
}

static int needs_mode(int flags) { return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE; }

#define OPEN_BODY(call, path_argument)                   \
  mode_t mode = 0;                                       \
  if (needs_mode(flags)) {                               \
    va_list arguments;                                   \
    va_start(arguments, flags);                          \
    mode = va_arg(arguments, mode_t);                    \
    va_end(arguments);                                   \
  }                                                      \
  int fd = call;                                         \
  track(fd, path_argument, flags);                       \
  return fd;

int open(const char *path, int flags, ...) { OPEN_BODY(REAL(open)(path, flags, mode), path) }
int open64(const char *path, int flags, ...) { OPEN_BODY(REAL(open64)(path, flags, mode), path) }
int openat(int at, const char *path, int flags, ...) { OPEN_BODY(REAL(openat)(at, path, flags, mode), path) }
int openat64(int at, const char *path, int flags, ...) { OPEN_BODY(REAL(openat64)(at, path, flags, mode), path) }

int close(int fd) {
  if (fd >= 0 && fd < FD_MAX) fds[fd].file = 0;
  return REAL(close)(fd);
}

static uint32_t file_of(int fd) { return fd >= 0 && fd < FD_MAX ? fds[fd].file : 0; }

/* Caller holds the lock. */
static void record_write(int fd, uint64_t offset, const struct iovec *parts, int count, size_t written) {
  record(KIND_WRITE, fds[fd].file, offset, written, 0);
  for (int i = 0; i < count && written > 0; i++) {
    size_t part = parts[i].iov_len < written ? parts[i].iov_len : written;
    put(parts[i].iov_base, part);
    written -= part;
  }
  if (fds[fd].synchronous) record(KIND_SYNC, fds[fd].file, 0, 0, record_index);
}

#define WRITE_BODY(call, position, parts, count)                              \
  if (file_of(fd) == 0) return call;                                          \
  pthread_mutex_lock(&lock);                                                  \
  uint64_t at = (uint64_t)(position);                                         \
  ssize_t done = call;                                                        \
  int failure = errno;                                                        \
  if (done > 0) record_write(fd, at, parts, count, (size_t)done);             \
  pthread_mutex_unlock(&lock);                                                \
  errno = failure;                                                            \
  return done;

ssize_t write(int fd, const void *bytes, size_t length) {
  struct iovec part = {(void *)bytes, length};
  WRITE_BODY(REAL(write)(fd, bytes, length), lseek(fd, 0, SEEK_CUR), &part, 1)
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
  struct iovec part = {(void *)bytes, length};
  WRITE_BODY(REAL(pwrite)(fd, bytes, length, offset), offset, &part, 1)
}
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
  struct iovec part = {(void *)bytes, length};
  WRITE_BODY(REAL(pwrite64)(fd, bytes, length, offset), offset, &part, 1)
}
ssize_t writev(int fd, const struct iovec *parts, int count) { WRITE_BODY(REAL(writev)(fd, parts, count), lseek(fd, 0, SEEK_CUR), parts, count) }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) { WRITE_BODY(REAL(pwritev)(fd, parts, count, offset), offset, parts, count) }
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) { WRITE_BODY(REAL(pwritev64)(fd, parts, count, offset), offset, parts, count) }

static int sync_body(int fd, int (*call)(int)) {
  uint32_t file = file_of(fd);
  pthread_mutex_lock(&lock);
  uint64_t began = record_index;
  pthread_mutex_unlock(&lock);
  int result = call(fd);
  int failure = errno;
  if (file != 0 && result == 0) {
    pthread_mutex_lock(&lock);
    record(KIND_SYNC, file, 0, 0, began);
    pthread_mutex_unlock(&lock);
  }
  errno = failure;
  return result;
}
int fsync(int fd) { return sync_body(fd, REAL(fsync)); }
int fdatasync(int fd) { return sync_body(fd, REAL(fdatasync)); }

static int truncate_body(int fd, off64_t size) {
  if (file_of(fd) == 0) return REAL(ftruncate64)(fd, size);
  pthread_mutex_lock(&lock);
  int result = REAL(ftruncate64)(fd, size);
  int failure = errno;
  if (result == 0) record(KIND_TRUNCATE, fds[fd].file, (uint64_t)size, 0, 0);
  pthread_mutex_unlock(&lock);
  errno = failure;
  return result;
}
int ftruncate(int fd, off_t size) { return truncate_body(fd, size); }
int ftruncate64(int fd, off64_t size) { return truncate_body(fd, size); }

static int allocate_body(int fd, int mode, off64_t offset, off64_t length) {
  if (file_of(fd) == 0) return REAL(fallocate64)(fd, mode, offset, length);
  pthread_mutex_lock(&lock);
  int result = REAL(fallocate64)(fd, mode, offset, length);
  int failure = errno;
  if (result == 0 && (mode & FALLOC_FL_PUNCH_HOLE) != 0) {
    record(KIND_PUNCH, fds[fd].file, (uint64_t)offset, 8, 0);
    uint64_t punched = (uint64_t)length;
    put(&punched, 8);
  }
  pthread_mutex_unlock(&lock);
  errno = failure;
  return result;
}
int fallocate(int fd, int mode, off_t offset, off_t length) { return allocate_body(fd, mode, offset, length); }
int fallocate64(int fd, int mode, off64_t offset, off64_t length) { return allocate_body(fd, mode, offset, length); }

int rename(const char *from, const char *to) {
  if (!below_root(from) && !below_root(to)) return REAL(rename)(from, to);
  pthread_mutex_lock(&lock);
  int result = REAL(rename)(from, to);
  int failure = errno;
  if (result == 0) {
    size_t from_length = strlen(from) + 1, to_length = strlen(to);
    record(KIND_RENAME, 0, 0, from_length + to_length, 0); /* "from NUL to" */
    put(from, from_length);
    put(to, to_length);
  }
  pthread_mutex_unlock(&lock);
  errno = failure;
  return result;
}

int unlink(const char *path) {
  if (!below_root(path)) return REAL(unlink)(path);
  pthread_mutex_lock(&lock);
  int result = REAL(unlink)(path);
  int failure = errno;
  if (result == 0) {
    record(KIND_UNLINK, 0, 0, strlen(path), 0);
    put(path, strlen(path));
  }
  pthread_mutex_unlock(&lock);
  errno = failure;
  return result;
}

/* A store through a shared writable mapping would escape this record: such a mapping of a recorded file ends the run. */
static void refuse_shared_mapping(int protection, int flags, int fd) {
  if ((flags & MAP_SHARED) == 0 || (protection & PROT_WRITE) == 0 || file_of(fd) == 0) return;
  /* LMDB's lock file is mapped so; it carries nothing across a restart and is left out by name. */
  char link_path[64], target[PATH_BYTES_MAX];
  snprintf(link_path, sizeof link_path, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link_path, target, sizeof target - 1);
  if (length > 0) {
    target[length] = 0;
    if (strstr(target, "-lock") != NULL || strstr(target, "lock.mdb") != NULL) return;
  }
  fprintf(stderr, "power-cut shim: a shared writable mapping of a recorded file\n");
  abort();
}
void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
  refuse_shared_mapping(protection, flags, fd);
  return REAL(mmap)(address, length, protection, flags, fd, offset);
}
void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t offset) {
  refuse_shared_mapping(protection, flags, fd);
  return REAL(mmap64)(address, length, protection, flags, fd, offset);
}
