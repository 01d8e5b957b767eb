/* SPDX-License-Identifier: MIT
 * shim.c - loaded before libc (LD_PRELOAD), makes calls fail as the environment says
 *
 *     FAULT_MEMORY=N   allocation N fails                FAULT_READ=N     read N fails with EIO
 *     FAULT_FULL=N     from write N on the disk is full  FAULT_WRITE=N    write N fails with EIO
 *     FAULT_SHORT=1    reads and writes move 1 to 7 bytes
 *     FAULT_EINTR=K    every K-th read and write is interrupted
 *     FAULT_FSYNC=N    fsync N fails                     FAULT_RENAME=N   rename or link N fails
 *     FAULT_OPEN=N     opening file N fails with EMFILE  FAULT_CLOCK=1    the clock jumps
 *     FAULT_KILL=N     killed before rename or link N    FAULT_PLAIN=1    a file system without
 * links, which can neither make files without names nor rename in more than one way
 *     FAULT_COUNT=FILE at exit, how many calls of each kind there were
 *
 * Counts begin with main's first call, at 1.  Standard error is never touched.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t boundary, size_t size);

enum kind {
    MEMORY,
    READ,
    WRITE,
    FULL,
    SHORT,
    EINTR_EACH,
    FSYNC,
    RENAME,
    OPEN,
    CLOCK,
    KILL,
    PLAIN,
    KINDS
};
static const char *const names[KINDS] = {
    "FAULT_MEMORY", "FAULT_READ",   "FAULT_WRITE", "FAULT_FULL",  "FAULT_SHORT", "FAULT_EINTR",
    "FAULT_FSYNC",  "FAULT_RENAME", "FAULT_OPEN",  "FAULT_CLOCK", "FAULT_KILL",  "FAULT_PLAIN",
};
static long wanted[KINDS];
static atomic_long counts[KINDS];
static bool ready;

__attribute__((constructor)) static void begin(void)
{
    for (int i = 0; i < KINDS; i++) {
        const char *value = getenv(names[i]);

        wanted[i] = value ? atol(value) : 0;
    }
    ready = true;
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("FAULT_COUNT");
    char text[128];
    int size, fd;

    ready = false;
    if (!path)
        return;
    size = snprintf(text, sizeof text, "%ld %ld %ld %ld %ld %ld\n", (long)counts[MEMORY],
                    (long)counts[READ], (long)counts[WRITE], (long)counts[FSYNC],
                    (long)counts[RENAME], (long)counts[OPEN]);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd >= 0 && write(fd, text, (size_t)size) == size)
        close(fd);
}

/* Counts a call of this kind; true if it is the one that fails. */
static bool fails(enum kind kind, int error)
{
    if (!ready || atomic_fetch_add(&counts[kind], 1) + 1 != wanted[kind])
        return false;
    errno = error;
    return true;
}

void *malloc(size_t size)
{
    return fails(MEMORY, ENOMEM) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails(MEMORY, ENOMEM) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return fails(MEMORY, ENOMEM) ? NULL : __libc_realloc(old, size);
}

void *aligned_alloc(size_t boundary, size_t size)
{
    return fails(MEMORY, ENOMEM) ? NULL : __libc_memalign(boundary, size);
}

int posix_memalign(void **out, size_t boundary, size_t size)
{
    *out = fails(MEMORY, ENOMEM) ? NULL : __libc_memalign(boundary, size);
    return *out ? 0 : ENOMEM;
}

/* The next definition of a function: libc's. */
#define REAL(type, name) ((type)dlsym(RTLD_NEXT, name))

static size_t cut(size_t size, long number)
{
    size_t most = 1 + (size_t)(number * 7919 % 7);

    return wanted[SHORT] && size > most ? most : size;
}

static bool interrupted(void)
{
    if (!wanted[EINTR_EACH] || atomic_fetch_add(&counts[EINTR_EACH], 1) % wanted[EINTR_EACH])
        return false;
    errno = EINTR;
    return true;
}

