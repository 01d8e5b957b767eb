/* SPDX-License-Identifier: MIT
 * temporary.c - names beside a path for what is not whole yet: NAME.RANDOM.tmp
 *
 * The maker holds a lock (flock) on it until it is renamed or removed, and the system drops the
 * lock when the maker dies.  So whoever gets the lock of such a name knows that its maker is gone,
 * and removes it.  Between creating and locking another process may do just that: the maker looks
 * again when it has the lock, and takes another name if its own leads elsewhere by then.
 *
 * Where the file system can (O_TMPFILE), a file has no name at all until it is whole, so a kill
 * leaves nothing of it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"

enum { DIGITS = 16, LONGEST = 200, TRIES = 100 }; /* a name has 255 bytes at most */

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static size_t kept_length(const char *base)
{
    size_t length = strlen(base);

    return length < LONGEST ? length : LONGEST;
}

static bool leads_to(int folder, const char *name, int fd)
{
    struct stat by_name, by_fd;

    return fstatat(folder, name, &by_name, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &by_fd) == 0 &&
           by_name.st_dev == by_fd.st_dev && by_name.st_ino == by_fd.st_ino;
}

bool temporary_is_of(const char *path, const char *name, const char *ending)
{
    const char *base = base_of(path);
    size_t kept = kept_length(base);

    return !strncmp(name, base, kept) && name[kept] == '.' &&
           strspn(name + kept + 1, "0123456789abcdef") == DIGITS &&
           !strcmp(name + kept + 1 + DIGITS, ending);
}

void folder_remove_open(int folder, const char *path)
{
    int again = dup(folder); /* closedir() closes it */
    DIR *list = again >= 0 ? fdopendir(again) : NULL;
    struct dirent *e;

    if (list)
        rewinddir(list); /* the place in it is shared */
    while (list && (e = readdir(list)))
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
            unlinkat(folder, e->d_name, 0);
    if (list)
        closedir(list);
    else if (again >= 0)
        close(again);
    rmdir(path);
}

void folder_remove(const char *path)
{
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (folder < 0)
        return;
    folder_remove_open(folder, path);
    close(folder);
}

/* Removes a leftover if nobody holds its lock. */
static void remove_unlocked(int folder, const char *above, const char *name)
{
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat status;
    char *path;

    if (fd < 0)
        return;
    if (fstat(fd, &status) == 0 && (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) &&
        flock(fd, LOCK_EX | LOCK_NB) == 0 && leads_to(folder, name, fd)) {
        path = path_join(above, name);
        if (S_ISDIR(status.st_mode))
            folder_remove(path);
        else
            unlink(path);
        free(path);
    }
    close(fd);
}

void temporary_sweep(const char *path)
{
    char *above = path_above(path);
    DIR *list = opendir(above);
    struct dirent *e;

    while (list && (e = readdir(list)))
        if (temporary_is_of(path, e->d_name, ".tmp"))
            remove_unlocked(dirfd(list), above, e->d_name);
    if (list)
        closedir(list);
    free(above);
}

static char *name_beside(const char *path, const unsigned char bytes[DIGITS / 2])
{
    const char *base = base_of(path);
    struct buffer b = { 0 };

    buffer_add(&b, path, (size_t)(base - path) + kept_length(base));
    buffer_byte(&b, '.');
    for (int i = 0; i < DIGITS / 2; i++)
        buffer_printf(&b, "%02x", bytes[i]);
    buffer_string(&b, ".tmp");
    return b.data;
}

static char *random_name(const char *path)
{
    unsigned char bytes[DIGITS / 2];

    if (getrandom(bytes, sizeof bytes, 0) == (ssize_t)sizeof bytes)
        return name_beside(path, bytes);
    fail_errno("no random bytes");
    return NULL;
}

/* A folder that cannot be opened is not left behind; errno is that of opening. */
static int create(const char *name, bool folder)
{
    int fd, why;

    if (!folder)
        return open(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (mkdir(name, 0777))
        return -1;
    fd = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        why = errno;
        rmdir(name);
        errno = why;
    }
    return fd;
}

/* What this process makes, so that an end at any place removes it. */

enum { MOST = 16 };
static char made[MOST]
                [PATH_MAX]; /* no allocation: it may be one that fails that ends the process */
static pthread_mutex_t made_lock = PTHREAD_MUTEX_INITIALIZER;

