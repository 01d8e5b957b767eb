/* SPDX-License-Identifier: MIT
 * file.c - files and folders that appear whole: names, locks, leftovers, links, devices
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/base.h"
#include "tests/unit/tap.h"

static char home[] = "/tmp/vlm-file-XXXXXX";

static char *at(const char *name)
{
    return path_join(home, name);
}

static bool holds(const char *name, const char *text)
{
    struct buffer b = { 0 };
    char *path = at(name);
    bool same = file_read(&b, path) == 0 && b.size == strlen(text) && !memcmp(b.data, text, b.size);

    free(path);
    buffer_free(&b);
    return same;
}

static int leftovers(void)
{
    DIR *list = opendir(home);
    int count = 0;

    for (struct dirent *e; list && (e = readdir(list));)
        count += strstr(e->d_name, ".tmp") != NULL;
    if (list)
        closedir(list);
    return count;
}

static void whole(void)
{
    char *path = at("a"), *name = NULL;
    struct new_file f, other;

    is_long(file_write_atomic(path, "old", 3), 0, "a file is made");
    chmod(path, 0640);
    is_long(new_file_open(&f, path), 0, "it is made again");
    is_long(new_file_write(&f, "new", 3), 0, "... written");
    ok(holds("a", "old"), "... the old one is there until then");
    is_long(new_file_open(&other, path), 0, "another maker of the same file");
    is_long(leftovers(), f.nameless ? 0 : 2, "... does not take the first one's");
    new_file_drop(&other);
    is_long(leftovers(), f.nameless ? 0 : 1, "... and leaves nothing when it is dropped");
    name = xstrdup(f.temporary);
    is_long(new_file_commit(&f), 0, "committed");
    ok(holds("a", "new") && !path_exists(name), "... it has the name");
    struct stat status;
    ok(stat(path, &status) == 0 && (status.st_mode & 0777) == 0640, "... and the mode of the old");
    free(name);
    free(path);
}

/* A process that dies without a chance to clean up. */
static void killed(bool folder)
{
    char *path = at(folder ? "f" : "a"), *name, *inside;
    int fd;
    pid_t child = fork();

    if (child == 0) {
        fd = temporary_create(path, folder, &name);
        inside = path_join(name, "x");
        if (folder && file_write_atomic(inside, "x", 1))
            _exit(1);
        _exit(fd < 0);
    }
    waitpid(child, &(int){ 0 }, 0);
    is_long(leftovers(), 1, folder ? "a killed maker's folder" : "a killed maker's file");
    temporary_sweep(path);
    is_long(leftovers(), 0, "... is swept");
    free(path);
}

/* Where files need no name, nothing of one that was being written is left at all. */
static void killed_writer(void)
{
    char *path = at("a");
    struct new_file f = { 0 };
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        if (new_file_open(&f, path) || new_file_write(&f, "half", 4))
            _exit(2);
        _exit(f.nameless);
    }
    waitpid(child, &status, 0);
    is_long(leftovers(), WEXITSTATUS(status) == 1 ? 0 : 1, "a killed writer leaves no name");
    ok(WEXITSTATUS(status) < 2 && holds("a", "new"), "... and the old file");
    temporary_sweep(path);
    free(path);
}

static void links(void)
{
    char *link = at("link"), *loose = at("loose"), *pipe = at("pipe"), bytes[8] = "";
    struct new_file f;
    struct stat status;
    int fd;

    ok(symlink("a", link) == 0 && symlink("b", loose) == 0 && mkfifo(pipe, 0600) == 0, "links");
    is_long(file_write_atomic(link, "through", 7), 0, "a link is followed");
    ok(holds("a", "through") && lstat(link, &status) == 0 && S_ISLNK(status.st_mode),
       "... and stays a link");
    is_long(file_write_atomic(loose, "made", 4), 0, "a link to nothing yet");
    ok(holds("b", "made"), "... makes what it names");
    fd = open(pipe, O_RDONLY | O_NONBLOCK);
    is_long(new_file_open(&f, pipe), 0, "a pipe");
    ok(!f.temporary, "... is written in place");
    new_file_write(&f, "abc", 3);
    is_long(new_file_commit(&f), 0, "... committed");
    ok(read(fd, bytes, sizeof bytes) == 3 && !strcmp(bytes, "abc"), "... its reader has the bytes");
    ok(stat(pipe, &status) == 0 && S_ISFIFO(status.st_mode), "... it is a pipe still");
    close(fd);
    free(link);
    free(loose);
    free(pipe);
}

