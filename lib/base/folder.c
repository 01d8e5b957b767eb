/* SPDX-License-Identifier: MIT
 * folder.c - a folder of files that appears whole
 *
 * It is filled under another name and then renamed.  A folder that has the name already changes
 * places with it in one step (RENAME_EXCHANGE) where the file system can; elsewhere it steps aside
 * first, so that a kill between leaves both, whole, under names that end in ".tmp" and ".old".  The
 * next process brings the old one back.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"

static bool is_dots(const char *name)
{
    return !strcmp(name, ".") || !strcmp(name, "..");
}

static bool is_empty(const char *path)
{
    DIR *list = opendir(path);
    struct dirent *e = NULL;

    while (list && (e = readdir(list)) && is_dots(e->d_name))
        ;
    if (list)
        closedir(list);
    return list && !e;
}

/* The folder that a name leads to, links followed, no slash behind it; to free. */
static char *plain_path(const char *path)
{
    char *real = realpath(path, NULL), *plain = real ? real : xstrdup(path);
    size_t length = strlen(plain);

    while (length > 1 && plain[length - 1] == '/')
        plain[--length] = 0;
    return plain;
}

int folder_begin(struct folder *f, const char *path, const char *mark, const char *const *own)
{
    struct stat status;
    char *marked;

    folder_recover(path, own);
    *f = (struct folder){ .path = plain_path(path), .fd = -1, .own = own };
    marked = path_join(f->path, mark);
    if (stat(f->path, &status) == 0 && !S_ISDIR(status.st_mode))
        fail("%s: is there already, and no folder", path);
    else if (path_exists(f->path) && !path_exists(marked) && !is_empty(f->path))
        fail("%s: is there already, with files but without %s: not replaced", path, mark);
    else
        f->fd = temporary_create(f->path, true, &f->temporary);
    free(marked);
    if (f->temporary)
        return 0;
    free(f->path);
    *f = (struct folder){ .fd = -1 };
    return -1;
}

void folder_drop(struct folder *f)
{
    if (f->temporary) {
        folder_remove(f->temporary);
        temporary_forget(f->temporary);
    }
    if (f->fd >= 0)
        close(f->fd);
    free(f->temporary);
    free(f->path);
    *f = (struct folder){ .fd = -1 };
}

static bool begins_with_any(const char *name, const char *const *beginnings)
{
    for (; *beginnings; beginnings++)
        if (!strncmp(name, *beginnings, strlen(*beginnings)))
            return true;
    return false;
}

/* Without a file system that promises it, what is there is looked for first. */
static void move_unless_there(int from, int to, const char *name)
{
    if (renameat2(from, name, to, name, RENAME_NOREPLACE) && errno == EINVAL &&
        faccessat(to, name, F_OK, AT_SYMLINK_NOFOLLOW))
        renameat(from, name, to, name);
}

/* What somebody else put beside the old files comes along.  Files get a second name in the new
 * folder before it takes its place, so that a kill at any point leaves them; folders, and files
 * where there are no second names, are moved when it has. */
static void take_others(int from, const char *to, const char *const *own, bool move)
{
    int again = dup(from); /* closedir() closes it */
    DIR *old = again >= 0 ? fdopendir(again) : NULL;
    int new = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct dirent *e;

    if (old)
        rewinddir(old); /* the place in it is shared */
    while (old && new >= 0 && (e = readdir(old))) {
        if (is_dots(e->d_name) || begins_with_any(e->d_name, own))
            continue;
        if (move)
            move_unless_there(dirfd(old), new, e->d_name);
        else if (linkat(dirfd(old), e->d_name, new, e->d_name, 0))
            continue; /* a new file has that name, or it is moved later */
    }
    if (old)
        closedir(old);
    else if (again >= 0)
        close(again);
    if (new >= 0)
        close(new);
}

/* Afterwards the new folder has the name, and *old, to free, is where the old one went. */
static int take_place(const struct folder *f, char **old)
{
    struct stat status;

    if (stat(f->path, &status)) {
        *old = NULL;
        return rename(f->temporary, f->path);
    }
    chmod(f->temporary, status.st_mode & 07777);
    *old = xstrdup(f->temporary);
    if (renameat2(AT_FDCWD, f->temporary, AT_FDCWD, f->path, RENAME_EXCHANGE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    strcpy(*old + strlen(*old) - strlen(".old"), ".old");
    return rename(f->path, *old) || rename(f->temporary, f->path) ? -1 : 0;
}

static bool leads_to_folder(const char *path, int fd)
{
    struct stat by_path, by_fd;

    return stat(path, &by_path) == 0 && fstat(fd, &by_fd) == 0 && by_path.st_ino == by_fd.st_ino &&
           by_path.st_dev == by_fd.st_dev;
}

/* A folder that stepped aside for one that never came, or was not removed: its process was killed.
 */
static void recover(int above, const char *name, const char *path, const char *const *own)
{
    int fd = openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    char *parent = path_above(path), *old = path_join(parent, name);

    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && leads_to_folder(old, fd) &&
        rename(old, path) && (errno == ENOTEMPTY || errno == EEXIST)) {
        take_others(fd, path, own, true);
        folder_remove_open(fd, old);
    }
    if (fd >= 0)
        close(fd);
    free(old);
    free(parent);
}

void folder_recover(const char *path, const char *const *own)
{
    char *plain = plain_path(path), *above = path_above(plain);
    DIR *list = opendir(above);
    struct dirent *e;

    while (list && (e = readdir(list)))
        if (temporary_is_of(plain, e->d_name, ".old"))
            recover(dirfd(list), e->d_name, plain, own);
    if (list)
        closedir(list);
    free(above);
    free(plain);
}

int folder_commit(struct folder *f)
{
    char *old = NULL, *above = path_above(f->path);
    int held = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), result;

    temporary_hold(); /* until the old folder is gone */
    if (held >= 0) {  /* nobody sweeps the old folder while its files come over */
        flock(held, LOCK_EX | LOCK_NB);
        take_others(held, f->temporary, f->own, false);
    }
    result = folder_sync(f->temporary) ? -1 : take_place(f, &old);

    if (result) {
        fail_errno("%s", f->path);
    } else {
        temporary_forget(f->temporary);
        free(f->temporary);
        f->temporary = NULL;
        folder_sync(above);
        if (old && held >= 0 && !leads_to_folder(old, held)) { /* another process replaced it too */
            close(held);
            held = -1;
        }
        if (old && held < 0 && (held = open(old, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0)
            flock(held, LOCK_EX | LOCK_NB);
        if (old && held >= 0) { /* else it stays: what others put there is not lost */
            take_others(held, f->path, f->own, true);
            folder_remove_open(held, old);
        }
    }
    if (held >= 0)
        close(held);
    free(above);
    free(old);
    folder_drop(f);
    temporary_release();
    return result;
}

int name_lock(struct name_lock *l, const char *path)
{
    char *plain = plain_path(path);

    *l = (struct name_lock){ .fd = -1 };
    l->fd = temporary_lock(plain, &l->name);
    free(plain);
    return l->fd < 0 ? -1 : 0;
}

void name_unlock(struct name_lock *l)
{
    if (l->name)
        temporary_unlock(l->fd, l->name);
    *l = (struct name_lock){ .fd = -1 };
}
