/* SPDX-License-Identifier: MIT
 * file.c - whole files: mapped, read, made
 *
 * A new file is written under a temporary name (temporary.c).  The order is the one that survives a
 * crash at any point: bytes to the disk, then the name, then the folder that holds the name.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"

enum {
    LINKS = 40, /* followed one after the other, as the kernel does */
    TO_READ = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC
};

/* An empty file cannot be mapped, and needs no mapping: its data are NULL. */
int file_map(struct file *f, const char *path)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *data = NULL;

    *f = (struct file){ 0 };
    if (fd < 0)
        return fail_errno("%s", path);
    if (fstat(fd, &status)) {
        fail_errno("%s", path);
    } else if (!S_ISREG(status.st_mode)) {
        fail("%s: not a regular file", path);
    } else {
        data = status.st_size ? mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0)
                              : NULL;
        if (data != MAP_FAILED) {
            *f = (struct file){ data, (size_t)status.st_size };
            if (data)
                guard_add(data, f->size, path);
            close(fd);
            return 0;
        }
        fail_errno("%s: cannot map", path);
    }
    close(fd);
    return -1;
}

void file_unmap(struct file *f)
{
    if (f->data) {
        guard_remove(f->data);
        munmap((void *)(uintptr_t)f->data, f->size);
    }
    *f = (struct file){ 0 };
}

/* Whole pages inside of the range alone: the others hold bytes of a neighbour too. */
void file_release(const void *data, size_t size)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = ((uintptr_t)data + page - 1) / page * page;
    uintptr_t last = ((uintptr_t)data + size) / page * page;

    if (last > first)
        madvise((void *)first, last - first, MADV_DONTNEED);
}

/* To the end, whatever the size was said to be; a NUL stands behind the bytes. */
static int read_all(struct buffer *b, int fd, const char *path)
{
    ssize_t got;

    do {
        buffer_reserve(b, 1 << 16);
        got = read(fd, b->data + b->size, b->capacity - b->size - 1);
        if (got > 0)
            b->size += (size_t)got;
    } while (got > 0 || (got < 0 && errno == EINTR));
    b->data[b->size] = 0;
    return got < 0 ? fail_errno("%s", path) : 0;
}

int file_read(struct buffer *b, const char *path)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC), result;

    if (fd < 0)
        return fail_errno("%s", path);
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
        buffer_reserve(b, (size_t)status.st_size + 1);
    result = read_all(b, fd, path);
    close(fd);
    return result;
}

static void close_keeping_errno(int fd)
{
    int why = errno;

    close(fd);
    errno = why;
}

/* Looked at behind the descriptor, so that it cannot become another file in between; opened without
 * waiting, so that a pipe or a device does not hold up the caller; read to a limit, because files
 * of /proc say that they are regular and small. */
static int read_opened(struct buffer *b, int fd, const char *name, size_t most)
{
    size_t before = b->size;
    int result = -1;
    struct stat status;
    ssize_t got = 1;

    if (fd < 0 || fstat(fd, &status)) {
        fail_errno("%s", name);
    } else if (!S_ISREG(status.st_mode)) {
        fail_as("unsupported", "%s: not a regular file", name);
    } else if ((uint64_t)status.st_size <= most) {
        buffer_reserve(b, (size_t)status.st_size + 1);
        while (got && b->size - before <= most) {
            buffer_reserve(b, 1 << 12);
            got = read(fd, b->data + b->size, b->capacity - b->size - 1);
            if (got < 0 && errno != EINTR)
                break;
            b->size += got > 0 ? (size_t)got : 0;
        }
        b->data[b->size] = 0;
        if (got < 0)
            fail_errno("%s", name);
        else
            result = b->size - before <= most ? 0 : 1;
    } else {
        result = 1;
    }
    if (fd >= 0)
        close(fd);
    return result > 0 ? fail_as("too_large", "%s: larger than %zu bytes", name, most) : result;
}

