/* SPDX-License-Identifier: MIT
 * run.c - tiny runs of every command, each in a folder of its own
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/thread.h"
#include "base/json.h"
#include "tests/faults/run.h"

#define RECORDS  "../records.jsonl"
#define VECTORS  "../vectors.jsonl"
#define RESUMING "--resume out"

const struct job jobs[] = {
    { "embed", "vlm-embed -j2 -m @/clip/hf-vit", RECORDS, RESUMING, false, NULL },
    { "embed -b", "vlm-embed -j2 -b -m @/clip/hf-vit", RECORDS, RESUMING, false, NULL },
    { "embed tar", "vlm-embed -j2 --image -m @/clip/openai-vit.pt", "../shard.tar", RESUMING, false,
      NULL },
    { "itm", "vlm-itm -j2 -m @/blip/hf-itm", RECORDS, RESUMING, false, NULL },
    { "caption", "vlm-caption -j2 --max-length 6 -m @/blip/hf-caption", RECORDS, RESUMING, false,
      NULL },
    { "sim", "vlm-sim -j2", VECTORS, RESUMING, false, NULL },
    { "sim near", "vlm-sim -j2 --near-duplicates 0.5", VECTORS, NULL, false, NULL },
    { "filter", "vlm-filter -k sim>0.2 --dropped dropped", VECTORS, RESUMING, false, "dropped" },
    { "capfilt", "vlm-filter -c --threshold 0.4", RECORDS, RESUMING, false, NULL },
    { "filter shards", "vlm-filter --to=tar --per-shard 2", RECORDS, "--resume out-%02d.tar", false,
      "out-" },
    { "itm shards", "vlm-itm -j2 --to=tar --per-shard 2 -m @/blip/hf-itm", RECORDS,
      "--resume out-%02d.tar", false, "out-" },
    { "itm reuse", "vlm-itm -j2 -m @/blip/hf-itm", RECORDS, "--reuse out -o out", false, NULL },
    { "eval", "vlm-eval -t caption", VECTORS, NULL, false, NULL },
    { "train",
      "vlm-train -j2 -m @/blip/pretrain.pth --objective itc,lm --steps 4 --batch 2 --save-every 1 "
      "../records.jsonl",
      NULL, RESUMING, true, "out/" },
    { "convert", "vlm-convert @/blip/pretrain.pth out", NULL, NULL, true, NULL },
    { "convert back", "vlm-convert --to original @/blip/hf-itm out", NULL, NULL, true, NULL },
};
const int job_count = COUNT(jobs);
enum { PATIENCE = 300, MOST_WORDS = 32 };

struct random faults_dice = { 20 };
char faults_golden[PATH_MAX], faults_commands[PATH_MAX];
static char work[PATH_MAX], shim[PATH_MAX];

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *at)
{
    (void)s, (void)kind, (void)at;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static char *read_whole(const char *path)
{
    struct buffer b = { 0 };

    if (file_read(&b, path) == 0)
        buffer_byte(&b, 0);
    return b.data ? b.data : xstrdup("");
}

static bool is_side_file(const char *name)
{
    size_t length = strlen(name);

    return length > 4 && !strcmp(name + length - 4, ".vlm");
}

/* Names and hashes of what lies in the run's folder, but for side files: notes of --resume. */
static void list_files(struct buffer *out, const char *folder, const char *prefix)
{
    struct dirent **list = NULL;
    int count = scandir(folder, &list, NULL, alphasort);

    for (int i = 0; i < count; i++) {
        char *path = path_join(folder, list[i]->d_name);
        struct stat s;

        if (list[i]->d_name[0] != '.' && !is_side_file(list[i]->d_name) && lstat(path, &s) == 0) {
            char *name = xprintf("%s%s", prefix, list[i]->d_name);
            uint64_t hash = 14695981039346656037u;
            struct buffer b = { 0 };

            if (S_ISDIR(s.st_mode)) {
                char *inside = xprintf("%s/", name);

                buffer_printf(out, "%s\n", inside);
                list_files(out, path, inside);
                free(inside);
            } else {
                file_read(&b, path);
                for (size_t k = 0; k < b.size; k++)
                    hash = (hash ^ (unsigned char)b.data[k]) * 1099511628211u;
                buffer_printf(out, "%s %016llx\n", name, (unsigned long long)hash);
                buffer_free(&b);
            }
            free(name);
        }
        free(path);
        free(list[i]);
    }
    free(list);
}

