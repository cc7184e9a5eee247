/* Counts what a process does to files below one directory, and kills it or fills its disk at the n-th event.
 *
 * Preloaded (LD_PRELOAD), so that Python, SQLite and Delta's Rust are all seen. A test arms it through ctypes in the
 * process that is to die: file_events_arm(directory, mode, n). Modes: 'c' only counts, 'k' kills (a write is torn in half
 * first), 'f' answers every event from the n-th on that needs space with ENOSPC.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static char below[4096];
static char mode = 0;
static long at = 0;
static atomic_long seen = 0;

void file_events_arm(const char *directory, char wanted, long n) {
    snprintf(below, sizeof below, "%s", directory);
    at = n;
    atomic_store(&seen, 0);
    mode = wanted;
}

long file_events_seen(void) { return atomic_load(&seen); }

static int is_below(const char *path) { return mode && path && strncmp(path, below, strlen(below)) == 0; }

static int is_open_below(int fd) {
    char link[64], path[4096];
    if (!mode) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_below(path);
}

/* Whether the event happens now. Does not return where it is the one to die at. */
static int happens(int needs_space) {
    long number = atomic_fetch_add(&seen, 1) + 1;
    if (mode == 'k' && number == at) kill(getpid(), SIGKILL);
    if (mode == 'f' && number >= at && needs_space) { errno = ENOSPC; return 0; }
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define OPENS(name)                                                                         \
    int name(const char *path, int flags, ...) {                                            \
        va_list rest; va_start(rest, flags); mode_t how = va_arg(rest, mode_t); va_end(rest); \
        if ((flags & O_CREAT) && is_below(path) && !happens(1)) return -1;                  \
        return REAL(name)(path, flags, how);                                                \
    }
OPENS(open)
OPENS(open64)

#define OPENS_AT(name)                                                                      \
    int name(int folder, const char *path, int flags, ...) {                                \
        va_list rest; va_start(rest, flags); mode_t how = va_arg(rest, mode_t); va_end(rest); \
        if ((flags & O_CREAT) && is_below(path) && !happens(1)) return -1;                  \
        return REAL(name)(folder, path, flags, how);                                        \
    }
OPENS_AT(openat)
OPENS_AT(openat64)

static int is_torn(void) { return mode == 'k' && atomic_load(&seen) + 1 == at; }

ssize_t write(int fd, const void *bytes, size_t length) {
    if (is_open_below(fd)) {
        if (is_torn()) REAL(write)(fd, bytes, length / 2);
        if (!happens(1)) return -1;
    }
    return REAL(write)(fd, bytes, length);
}

#define WRITES_AT(name, offset_type)                                                        \
    ssize_t name(int fd, const void *bytes, size_t length, offset_type offset) {            \
        if (is_open_below(fd)) {                                                            \
            if (is_torn()) REAL(name)(fd, bytes, length / 2, offset);                       \
            if (!happens(1)) return -1;                                                     \
        }                                                                                   \
        return REAL(name)(fd, bytes, length, offset);                                       \
    }
WRITES_AT(pwrite, off_t)
WRITES_AT(pwrite64, off64_t)

ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (is_open_below(fd) && !happens(1)) return -1;
    return REAL(writev)(fd, parts, count);
}

int mkdir(const char *path, mode_t how) {
    if (is_below(path) && !happens(1)) return -1;
    return REAL(mkdir)(path, how);
}

int rename(const char *from, const char *to) {
    if (is_below(to)) happens(0);
    return REAL(rename)(from, to);
}

int link(const char *from, const char *to) {
    if (is_below(to) && !happens(1)) return -1;
    return REAL(link)(from, to);
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
    if (is_below(to) && !happens(1)) return -1;
    return REAL(linkat)(from_folder, from, to_folder, to, flags);
}

int unlink(const char *path) {
    if (is_below(path)) happens(0);
    return REAL(unlink)(path);
}

int ftruncate(int fd, off_t length) {
    if (is_open_below(fd)) happens(0);
    return REAL(ftruncate)(fd, length);
}

int ftruncate64(int fd, off64_t length) {
    if (is_open_below(fd)) happens(0);
    return REAL(ftruncate64)(fd, length);
}

int fsync(int fd) {
    if (is_open_below(fd)) happens(0);
    return REAL(fsync)(fd);
}

int fdatasync(int fd) {
    if (is_open_below(fd)) happens(0);
    return REAL(fdatasync)(fd);
}
