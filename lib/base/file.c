/* SPDX-License-Identifier: MIT
 * file.c - whole files: mapped, read, written under another name and renamed
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/base.h"

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

void file_release(const void *data, size_t size)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = ((uintptr_t)data + page - 1) / page * page;
    uintptr_t last = ((uintptr_t)data + size) / page * page;

    if (last > first)
        madvise((void *)first, last - first, MADV_DONTNEED);
}

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

static int write_all(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t put = write(fd, data, size);

        if (put < 0 && errno != EINTR)
            return -1;
        if (put > 0) {
            data += put;
            size -= (size_t)put;
        }
    }
    return 0;
}

int file_write_atomic(const char *path, const void *data, size_t size)
{
    char *name = xprintf("%s.%ld.tmp", path, (long)getpid());
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    int result = -1;

    if (fd < 0) {
        fail_errno("%s", name);
    } else {
        bool bad = write_all(fd, data, size) || fsync(fd);

        if (close(fd) || bad || rename(name, path)) {
            fail_errno("%s", path);
            unlink(name);
        } else {
            result = 0;
        }
    }
    free(name);
    return result;
}

char *path_join(const char *folder, const char *name)
{
    size_t n = folder ? strlen(folder) : 0;

    if (!n || name[0] == '/')
        return xstrdup(name);
    return xprintf("%s%s%s", folder, folder[n - 1] == '/' ? "" : "/", name);
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
