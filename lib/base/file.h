/* SPDX-License-Identifier: MIT
 * file.h - files and folders, read and made
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/buffer.h"

/* file.c - whole files */
struct file {
    const unsigned char *data; /* mapped read-only; NULL when size is 0 */
    size_t size;
};
int file_map(struct file *f, const char *path); /* 0, or -1 after fail() */
void file_unmap(struct file *f);
void file_release(const void *data, size_t size);  /* drop the pages' resident copy */
int file_read(struct buffer *b, const char *path); /* appends; regular files and pipes */
/* A file that a record names: regular, at most that large; in messages it is called `name`. */
int file_read_named(struct buffer *b, const char *path, const char *name, size_t most);
/* The same below a folder (NULL: the working one): absolute paths, "..", and links that lead out of
 * it are refused, with code "outside". */
int file_read_beneath(struct buffer *b, const char *folder, const char *name, size_t most);
/* The `size` bytes at `at` of a regular file: all, or -1 after fail(); appends. */
int file_read_part(struct buffer *b, const char *path, long long at, size_t size);
char *path_join(const char *folder, const char *name); /* an absolute name stays; to free */
char *path_above(const char *path); /* its folder; "." for a bare name; to free */
bool path_is_folder(const char *path);
bool path_exists(const char *path);
/* Whether writing one writes the other: one regular file, or one name that is still free. */
bool path_same(const char *a, const char *b);
bool path_held(const char *path); /* another process holds its lock */

/* guard.c - a mapping that loses its file ends the program with a sentence and status 1 */
void guard_add(const void *data, size_t size, const char *path);
void guard_remove(const void *data);

/* file.c - a file that appears whole, or not at all: every output of every command is made so
 *
 * It is written without a name, or under a random one beside `path`, locked, and takes the name
 * `path` when it is committed: fsync, rename, fsync of the folder.  A kill, a full disk or a failed
 * call leaves what had the name before.  What a killed run left is removed by the next
 * new_file_open() of the same path, if no process holds its lock.  Symbolic links are followed; the
 * mode of a file that is there stays.  A device, pipe or socket is written in place and never
 * replaced: then `temporary` is NULL.
 *
 *     if (new_file_open(&f, path)) return -1;
 *     if (new_file_write(&f, data, size) == 0) return new_file_commit(&f);
 *     new_file_drop(&f);
 *     return -1;
 */
struct new_file {
    char *path;      /* where it will be */
    char *temporary; /* where it is until then: for who must remove it on a signal; or NULL */
    int fd;          /* may be written, sought and dup()ed */
    bool nameless;   /* it does not have the name `temporary` yet */
};
int new_file_open(struct new_file *f, const char *path);                /* -1 after fail() */
int new_file_write(struct new_file *f, const void *bytes, size_t size); /* -1 after fail() */
int new_file_commit(struct new_file *f); /* closes and frees; -1 after fail(), then it is dropped */
void new_file_drop(struct new_file *f);  /* removes, closes and frees */
int file_write_atomic(const char *path, const void *data, size_t size); /* the lines above */

/* folder.c - a folder of files that appears whole: filled under another name, then renamed
 *
 * Names and locks as for a new file.  A folder that has the name already is replaced in one step;
 * only one that holds a file `mark`, or nothing.  A kill leaves the old or the new under the name,
 * never part of either; or none where the file system cannot exchange names: folder_recover() then
 * brings the old one back.  Files of the old folder whose names begin like one of `own` (NULL last)
 * go, others move over. */
struct folder {
    char *path, *temporary; /* where it will be; where its files are put */
    int fd;                 /* holds the lock */
    const char *const *own;
};
int folder_begin(struct folder *f, const char *path, const char *mark,
                 const char *const *own);                      /* -1 after fail() */
int folder_commit(struct folder *f);                           /* frees f; -1 after fail() */
void folder_drop(struct folder *f);                            /* removes and frees */
void folder_recover(const char *path, const char *const *own); /* folder_begin() does it too */
void folder_remove(const char *path);                          /* and the files in it */
void folder_remove_open(int folder, const char *path);         /* one that is open */
int folder_sync(const char *path); /* its names to the disk; -1: errno */

/* Who goes on with what has a name, a folder that is replaced again and again or the parts of an
 * output, holds the name from before it is read until the end.  A second process is refused.  What
 * killed processes left is swept. */
struct name_lock {
    char *name; /* of the file beside it that is locked */
    int fd;
};
int name_lock(struct name_lock *l, const char *path); /* -1 after fail() */
void name_unlock(struct name_lock *l);                /* also one that was never locked */

/* temporary.c - names beside a path for what is not whole yet: NAME.RANDOM.tmp, locked */
int temporary_create(const char *path, bool folder,
                     char **name); /* a descriptor; -1 after fail() */
/* The same name for all, so that one of them has it at a time: -1 after fail() */
int temporary_lock(const char *path, char **name);
void temporary_unlock(int fd, char *name); /* removes, closes and frees */
/* A file without a name, and one that temporary_link() can give it; -1: not here, without fail() */
int temporary_nameless(const char *path, char **name);
int temporary_link(int fd, const char *name); /* -1: errno */
/* This process makes it no more: it has another name, or is gone. */
void temporary_forget(const char *name);
/* Removes all that this process makes: on a signal, and at exit by itself. */
void temporary_remove_all(void);
void temporary_hold(void); /* temporary_remove_all() of another thread waits for the release */
void temporary_release(void);
void temporary_sweep(const char *path); /* removes those of the path that nobody holds */
bool temporary_is_of(const char *path, const char *name, const char *ending); /* such a name? */

#endif
