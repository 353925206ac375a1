/* Loaded before a program (LD_PRELOAD), lets calls that change files fail as a bad disk would.
 *
 * FAULT_UNDER   folder: only files below it are meant
 * FAULT_CALLS   which calls: letters of w (write), s (fsync), r (rename), o (open to write), d (mkdir), t (ftruncate)
 * FAULT_AT      the call that fails, from 1; 0 for none
 * FAULT_ALWAYS  set: all calls after it fail too
 * FAULT_ERRNO   the error; 0 lets a write end in the middle, which is no error
 * FAULT_COUNT   file in which the number of such calls is left at the end
 *
 * CLOCK_BACK    set: the time of day is a day earlier each time it is asked for
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static atomic_long calls;

static long number(const char *name) {
    const char *text = getenv(name);
    return text ? atol(text) : 0;
}

/* Whether this call is to fail. */
static int strikes(char kind, const char *path) {
    const char *under = getenv("FAULT_UNDER"), *kinds = getenv("FAULT_CALLS");
    if (!under || !kinds || !path || !strchr(kinds, kind) || strncmp(path, under, strlen(under)) != 0) return 0;
    long n = atomic_fetch_add(&calls, 1) + 1, at = number("FAULT_AT");
    return at > 0 && (n == at || (n > at && getenv("FAULT_ALWAYS")));
}

static int strikes_fd(char kind, int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return strikes(kind, path);
}

static int failed(void) {
    errno = (int)number("FAULT_ERRNO");
    return -1;
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

ssize_t write(int fd, const void *bytes, size_t count) {
    REAL(ssize_t, "write", int, const void *, size_t);
    if (strikes_fd('w', fd)) {
        if (number("FAULT_ERRNO")) {
            /* A disk that is full takes what still fits. */
            if (count > 1) real(fd, bytes, count / 2);
            return failed();
        }
        return real(fd, bytes, count > 1 ? count / 2 : count);
    }
    return real(fd, bytes, count);
}

int fsync(int fd) {
    REAL(int, "fsync", int);
    return strikes_fd('s', fd) ? failed() : real(fd);
}

int fdatasync(int fd) {
    REAL(int, "fdatasync", int);
    return strikes_fd('s', fd) ? failed() : real(fd);
}

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    return strikes('r', to) ? failed() : real(from, to);
}

int mkdir(const char *path, mode_t mode) {
    REAL(int, "mkdir", const char *, mode_t);
    return strikes('d', path) ? failed() : real(path, mode);
}

int ftruncate64(int fd, off64_t length) {
    REAL(int, "ftruncate64", int, off64_t);
    return strikes_fd('t', fd) ? failed() : real(fd, length);
}

int open64(const char *path, int flags, ...) {
    REAL(int, "open64", const char *, int, ...);
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    if ((flags & O_ACCMODE) != O_RDONLY && strikes('o', path)) return failed();
    return real(path, flags, mode);
}

__attribute__((destructor)) static void leave(void) {
    const char *path = getenv("FAULT_COUNT");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file) return;
    fprintf(file, "%ld\n", atomic_load(&calls));
    fclose(file);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    REAL(int, "clock_gettime", clockid_t, struct timespec *);
    static atomic_long asked;
    int done = real(clock, time);
    if (clock == CLOCK_REALTIME && done == 0 && getenv("CLOCK_BACK")) time->tv_sec -= 86400 * (atomic_fetch_add(&asked, 1) + 1);
    return done;
}