/* In the child. */
static _Noreturn void execute(const struct job *j, const char *setting, bool resume)
{
    const char *name = j->resumes ? strrchr(j->resumes, ' ') : " out";
    /* shards can be gone on with if their run meant to be */
    const char *anew = strchr(name, '%') ? j->resumes : j->folder ? "" : xprintf("-o%s", name);
    char *line = xprintf("%s %s", j->words, resume && j->resumes ? j->resumes : anew);
    char *words[MOST_WORDS];
    int count = 0, in = open(j->input ? j->input : "/dev/null", O_RDONLY);
    int out = open("../output", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    int errors = open("../errors", O_WRONLY | O_CREAT | O_TRUNC, 0666);

    if (j->folder && !(resume && j->resumes) && !strstr(j->words, "convert"))
        line = xprintf("%s -o out", j->words);
    for (char *w = strtok(line, " "); w && count < MOST_WORDS - 1; w = strtok(NULL, " "))
        words[count++] = *w == '@' ? xprintf("%s%s", faults_golden, w + 1) : w;
    words[count] = NULL;
    dup2(in, 0);
    dup2(out, 1);
    dup2(errors, 2);
    setenv("LD_PRELOAD", shim, 1);
    setenv("FAULT_COUNT", "../counts", 1);
    if (setting)
        putenv(xstrdup(setting));
    else
        unsetenv("LD_PRELOAD");
    alarm(PATIENCE);
    execv(path_join(faults_commands, words[0]), words);
    _exit(127);
}

static void new_folder(void)
{
    char *folder = path_join(work, "run");

    remove_tree(folder);
    mkdir(folder, 0777);
    free(folder);
}

static pid_t start(const struct job *j, const char *setting, bool resume)
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (!pid) {
        if (chdir(work) || chdir("run"))
            _exit(126);
        execute(j, setting, resume);
    }
    return pid;
}

struct outcome job_run(const struct job *j, const char *setting, bool resume)
{
    struct outcome o = { 0 };
    struct buffer files = { 0 };
    pid_t pid;
    char *folder = path_join(work, "run"), *output = path_join(work, "output"),
         *errors = path_join(work, "errors");

    if (!resume)
        new_folder();
    pid = start(j, setting, resume);
    waitpid(pid, &o.status, 0);
    o.hung = WIFSIGNALED(o.status) && WTERMSIG(o.status) == SIGALRM;
    o.output = read_whole(output);
    o.errors = read_whole(errors);
    list_files(&files, folder, "");
    buffer_byte(&files, 0);
    o.files = files.data;
    free(folder);
    free(output);
    free(errors);
    return o;
}

void outcome_free(struct outcome *o)
{
    free(o->output);
    free(o->errors);
    free(o->files);
}

bool job_kill(const struct job *j, long after, bool again)
{
    pid_t pid;
    int status;

    if (!again)
        new_folder();
    pid = start(j, NULL, j->resumes != NULL);
    usleep((useconds_t)after);
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status);
}

void job_twice(const struct job *j, int status[2])
{
    pid_t first, second;

    new_folder();
    first = start(j, NULL, true);
    second = start(j, NULL, true);
    waitpid(first, &status[0], 0);
    waitpid(second, &status[1], 0);
}

void job_counts(long counts[CALLS])
{
    char *path = path_join(work, "counts"), *text = read_whole(path), *at = text;

    for (int i = 0; i < CALLS; i++)
        counts[i] = strtol(at, &at, 10);
    free(text);
    free(path);
}

/* Is there a name in `files` that is not in `whole`? */
static bool more_files(const char *files, const char *whole)
{
    for (const char *line = files; *line; line = strchr(line, '\n') + 1) {
        size_t size = strcspn(line, " \n");
        const char *at = whole;

        while (*at && (strncmp(at, line, size) || !strchr(" \n", at[size])))
            at = strchr(at, '\n') + 1;
        if (!*at)
            return true;
    }
    return false;
}

/* A failure leaves nothing but what may stay, or an output that is whole: a folder's fsync failed.
 */
static bool left_a_file(const char *files, const char *keeps, const char *whole)
{
    for (const char *line = files; *line; line = strchr(line, '\n') + 1) {
        char *text = xprintf("%.*s\n", (int)strcspn(line, "\n"), line);
        bool right = (keeps && !strncmp(text, keeps, strlen(keeps))) || strstr(whole, text);

        free(text);
        if (!right)
            return true;
    }
    return false;
}

const char *outcome_fault(const struct job *j, const struct outcome *o, const struct outcome *whole)
{
    if (o->hung)
        return "hangs";
    if (WIFSIGNALED(o->status))
        return "died by a signal";
    if (WEXITSTATUS(o->status) > 4)
        return "has a status that no page names";
    if (WEXITSTATUS(o->status) && !*o->errors)
        return "failed without a word";
    if (WEXITSTATUS(o->status))
        return left_a_file(o->files, j->keeps, whole->files) ? "failed, and left a file" : NULL;
    if (more_files(o->files, whole->files))
        return "left a file that is not its output";
    if (strcmp(o->files, whole->files) && !*o->errors)
        return "says that all is well, and wrote other bytes";
    return NULL;
}

