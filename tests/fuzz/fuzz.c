/* SPDX-License-Identifier: MIT
 * fuzz.c - the driver of every fuzz target: replays inputs, or mutates them for a while
 *
 *     build/tests/fuzz/NAME [-mutate SECONDS SEED] FILE-OR-FOLDER...
 *
 * A target is one file, tests/fuzz/NAME.c, that defines
 *
 *     int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
 *
 * It hands the bytes to the code under test, reads what came out, frees everything and returns 0.
 * Whatever the bytes are, it must not crash, leak, hang, exit or trip a sanitizer; an input that is
 * refused is fine.  The Makefile links each target with this driver; linked with clang's
 * -fsanitize=fuzzer instead, the same file is a libFuzzer target.
 *
 * Its corpus, small files that reach much of the code, is tests/fuzz/corpus/NAME/.  `make check`
 * replays it and mutates it for a second (corpus.t); `make fuzz` mutates for a minute (run).  An
 * input that kills the target or keeps it for ninety seconds is written to ./crash-NAME-N.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* There when the sanitizers are. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

enum { LARGEST = 1 << 20, PATIENCE = 90 };

static struct input {
    uint8_t *data;
    size_t size;
} * corpus;
static int inputs;
static const uint8_t *running; /* the input in the target's hands, or NULL */
static size_t running_size;
static struct random dice;
static char crash_path[64]; /* "crash-NAME-0" */

/* Only calls that a signal handler may make: main has written crash_path. */
static void save_running(void)
{
    char *digit = crash_path + strlen(crash_path) - 1;
    int fd = -1;

    if (!running)
        return;
    while (fd < 0 && *digit < '9') {
        *digit += 1;
        fd = open(crash_path, O_WRONLY | O_CREAT | O_EXCL, 0666);
    }
    if (fd >= 0 && write(fd, running, running_size) == (ssize_t)running_size &&
        write(2, "input saved as ", 15) > 0 && write(2, crash_path, strlen(crash_path)) > 0 &&
        write(2, "\n", 1) > 0)
        close(fd);
    running = NULL;
}

static void die(int number)
{
    if (number == SIGALRM && write(2, "hangs\n", 6) < 0)
        _exit(1);
    save_running();
    signal(number, SIG_DFL);
    raise(number);
}

/* The target gets an exact copy, so that a read past the end is seen. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    if (!copy)
        abort();
    memcpy(copy, data, size);
    running = copy;
    running_size = size;
    alarm(PATIENCE);
    LLVMFuzzerTestOneInput(copy, size);
    alarm(0);
    running = NULL;
    free(copy);
}

static void add(const char *path)
{
    struct buffer b = { 0 };

    if (file_read(&b, path)) {
        fprintf(stderr, "%s\n", error_text());
        exit(2);
    }
    corpus = xresize(corpus, (size_t)inputs + 1, sizeof *corpus);
    corpus[inputs++] = (struct input){ (uint8_t *)xmemdup(b.data, b.size), b.size };
    buffer_free(&b);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void collect(const char *path)
{
    struct dirent **list = NULL;
    int count;

    if (!path_is_folder(path)) {
        add(path);
        return;
    }
    count = scandir(path, &list, NULL, by_name);
    for (int i = 0; i < count; i++) {
        char *name = path_join(path, list[i]->d_name);

        if (list[i]->d_name[0] != '.')
            collect(name);
        free(name);
        free(list[i]);
    }
    free(list);
}

static size_t below(size_t bound)
{
    return (size_t)random_below(&dice, bound ? bound : 1);
}

/* Numbers at the edges of types, in either byte order, over 1 to 8 bytes. */
static void poke(uint8_t *data, size_t size)
{
    static const uint64_t edges[] = {
        0,          1,          2,         0x7f,       0x80,       0xff,           0x7fff,
        0x8000,     0xffff,     0x10000,   0x7fffffff, 0x80000000, 0xffffffff,     1ull << 32,
        100000001,  1ull << 40, INT64_MAX, 1ull << 63, UINT64_MAX, UINT64_MAX - 7, 64,
        1ull << 62,
    };
    uint64_t value = edges[below((size_t)COUNT(edges))] + below(3) - 1;
    size_t width = (size_t)1 << below(4), at = below(size);
    bool big = below(2);

    for (size_t i = 0; i < width && at + i < size; i++)
        data[at + i] = (uint8_t)(value >> 8 * (big ? width - 1 - i : i));
}