static bool no_write(int fd)
{
    if (!ready || fd == 2)
        return false;
    if (interrupted() || fails(WRITE, EIO))
        return true;
    if (!wanted[FULL] || counts[WRITE] < wanted[FULL])
        return false;
    errno = ENOSPC;
    return true;
}

ssize_t read(int fd, void *data, size_t size)
{
    if (ready && (interrupted() || fails(READ, EIO)))
        return -1;
    return REAL(ssize_t(*)(int, void *, size_t), "read")(fd, data, cut(size, counts[READ]));
}

ssize_t pread(int fd, void *data, size_t size, off_t at)
{
    if (ready && (interrupted() || fails(READ, EIO)))
        return -1;
    return REAL(ssize_t(*)(int, void *, size_t, off_t), "pread")(fd, data, cut(size, counts[READ]),
                                                                 at);
}

ssize_t write(int fd, const void *data, size_t size)
{
    if (no_write(fd))
        return -1;
    if (fd != 2)
        size = cut(size, counts[WRITE]);
    return REAL(ssize_t(*)(int, const void *, size_t), "write")(fd, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
    if (no_write(fd))
        return -1;
    return REAL(ssize_t(*)(int, const void *, size_t, off_t),
                "pwrite")(fd, data, cut(size, counts[WRITE]), at);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    if (no_write(fd))
        return -1;
    if (wanted[SHORT] && count > 0)
        return REAL(ssize_t(*)(int, const void *, size_t),
                    "write")(fd, parts[0].iov_base, cut(parts[0].iov_len, counts[WRITE]));
    return REAL(ssize_t(*)(int, const struct iovec *, int), "writev")(fd, parts, count);
}

int fsync(int fd)
{
    return fails(FSYNC, EIO) ? -1 : REAL(int (*)(int), "fsync")(fd);
}

int fdatasync(int fd)
{
    return fails(FSYNC, EIO) ? -1 : REAL(int (*)(int), "fdatasync")(fd);
}

static bool no_rename(void)
{
    if (ready && wanted[KILL] && counts[RENAME] + 1 == wanted[KILL])
        raise(SIGKILL);
    return fails(RENAME, EIO);
}

int rename(const char *from, const char *to)
{
    return no_rename() ? -1 : REAL(int (*)(const char *, const char *), "rename")(from, to);
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags)
{
    if (wanted[PLAIN]) {
        errno = EPERM;
        return -1;
    }
    return no_rename() ? -1
                       : REAL(int (*)(int, const char *, int, const char *, int),
                              "linkat")(from_folder, from, to_folder, to, flags);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    return no_rename() ? -1
                       : REAL(int (*)(int, const char *, int, const char *),
                              "renameat")(from_folder, from, to_folder, to);
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    if (wanted[PLAIN] && flags) {
        errno = EINVAL;
        return -1;
    }
    return no_rename() ? -1
                       : REAL(int (*)(int, const char *, int, const char *, unsigned),
                              "renameat2")(from_folder, from, to_folder, to, flags);
}

int open(const char *path, int flags, ...)
{
    va_list list;
    mode_t mode;

    va_start(list, flags);
    mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
    va_end(list);
    if (wanted[PLAIN] && (flags & O_TMPFILE) == O_TMPFILE) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return fails(OPEN, EMFILE) ? -1
                               : REAL(int (*)(const char *, int, ...), "open")(path, flags, mode);
}

int clock_gettime(clockid_t which, struct timespec *t)
{
    int result = REAL(int (*)(clockid_t, struct timespec *), "clock_gettime")(which, t);

    if (wanted[CLOCK] && which == CLOCK_REALTIME) /* the monotonic one does not jump */
        t->tv_sec += atomic_fetch_add(&counts[CLOCK], 1) % 2 ? 1000000000 : -1000000;
    return result;
}