int file_read_named(struct buffer *b, const char *path, const char *name, size_t most)
{
    return read_opened(b, open(path, TO_READ), name, most);
}

/* For kernels without openat2 (before 5.6): component by component, and no link at all. */
static int walk_beneath(int folder, const char *name)
{
    int at = dup(folder), next;

    if (name[0] == '/')
        errno = EXDEV;
    while (at >= 0 && name[0] != '/') {
        size_t length = strcspn(name, "/");
        char *part = xmemdup(name, length);
        bool last = !name[length + strspn(name + length, "/")];

        next = -1;
        if (!strcmp(part, ".."))
            errno = EXDEV;
        else
            next =
                openat(at, part, (last ? TO_READ : O_PATH | O_DIRECTORY | O_CLOEXEC) | O_NOFOLLOW);
        free(part);
        close(at);
        at = next;
        if (last)
            return at;
        name += length + strspn(name + length, "/");
    }
    if (at >= 0)
        close(at);
    return -1;
}

int file_read_beneath(struct buffer *b, const char *folder, const char *name, size_t most)
{
    struct open_how how = { .flags = TO_READ, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
    int above = open(folder ? folder : ".", O_PATH | O_DIRECTORY | O_CLOEXEC), fd;

    if (above < 0)
        return fail_errno("%s", folder ? folder : ".");
    fd = (int)syscall(SYS_openat2, above, name, &how, sizeof how);
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        fd = walk_beneath(above, name);
    if (fd < 0 && errno == EXDEV) {
        close(above);
        return fail_as("outside", "%s: leads out of the folder that --confine names", name);
    }
    close_keeping_errno(above);
    return read_opened(b, fd, name, most);
}

/* pread() leaves the position alone, so threads may share what they read from. */
int file_read_part(struct buffer *b, const char *path, long long at, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t have = 0;
    ssize_t got = 0;

    if (fd < 0)
        return fail_errno("%s", path);
    buffer_reserve(b, size + 1);
    while (have < size) {
        got = pread(fd, b->data + b->size + have, size - have, (off_t)at + (off_t)have);
        if (got == 0 || (got < 0 && errno != EINTR))
            break;
        have += got > 0 ? (size_t)got : 0;
    }
    if (have == size) {
        b->size += size;
        b->data[b->size] = 0;
    } else if (got < 0) {
        fail_errno("%s", path);
    } else {
        fail_as("truncated", "%s: ends before byte %lld", path, at + (long long)size);
    }
    close(fd);
    return have == size ? 0 : -1;
}

/* Where a path leads, also if the last link of it leads to nothing yet; to free. */
static char *follow_links(const char *path)
{
    char *real = realpath(path, NULL), *name, *above, *joined;
    char link[PATH_MAX];
    ssize_t length;

    if (real)
        return real;
    name = xstrdup(path);
    for (int i = 0; i < LINKS && (length = readlink(name, link, sizeof link - 1)) > 0; i++) {
        link[length] = 0;
        above = path_above(name);
        joined = path_join(above, link);
        free(above);
        free(name);
        name = joined;
    }
    return name;
}

/* The bytes go into a file without a name where the file system has such, else into one beside
 * `path` with a temporary name; until new_file_commit() nobody sees them. */
int new_file_open(struct new_file *f, const char *path)
{
    struct stat status;
    bool there = stat(path, &status) == 0;

    *f = (struct new_file){ .path = follow_links(path) };
    if (there && !S_ISREG(status.st_mode)) { /* a device stays one */
        f->fd = open(path, O_WRONLY | O_CLOEXEC);
        if (f->fd < 0)
            fail_errno("%s", path);
    } else {
        f->fd = temporary_nameless(f->path, &f->temporary);
        f->nameless = f->fd >= 0;
        if (!f->nameless)
            f->fd = temporary_create(f->path, false, &f->temporary);
        if (f->fd >= 0 && there)
            fchmod(f->fd, status.st_mode & 0777);
    }
    if (f->fd >= 0)
        return 0;
    free(f->path);
    *f = (struct new_file){ .fd = -1 };
    return -1;
}

int new_file_write(struct new_file *f, const void *bytes, size_t size)
{
    const char *data = bytes;

    while (size) {
        ssize_t put = write(f->fd, data, size);

        if (put < 0 && errno != EINTR)
            return fail_errno("%s", f->path);
        if (put > 0) {
            data += put;
            size -= (size_t)put;
        }
    }
    return 0;
}

/* A rename is on the disk when the folder that holds the names is. */
int folder_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = 0;

    if (fd < 0)
        return errno == EACCES ? 0 : -1; /* may be written, not read */
    if (fsync(fd) && errno != EINVAL && errno != ENOTSUP && errno != EROFS)
        result = -1; /* else a file system that knows no such thing */
    close(fd);
    return result;
}