/* A piece of another input, put over or between. */
static void graft(struct buffer *b)
{
    const struct input *other = &corpus[below((size_t)inputs)];
    size_t from = below(other->size), count = below(other->size - from + 1);
    size_t at = below(b->size + 1), old = below(2) ? below(b->size - at + 1) : 0;

    count = below(4) ? count % 64 : count;
    if (b->size - old + count <= LARGEST)
        buffer_replace(b, at, old, other->data + from, count);
}

/* Another decimal number in text formats: digits grow, shrink or change. */
static void digits(struct buffer *b)
{
    static const char *const numbers[] = { "0",  "-1",  "1e9", "4294967296", "18446744073709551615",
                                           "99", "0.5", "00",  "\"",         "[[[[" };
    size_t at = below(b->size), end;
    const char *text = numbers[below((size_t)COUNT(numbers))];

    while (at < b->size && (b->data[at] < '0' || b->data[at] > '9'))
        at++;
    for (end = at; end < b->size && b->data[end] >= '0' && b->data[end] <= '9';)
        end++;
    buffer_replace(b, at, end - at, text, strlen(text));
}

static void mutate(struct buffer *b)
{
    size_t at = below(b->size), count;

    switch (below(8)) {
    case 0:
    case 1:
        if (b->size)
            b->data[at] = (char)(b->data[at] ^ 1 << below(8));
        break;
    case 2:
        if (b->size)
            b->data[at] = (char)below(256);
        break;
    case 3:
        if (b->size)
            poke((uint8_t *)b->data, b->size);
        break;
    case 4:
        graft(b);
        break;
    case 5:
        digits(b);
        break;
    case 6: /* a piece is lost, or said twice */
        count = below(b->size - at + 1) % (below(4) ? 16 : SIZE_MAX);
        if (below(2)) {
            buffer_replace(b, at, count, "", 0);
        } else if (b->size + count <= LARGEST) {
            char *copy = xmemdup(b->data + at, count);

            buffer_replace(b, at, 0, copy, count);
            free(copy);
        }
        break;
    default:
        if (below(8) == 0)
            b->size = at;
    }
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static long mutate_for(double seconds)
{
    struct buffer b = { 0 };
    double end = now() + seconds;
    long runs = 0;

    for (; now() < end; runs++) {
        const struct input *start = &corpus[below((size_t)inputs)];

        buffer_clear(&b);
        buffer_add(&b, start->data, start->size);
        for (size_t n = (size_t)1 << below(5); n > 0; n--)
            mutate(&b);
        run((const uint8_t *)b.data, b.size);
    }
    buffer_free(&b);
    return runs;
}

int main(int argc, char **argv)
{
    static const int deadly[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM };
    double seconds = 0;
    int first = 1;
    long runs = 0;

    program_name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
    snprintf(crash_path, sizeof crash_path, "crash-%.40s-0", program_name);
    if (argc > 3 && !strcmp(argv[1], "-mutate")) {
        seconds = atof(argv[2]);
        dice.state = strtoull(argv[3], NULL, 10);
        first = 4;
    }
    for (int i = first; i < argc; i++)
        collect(argv[i]);
    if (!inputs) {
        fprintf(stderr, "usage: %s [-mutate SECONDS SEED] FILE-OR-FOLDER...\n", program_name);
        return 2;
    }
    if (__sanitizer_set_death_callback) /* its own handlers call back, but for the alarm */
        __sanitizer_set_death_callback(save_running);
    for (int i = __sanitizer_set_death_callback ? COUNT(deadly) - 2 : 0; i < COUNT(deadly); i++)
        signal(deadly[i], die);
    atexit(save_running);
    for (int i = 0; i < inputs; i++)
        run(corpus[i].data, corpus[i].size);
    if (seconds > 0)
        runs = mutate_for(seconds);
    printf("%s: %d inputs, %ld mutations\n", program_name, inputs, runs);
    for (int i = 0; i < inputs; i++)
        free(corpus[i].data);
    free(corpus);
    return 0;
}