void outcome_note(const struct outcome *o, const char *setting)
{
    note("%s: status %d, %s%.*s", setting,
         WIFSIGNALED(o->status) ? 128 + WTERMSIG(o->status) : WEXITSTATUS(o->status),
         *o->errors ? "" : "no message", (int)strcspn(o->errors, "\n"), o->errors);
    for (const char *line = o->files; *line; line = strchr(line, '\n') + 1)
        note("    %.*s", (int)strcspn(line, "\n"), line);
}

static void write_text(const char *name, const struct buffer *b)
{
    char *path = path_join(work, name);
    FILE *f = fopen(path, "w");

    if (!f || fwrite(b->data, 1, b->size, f) != b->size || fclose(f))
        exit(1);
    free(path);
}

/* Six records with pictures, one of them broken, and forty with vectors. */
static void make_inputs(void)
{
    struct buffer b = { 0 };

    for (int i = 0; i < 6; i++) {
        char name[] = "p0.ppm";

        buffer_printf(&b, "P6 3 2 255\n");
        for (int k = 0; k < (i == 3 ? 5 : 18); k++)
            buffer_byte(&b, (char)(i * 31 + k * 13));
        name[1] = (char)('0' + i);
        write_text(name, &b);
        buffer_clear(&b);
    }
    for (int i = 0; i < 6; i++)
        buffer_printf(&b,
                      "{\"id\":%d,\"image\":\"../p%d.ppm\",\"text\":\"a dog %d\",\"itm\":0.%d,"
                      "\"caption\":\"two cats\"}\n",
                      i, i, i, i + 2);
    write_text("records.jsonl", &b);
    buffer_clear(&b);
    for (int i = 0; i < 40; i++)
        buffer_printf(&b,
                      "{\"id\":%d,\"image_embedding\":[%d,1,2],\"text_embedding\":[1,%d,3],"
                      "\"sim\":0.%d,\"caption\":\"a dog %d\",\"references\":[\"a dog\",\"%d\"]}\n",
                      i, i % 7, i % 5, i % 10, i, i);
    write_text("vectors.jsonl", &b);
    buffer_free(&b);
}

#ifndef __has_feature
#define __has_feature(name) 0 /* clang's; gcc defines the other */
#endif
#if defined __SANITIZE_ADDRESS__ || __has_feature(address_sanitizer)
const bool faults_sanitized = true;
#else
const bool faults_sanitized = false;
#endif

static bool skip(const char *why)
{
    printf("1..0 # skip %s\n", why);
    return false;
}

bool faults_begin(bool alone)
{
    char *self = realpath("/proc/self/exe", NULL), *slash;
    char *command;

    for (int i = 0; self && i < 3 && (slash = strrchr(self, '/')); i++)
        *slash = 0; /* build/tests/faults/x: build */
    snprintf(faults_commands, sizeof faults_commands, "%s", self);
    snprintf(shim, sizeof shim, "%s/tests/faults/shim.so", self);
    free(self);
    self = realpath("tests/golden", NULL);
    snprintf(faults_golden, sizeof faults_golden, "%s", self);
    free(self);
    snprintf(work, sizeof work, "%s/vlm-faults.XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (alone && faults_sanitized)
        return skip("not under sanitizers");
    if (!mkdtemp(work))
        return skip("no scratch folder");
    unsetenv("VLM_MODEL");
    unsetenv("VLM_MODELS");
    make_inputs();
    command = xprintf("cd '%s' && mkdir m && for i in 1 2 3; do printf 'P6 2 2 255\\n%%012d' $i "
                      ">m/$i.ppm; echo dog $i >m/$i.txt; done && tar -C m -cf shard.tar "
                      "1.ppm 1.txt 2.ppm 2.txt 3.ppm 3.txt",
                      work);
    if (system(command)) /* NOLINT: a test's own words */
        exit(1);
    free(command);
    return true;
}

int faults_end(void)
{
    remove_tree(work);
    return done();
}

long faults_places(long total, long usual, long *list)
{
    const char *all = getenv("FAULTS");
    long count = all && !strcmp(all, "all") ? total : usual < total ? usual : total;

    for (long i = 0; i < count; i++) /* one in each of `count` equal parts */
        list[i] = 1 + i * total / count +
                  (long)random_below(&faults_dice,
                                     (uint64_t)((i + 1) * total / count - i * total / count));
    return count;
}
