/* SPDX-License-Identifier: MIT
 * start.c - from exec to the first embedding of ViT-B/32, and the most memory that it takes
 *
 * Writes a checkpoint of random weights (f32, 600 MB with its text tower) and a picture to a
 * temporary folder, then runs vlm-embed on the picture some times: the file lies in the page cache.
 * The same with what vlm-convert makes of it: packed, and int8 of one piece, packed or not.  Beside
 * the most memory stands what vlm-convert --info --batch 1 foretells.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/random.h"
#include "family/clip/clip.h"

enum { RUNS = 7, SIDE = 640 };

static const char config[] =
    "{\"model_type\":\"vlm-clip\",\"embedding\":512,"
    "\"vision\":{\"image\":224,\"patch\":32,\"width\":768,\"mlp\":3072,\"layers\":12,"
    "\"heads\":12},"
    "\"text\":{\"vocabulary\":49408,\"width\":512,\"mlp\":2048,\"layers\":12,\"heads\":8,"
    "\"context\":77}}";

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int write_model(const char *folder, double *vision_mb)
{
    struct clip clip;
    struct clip_config c;
    struct params params = { 0 };
    struct arena memory = { 0 };
    struct random random = { 7 };
    cJSON *json = json_parse(config, strlen(config));
    char *path = path_join(folder, "model.safetensors"), *about = path_join(folder, "config.json");
    struct saving *list;
    int result;

    clip_config_own(json, &c);
    clip_init(&clip, &c);
    clip_params(&clip, &params);
    list = xalloc((size_t)params.count, sizeof *list);
    for (int i = 0; i < params.count; i++) {
        const struct param *p = &params.list[i];
        float *data, size = p->rank > 1 ? 1 / sqrtf((float)p->shape[p->rank - 1]) : 0.1f;
        long count = 1;

        list[i] = (struct saving){ p->name, DTYPE_F32, p->rank, { 0 }, NULL, 0, false };
        for (int k = 0; k < p->rank; k++) {
            list[i].shape[k] = p->shape[k];
            count *= p->shape[k];
        }
        list[i].data = data = arena_alloc(&memory, (size_t)count * sizeof *data);
        for (long k = 0; k < count; k++)
            data[k] = size * (float)(random_uniform(&random) - 0.5);
        if (!strncmp(p->name, "vision.", 7))
            *vision_mb += 4e-6 * (double)count;
    }
    result = weights_save(path, list, params.count, NULL) ||
             file_write_atomic(about, config, strlen(config));
    clip_close(&clip);
    params_free(&params);
    arena_free(&memory);
    cJSON_Delete(json);
    free(list);
    free(path);
    free(about);
    return result;
}

static int write_picture(const char *path)
{
    struct buffer b = { 0 };
    int result;

    buffer_printf(&b, "P6\n%d %d\n255\n", SIDE, SIDE);
    for (int i = 0; i < 3 * SIDE * SIDE; i++)
        buffer_byte(&b, (i / 7 + i / (3 * SIDE)) & 255);
    result = file_write_atomic(path, b.data, b.size);
    buffer_free(&b);
    return result;
}

/* Seconds from fork to the end; *mb: the most memory. */
static double run(const char *program, const char *folder, const char *picture, double *mb)
{
    struct rusage use;
    double start = seconds();
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        int nowhere = open("/dev/null", O_WRONLY);

        dup2(nowhere, 1);
        execl(program, "vlm-embed", "-m", folder, picture, (char *)NULL);
        _exit(127);
    }
    if (wait4(child, &status, 0, &use) != child || status)
        return -1;
    *mb = (double)use.ru_maxrss * 1024e-6;
    return seconds() - start;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static const struct kind {
    const char *name, *options; /* of vlm-convert; NULL: as it is */
    double share;               /* of the f32 tower's bytes */
} kinds[] = {
    { "f32", NULL, 1 },
    { "f32, packed", "--packed", 1 },
    { "int8", "--dtype int8 --pieces 1", 0.25 },
    { "int8, packed", "--dtype int8 --pieces 1 --packed", 0.25 },
};

/* What --info says of embedding one image. */
static double foretold(const char *bin, const char *model)
{
    char *command = xprintf("%s/vlm-convert --info --batch 1 %s", bin, model), text[4096] = "", *at;
    FILE *f = popen(command, "r");
    size_t got = f ? fread(text, 1, sizeof text - 1, f) : 0;

    if (f)
        pclose(f);
    text[got] = 0;
    free(command);
    at = strstr(text, "\"memory\":{\"embed images\":");
    return at ? 1e-6 * strtod(at + strlen("\"memory\":{\"embed images\":"), NULL) : 0;
}

static int measure(const char *bin, const char *folder, const char *picture, const struct kind *k,
                   double vision_mb)
{
    char *program = xprintf("%s/vlm-embed", bin), *model = path_join(folder, "converted");
    char *command = xprintf("%s/vlm-convert %s %s %s", bin, k->options, folder, model);
    const char *used = k->options ? model : folder;
    double times[RUNS], mb = 0;

    if (k->options && system(command))
        warn("%s fails", command);
    for (int i = 0; i < RUNS; i++)
        times[i] = run(program, used, picture, &mb);
    qsort(times, RUNS, sizeof *times, compare);
    if (times[0] >= 0)
        printf("vlm-embed, ViT-B/32 %s, one %d x %d picture: %.0f ms (best %.0f), %.0f MB at most, "
               "foretold %.0f, %.2f x the tower's %.0f MB\n",
               k->name, SIDE, SIDE, 1e3 * times[RUNS / 2], 1e3 * times[0], mb, foretold(bin, used),
               mb / (k->share * vision_mb), k->share * vision_mb);
    else
        warn("%s fails", program);
    free(program);
    free(command);
    free(model);
    return times[0] < 0;
}

int main(int argc, char **argv)
{
    char folder[] = "/tmp/vlm-start-XXXXXX", *picture, *bin, *clean;
    const char *slash = strrchr(argv[0], '/');
    double vision_mb = 0;
    int status = 0;

    bin = argc > 1
              ? xstrdup(argv[1])
              : xprintf("%.*s/../..", slash ? (int)(slash - argv[0]) : 1, slash ? argv[0] : ".");
    if (!mkdtemp(folder))
        return 1;
    picture = path_join(folder, "picture.ppm");
    if (write_model(folder, &vision_mb) || write_picture(picture)) {
        warn("%s", error_text());
        return 1;
    }
    for (int i = 0; i < COUNT(kinds); i++)
        status |= measure(bin, folder, picture, &kinds[i], vision_mb);
    clean = xprintf("rm -r %s", folder);
    if (system(clean))
        warn("%s stays", folder);
    free(clean);
    free(picture);
    free(bin);
    return status;
}
