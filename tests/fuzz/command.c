/* SPDX-License-Identifier: MIT
 * command.c - fuzz target: whole commands on hostile records
 *
 * The first byte chooses the command line; the rest is what comes in, or where the line says so,
 * what an earlier run left in the file that --resume goes on with.  The commands are those of the
 * same build, so `make fuzz` runs them under its sanitizers.  A death by a signal, a status that no
 * page names, and a failure without a word are faults.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* "@": tests/golden; "<": the input is OUT, which is gone on with. */
static const char *const lines[] = {
    "vlm-filter -k itm>0.5||text=~\"a\"",
    "vlm-filter -c --threshold 0.3 --dropped /dev/null",
    "vlm-filter -t 3 --by len(text)+w",
    "vlm-filter -b --shard 1/2",
    "vlm-filter --on-error skip --max-errors 3",
    "vlm-sim",
    "vlm-sim --near-duplicates 0.5",
    "vlm-sim -b",
    "vlm-eval -t caption",
    "vlm-eval -t retrieval",
    "vlm-eval -t accuracy",
    "vlm-eval -t itm",
    "vlm-embed -m @/clip/hf-vit",
    "vlm-itm -m @/blip/hf-itm",
    "vlm-caption --max-length 5 -m @/blip/hf-caption",
    "vlm-filter --resume out < in",
    "vlm-sim --resume out < in",
    "vlm-filter -b --resume out < in",
    "vlm-filter -k sim>0 --resume out < in",
    "vlm-filter -c --merge best",
};
enum { MOST_WORDS = 16, MOST_STATUS = 4 };
static char folder[64], golden[PATH_MAX], commands[PATH_MAX];

static void put(const char *name, const void *data, size_t size)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd))
        abort();
}

static void remove_folder(void)
{
    char *line = xprintf("rm -rf %s", folder);

    if (system(line))
        perror(folder);
    free(line);
}

/* Once: the commands' folder, two folders above this program, and a scratch folder to work in. */
static void begin(void)
{
    char *slash;

    if (!realpath("/proc/self/exe", commands))
        abort();
    for (int i = 0; i < 3 && (slash = strrchr(commands, '/')); i++)
        *slash = 0;
    snprintf(golden, sizeof golden, "%.*s/../tests/golden", PATH_MAX - 32, commands);
    strcpy(folder, "/tmp/vlm-fuzz.XXXXXX");
    if (!mkdtemp(folder))
        abort();
    atexit(remove_folder);
}

static _Noreturn void execute(const char *line)
{
    char *words[MOST_WORDS], *copy = xstrdup(line);
    int count = 0, in = open("input", O_RDONLY), out;

    for (char *w = strtok(copy, " "); w && count < MOST_WORDS - 3; w = strtok(NULL, " ")) {
        if (!strcmp(w, "<"))
            in = open("in", O_RDONLY);
        else if (strcmp(w, "in") != 0)
            words[count++] = *w == '@' ? xprintf("%s%s", golden, w + 1) : w;
    }
    words[count] = NULL;
    out = open("/dev/null", O_WRONLY);
    dup2(in, 0);
    dup2(out, 1);
    dup2(open("errors", O_WRONLY | O_CREAT | O_TRUNC, 0666), 2);
    setenv("ASAN_OPTIONS", "detect_leaks=0:exitcode=99:allocator_may_return_null=1", 1);
    setenv("UBSAN_OPTIONS", "halt_on_error=1:exitcode=99", 1);
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    alarm(60);
    execv(path_join(commands, words[0]), words);
    _exit(127);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char in[] = "{\"id\":1,\"image_embedding\":[1,0],\"text_embedding\":[0,1]}\n"
                             "{\"id\":2,\"image_embedding\":[1,2],\"text_embedding\":[3,1]}\n";
    struct buffer errors = { 0 };
    const char *line;
    pid_t pid;
    int status, home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (!size)
        return close(home);
    if (!*folder)
        begin();
    line = lines[data[0] % COUNT(lines)];
    if (chdir(folder))
        abort();
    put("in", in, sizeof in - 1);
    put(strchr(line, '<') ? "out" : "input", data + 1, size - 1);
    pid = fork();
    if (!pid)
        execute(line);
    if (waitpid(pid, &status, 0) != pid || file_read(&errors, "errors"))
        abort();
    if (WIFSIGNALED(status) || WEXITSTATUS(status) > MOST_STATUS ||
        (WEXITSTATUS(status) && !errors.size)) {
        fprintf(stderr, "%s: wait status %x\n%.*s\n", line, (unsigned)status, (int)errors.size,
                errors.data);
        abort();
    }
    buffer_free(&errors);
    if (fchdir(home) || close(home))
        abort();
    return 0;
}