static int sync_above(const char *path)
{
    char *above = path_above(path);
    int result = folder_sync(above);

    free(above);
    return result;
}

/* rename() needs a name to begin with: this one is there for a moment. */
static int take_name(struct new_file *f)
{
    if (f->nameless && temporary_link(f->fd, f->temporary))
        return -1;
    f->nameless = false;
    return 0;
}

/* Bytes, name, folder: a crash between two of these steps leaves the old file or the new one. */
int new_file_commit(struct new_file *f)
{
    int result = 0;

    if (f->temporary) {
        if (fsync(f->fd) || take_name(f) || rename(f->temporary, f->path)) {
            result = fail_errno("%s", f->path);
        } else {
            temporary_forget(f->temporary);
            free(f->temporary); /* the name is another's now */
            f->temporary = NULL;
            if (sync_above(f->path))
                result = fail_errno("%s", f->path);
        }
    }
    if (close(f->fd) && !result)
        result = fail_errno("%s", f->path);
    f->fd = -1;
    new_file_drop(f);
    return result;
}

void new_file_drop(struct new_file *f)
{
    if (f->temporary) {
        if (!f->nameless)
            unlink(f->temporary);
        temporary_forget(f->temporary);
    }
    if (f->fd >= 0)
        close(f->fd);
    free(f->temporary);
    free(f->path);
    *f = (struct new_file){ .fd = -1 };
}

int file_write_atomic(const char *path, const void *data, size_t size)
{
    struct new_file f;

    if (new_file_open(&f, path))
        return -1;
    if (new_file_write(&f, data, size) == 0)
        return new_file_commit(&f);
    new_file_drop(&f);
    return -1;
}

/* A name that begins with "/" stands alone.  To free. */
char *path_join(const char *folder, const char *name)
{
    size_t n = folder ? strlen(folder) : 0;

    if (!n || name[0] == '/')
        return xstrdup(name);
    return xprintf("%s%s%s", folder, folder[n - 1] == '/' ? "" : "/", name);
}

char *path_above(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? xmemdup(path, (size_t)(slash - path) + (slash == path)) : xstrdup(".");
}

bool path_is_folder(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

bool path_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

bool path_same(const char *a, const char *b)
{
    struct stat first, second;
    char *x = follow_links(a), *y = follow_links(b), *above, *other;
    int there = stat(x, &first) == 0, both = there + (stat(y, &second) == 0);
    bool same = both == 2 && S_ISREG(first.st_mode);

    if (both == 0) { /* the folders are compared, and the names in them */
        above = path_above(x);
        other = path_above(y);
        same = !strcmp(name_of(x), name_of(y)) && stat(above, &first) == 0 &&
               stat(other, &second) == 0;
        free(above);
        free(other);
    }
    same = same && first.st_dev == second.st_dev && first.st_ino == second.st_ino;
    free(x);
    free(y);
    return same;
}

bool path_held(const char *path)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    bool held = fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
                flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;

    if (fd >= 0)
        close(fd);
    return held;
}
