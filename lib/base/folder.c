/* SPDX-License-Identifier: MIT
 * folder.c - a folder of files that appears whole
 *
 * It is filled under another name and then renamed.  A folder that has the name already changes
 * places with it in one step (RENAME_EXCHANGE) where the file system can; elsewhere it steps aside
 * first, so that a kill between leaves both, whole, under names that end in ".tmp" and ".old".
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/base.h"

static bool is_dots(const char *name)
{
    return !strcmp(name, ".") || !strcmp(name, "..");
}

/* Files, not folders: nobody puts one into what is ours. */
static void remove_folder(const char *path)
{
    DIR *list = opendir(path);
    struct dirent *e;

    while (list && (e = readdir(list)))
        if (!is_dots(e->d_name))
            unlinkat(dirfd(list), e->d_name, 0);
    if (list)
        closedir(list);
    rmdir(path);
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

/* "NAME.PID.tmp" of processes that are no more: runs that were killed while they wrote. */
static void sweep(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char *above = slash ? xmemdup(path, (size_t)(slash - path) + 1) : xstrdup(".");
    size_t length = strlen(name);
    DIR *list = opendir(above);
    struct dirent *e;
    int end;
    long process;

    while (list && (e = readdir(list))) {
        end = 0;
        if (!strncmp(e->d_name, name, length) &&
            sscanf(e->d_name + length, ".%ld.tmp%n", &process, &end) == 1 && end &&
            !e->d_name[length + (size_t)end] && process > 0 && kill((pid_t)process, 0) &&
            errno == ESRCH) {
            char *old = path_join(above, e->d_name);

            remove_folder(old);
            free(old);
        }
    }
    if (list)
        closedir(list);
    free(above);
}

int folder_begin(struct folder *f, const char *path, const char *mark)
{
    struct stat status;
    char *marked;

    *f = (struct folder){ .path = plain_path(path) };
    marked = path_join(f->path, mark);
    if (stat(f->path, &status) == 0 && !S_ISDIR(status.st_mode))
        fail("%s: is there already, and no folder", path);
    else if (path_exists(f->path) && !path_exists(marked) && !is_empty(f->path))
        fail("%s: is there already, with files but without %s: not replaced", path, mark);
    else
        f->temporary = xprintf("%s.%ld.tmp", f->path, (long)getpid());
    free(marked);
    if (f->temporary)
        sweep(f->path);
    if (f->temporary && mkdir(f->temporary, 0777)) {
        if (errno == EEXIST) /* of a run that was killed, whose number came round again */
            remove_folder(f->temporary);
        if (mkdir(f->temporary, 0777)) {
            fail_errno("%s", f->temporary);
            free(f->temporary);
            f->temporary = NULL;
        }
    }
    if (f->temporary)
        return 0;
    free(f->path);
    *f = (struct folder){ 0 };
    return -1;
}

void folder_drop(struct folder *f)
{
    if (f->temporary)
        remove_folder(f->temporary);
    free(f->temporary);
    free(f->path);
    *f = (struct folder){ 0 };
}

static int sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 || fsync(fd) ? -1 : 0;

    if (fd >= 0)
        close(fd);
    return result;
}

static bool begins_with_any(const char *name, const char *const *beginnings)
{
    for (; *beginnings; beginnings++)
        if (!strncmp(name, *beginnings, strlen(*beginnings)))
            return true;
    return false;
}

/* What somebody else put beside the old files goes over to the new ones. */
static void move_others(const char *from, const char *to, const char *const *own)
{
    DIR *old = opendir(from);
    int new = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct dirent *e;

    while (old && new >= 0 && (e = readdir(old)))
        if (!is_dots(e->d_name) && !begins_with_any(e->d_name, own))
            renameat2(dirfd(old), e->d_name, new, e->d_name, RENAME_NOREPLACE);
    if (old)
        closedir(old);
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
    free(*old);
    *old = xprintf("%s.%ld.old", f->path, (long)getpid());
    return rename(f->path, *old) || rename(f->temporary, f->path) ? -1 : 0;
}

int folder_commit(struct folder *f, const char *const *own)
{
    char *old = NULL, *above = xprintf("%s/..", f->path);
    int result = sync_folder(f->temporary) ? -1 : take_place(f, &old);

    if (result) {
        fail_errno("%s", f->path);
    } else {
        free(f->temporary);
        f->temporary = NULL;
        sync_folder(above);
        if (old) {
            move_others(old, f->path, own);
            remove_folder(old);
        }
    }
    free(above);
    free(old);
    folder_drop(f);
    return result;
}