static void refusals(void)
{
    char *missing = at("none/a"), *folder = at("folder"), longest[256], *path;
    struct new_file f;

    is_long(new_file_open(&f, missing), -1, "a folder that is missing");
    is_text(error_code(), "not_found", "its code");
    mkdir(folder, 0777);
    is_long(new_file_open(&f, folder), -1, "a folder");
    memset(longest, 'n', 255);
    longest[255] = 0;
    path = at(longest);
    is_long(file_write_atomic(path, "x", 1), 0, "the longest name there is");
    ok(holds(longest, "x"), "... holds its bytes");
    free(path);
    free(missing);
    free(folder);
}

static void beneath(const char *name, const char *code, const char *what)
{
    struct buffer b = { 0 };
    char *below = at("below");
    int result = file_read_beneath(&b, below, name, 100);

    is_long(result, *code ? -1 : 0, what);
    if (*code)
        is_text(error_code(), code, "... its code");
    free(below);
    buffer_free(&b);
}

static void confined(void)
{
    char *below = at("below"), *file = at("below/x"), *out = at("below/out"), *in = at("below/in");

    mkdir(below, 0777);
    file_write_atomic(file, "x", 1);
    ok(symlink("../a", out) == 0 && symlink("x", in) == 0, "two links");
    beneath("x", "", "a file below the folder");
    beneath("in", "", "a link that stays below");
    beneath("./x", "", "a path with a point");
    beneath("../a", "outside", "two points");
    beneath("out", "outside", "a link that leads out");
    beneath("/etc/passwd", "outside", "an absolute path");
    beneath("none", "not_found", "a file that is not there");
    beneath(".", "unsupported", "the folder itself");
    free(below);
    free(file);
    free(out);
    free(in);
}

static void put(const struct folder *f, const char *name, const char *text)
{
    char *path = path_join(f->temporary, name);

    file_write_atomic(path, text, strlen(text));
    free(path);
}

static void folders(void)
{
    static const char *const own[] = { "config", NULL };
    char *path = at("f"), *notes, *deep;
    struct folder f;

    is_long(folder_begin(&f, path, "config", own), 0, "a folder is made");
    put(&f, "config", "1");
    put(&f, "config.old", "1");
    is_long(folder_commit(&f), 0, "... committed");
    notes = path_join(path, "notes");
    deep = path_join(path, "deep");
    file_write_atomic(notes, "mine", 4);
    mkdir(deep, 0777);
    is_long(folder_begin(&f, path, "config", own), 0, "it is made again");
    put(&f, "config", "2");
    is_long(folder_commit(&f), 0, "... committed");
    ok(holds("f/config", "2") && !path_exists("f/config.old"),
       "... its own files are the new ones");
    ok(holds("f/notes", "mine") && path_is_folder(deep), "... others' files came along");
    is_long(leftovers(), 0, "... nothing is left behind");
    free(notes);
    free(deep);
    free(path);
}

static void one_at_a_time(void)
{
    char *path = at("f"), *slash = at("f/");
    struct name_lock first, second;
    pid_t child;

    is_long(name_lock(&first, path), 0, "a folder is held");
    is_long(name_lock(&second, slash), -1, "... not by a second");
    ok(strstr(error_text(), "another process is writing it") != NULL, "... which is told why");
    name_unlock(&second);
    temporary_sweep(path);
    is_long(leftovers(), 1, "... its lock stays");
    name_unlock(&first);
    is_long(leftovers(), 0, "... until it lets go");
    child = fork();
    if (child == 0)
        _exit(name_lock(&first, path) ? 1 : 0);
    waitpid(child, &(int){ 0 }, 0);
    is_long(leftovers(), 1, "one that was killed");
    is_long(name_lock(&second, path), 0, "... holds it no more");
    name_unlock(&second);
    is_long(leftovers(), 0, "... nothing is left behind");
    free(slash);
    free(path);
}

int main(void)
{
    char *command;

    if (!mkdtemp(home))
        return 1;
    whole();
    killed_writer();
    killed(false);
    killed(true);
    links();
    refusals();
    confined();
    folders();
    one_at_a_time();
    command = xprintf("rm -rf %s", home);
    ok(system(command) == 0, "removed");
    free(command);
    return done();
}