static void remember(const char *name)
{
    static bool registered;
    int i = 0;

    pthread_mutex_lock(&made_lock);
    if (!registered)
        registered = atexit(temporary_remove_all) == 0;
    while (i < MOST && *made[i])
        i++;
    if (i < MOST && strlen(name) < sizeof made[i])
        strcpy(made[i], name);
    pthread_mutex_unlock(&made_lock);
}

void temporary_forget(const char *name)
{
    pthread_mutex_lock(&made_lock);
    for (int i = 0; i < MOST; i++)
        if (!strcmp(made[i], name))
            *made[i] = 0;
    pthread_mutex_unlock(&made_lock);
}

/* One thread may end the process while another makes a folder or puts it in its place: the end
 * waits for that, and nothing is made any more.  Recursive, as who makes it may end the process
 * itself. */
static pthread_mutex_t placing = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

void temporary_hold(void)
{
    pthread_mutex_lock(&placing);
}

void temporary_release(void)
{
    pthread_mutex_unlock(&placing);
}

void temporary_remove_all(void)
{
    const struct timespec soon = { 0, 1000000 };

    temporary_hold(); /* for ever: the process ends */
    pthread_mutex_lock(&made_lock);
    for (int i = 0; i < MOST; i++) {
        /* another thread may be writing files into it */
        for (int tries = 0;
             *made[i] && tries < TRIES && unlink(made[i]) && (errno == EISDIR || errno == EPERM);
             tries++) {
            if (tries)
                nanosleep(&soon, NULL);
            folder_remove(made[i]);
        }
        *made[i] = 0;
    }
    pthread_mutex_unlock(&made_lock);
}

/* /proc gives it a name later. */
static bool can_be_named(int fd)
{
    char link[40];
    struct stat by_link, by_fd;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    return stat(link, &by_link) == 0 && fstat(fd, &by_fd) == 0 && by_link.st_ino == by_fd.st_ino;
}

int temporary_nameless(const char *path, char **name)
{
    char *above = path_above(path);
    int fd;

    temporary_sweep(path);
    fd = open(above, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
    free(above);
    *name = fd >= 0 && can_be_named(fd) ? random_name(path) : NULL;
    if (*name)
        flock(fd, LOCK_EX | LOCK_NB);
    if (*name || fd < 0)
        return fd;
    close(fd);
    return -1;
}

int temporary_link(int fd, const char *name)
{
    char link[40];

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    remember(name);
    return linkat(AT_FDCWD, link, AT_FDCWD, name, AT_SYMLINK_FOLLOW);
}

int temporary_create(const char *path, bool folder, char **name)
{
    temporary_sweep(path);
    for (int i = 0; i < TRIES; i++) {
        int fd, why;

        if (!(*name = random_name(path)))
            return -1;
        temporary_hold();
        fd = create(*name, folder);
        why = fd < 0 ? errno : EAGAIN;
        /* A file system without locks is one where nothing is swept either. */
        if (fd >= 0 && (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) &&
            leads_to(AT_FDCWD, *name, fd)) {
            remember(*name);
            temporary_release();
            return fd;
        }
        temporary_release();
        if (fd >= 0)
            close(fd);
        free(*name);
        *name = NULL;
        errno = why;
        fail_errno("%s", path);
        if (fd < 0 && why != EEXIST && !(folder && why == ENOENT))
            break;
    }
    return -1;
}

/* The name of zeros is never drawn by chance.  A file that lost its name between open() and flock()
 * locks nothing: the next one is tried. */
int temporary_lock(const char *path, char **name)
{
    static const unsigned char zeros[DIGITS / 2];

    temporary_sweep(path);
    *name = name_beside(path, zeros);
    for (int i = 0; i < TRIES; i++) {
        int fd = open(*name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);

        if (fd < 0) {
            fail_errno("%s", path);
            break;
        }
        if (flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) {
            close(fd);
            fail("%s: another process is writing it", path);
            break;
        }
        if (leads_to(AT_FDCWD, *name, fd)) {
            remember(*name);
            return fd;
        }
        close(fd);
        fail("%s: another process is writing it", path);
    }
    free(*name);
    *name = NULL;
    return -1;
}

/* The name first: whoever gets the lock afterwards sees that it leads nowhere. */
void temporary_unlock(int fd, char *name)
{
    unlink(name);
    temporary_forget(name);
    close(fd);
    free(name);
}
