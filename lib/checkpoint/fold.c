/* SPDX-License-Identifier: MIT
 * fold.c - outliers moved from a layer norm's output into the matrices behind it, for int8
 *
 *     norm(x) W^T = (norm(x) / s) (s W)^T        s: a factor a channel, from the norm's own numbers
 *
 * A row of numbers is rounded by its largest, so that one large channel costs all others their
 * bits.  What a norm gives channel j is about 3 |gain| + |shift| at most, as what it normalises has
 * a variance of 1: a_j.  With w_j, the largest number of the matrices' column j, the factor
 *
 *     s_j = sqrt((a_j / median a) (median w / w_j))
 *
 * makes channel and column equally uneven.  Factors are powers of two, so nothing is rounded, and
 * those below 2 are left out: an ordinary model stays nearly as it is.
 *
 * Source: Xiao et al. 2022, SmoothQuant, arXiv 2211.10438, section 4, alpha = 1/2; there a_j is
 * measured with records.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"
#include "checkpoint/fold.h"

static const float least = 2, most = 1024;

/* Norms of blocks that come before their layers, and of what nothing else reads. */
static const struct pair {
    const char *norm, *matrices[PACK_PARTS];
} pairs[] = {
    { "norm1", { "attention.query.weight", "attention.key.weight", "attention.value.weight" } },
    { "norm2", { "mlp.fc1.weight" } },
};

static const struct param *find(const struct model *m, const char *prefix, size_t size,
                                const char *rest)
{
    for (int i = 0; i < m->params.count; i++) {
        const struct param *p = &m->params.list[i];

        if (!strncmp(p->name, prefix, size) && !strcmp(p->name + size, rest))
            return *p->slot ? p : NULL;
    }
    return NULL;
}

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

static float median(const float *x, long count)
{
    float *sorted = (float *)(void *)xmemdup(x, (size_t)count * sizeof *x), middle;

    qsort(sorted, (size_t)count, sizeof *sorted, compare);
    middle = sorted[count / 2];
    free(sorted);
    return middle;
}

/* The largest number of each column of all matrices. */
static void largest_in_columns(const struct fold *f, float *out)
{
    float *row = xalloc((size_t)f->width, sizeof *row);

    for (int i = 0; i < f->matrices; i++) {
        const struct tensor *x = *f->matrix[i]->slot;

        for (long r = 0; r < rows(x); r++) {
            tensor_read(x, r * f->width, f->width, row);
            for (long j = 0; j < f->width; j++)
                out[j] = fmaxf(out[j], fabsf(row[j]));
        }
    }
    free(row);
}

static void choose(struct fold *f)
{
    float *size = xalloc((size_t)f->width, sizeof *size), *gain, *shift, *column;
    float typical, wide;

    gain = xalloc((size_t)f->width, sizeof *gain);
    shift = xalloc((size_t)f->width, sizeof *shift);
    column = xalloc((size_t)f->width, sizeof *column);
    tensor_read(*f->gain->slot, 0, f->width, gain);
    if (f->shift)
        tensor_read(*f->shift->slot, 0, f->width, shift);
    for (long j = 0; j < f->width; j++)
        size[j] = 3 * fabsf(gain[j]) + fabsf(shift[j]);
    largest_in_columns(f, column);
    typical = median(size, f->width);
    wide = median(column, f->width);
    for (long j = 0; j < f->width; j++) {
        float factor = sqrtf(size[j] / typical * (wide / column[j]));

        factor = factor >= least && factor <= most ? exp2f(rintf(log2f(factor))) : 1;
        f->factor[j] = factor;
        f->channels += factor != 1;
    }
    free(size);
    free(gain);
    free(shift);
    free(column);
}

/* All matrices of the pair are there, wide enough to become bytes, and are none yet. */
static bool gather(struct fold *f, const struct model *m, const struct param *gain,
                   const struct pair *pair)
{
    const char *tail = strrchr(gain->name, '.');
    size_t prefix = (size_t)(tail - gain->name) - strlen(pair->norm);

    *f = (struct fold){ .gain = gain, .width = gain->shape[0] };
    f->shift = find(m, gain->name, prefix + strlen(pair->norm), ".bias");
    for (int i = 0; i < PACK_PARTS && pair->matrices[i]; i++) {
        const struct param *p = find(m, gain->name, prefix, pair->matrices[i]);

        if (!p || p->rank != 2 || p->shape[1] != f->width || (*p->slot)->type == DTYPE_I8)
            return false;
        f->matrix[f->matrices++] = p;
    }
    return true;
}

static bool is_norm(const char *name, const char *norm)
{
    size_t size = strlen(name), tail = strlen(norm) + strlen(".weight");

    return size > tail && name[size - tail - 1] == '.' &&
           !strncmp(name + size - tail, norm, strlen(norm)) &&
           !strcmp(name + size - strlen(".weight"), ".weight");
}

void folds_find(struct folds *f, const struct model *m)
{
    *f = (struct folds){ 0 };
    for (int i = 0; i < m->params.count; i++)
        for (int k = 0; k < COUNT(pairs); k++) {
            const struct param *p = &m->params.list[i];
            struct fold one;

            if (!*p->slot || p->rank != 1 || !is_norm(p->name, pairs[k].norm) ||
                !gather(&one, m, p, &pairs[k]))
                continue;
            one.factor = xalloc((size_t)one.width, sizeof *one.factor);
            choose(&one);
            if (!one.channels) {
                free(one.factor);
                continue;
            }
            f->list = xresize(f->list, (size_t)f->count + 1, sizeof *f->list);
            f->list[f->count++] = one;
        }
}

void folds_free(struct folds *f)
{
    for (int i = 0; i < f->count; i++)
        free(f->list[i].factor);
    free(f->list);
    *f = (struct folds){ 0 };
}

const float *folds_of_matrix(const struct folds *f, const struct param *p)
{
    for (int i = 0; i < f->count; i++)
        for (int k = 0; k < f->list[i].matrices; k++)
            if (f->list[i].matrix[k] == p)
                return f->list[i].factor;
    return NULL;
}

const float *folds_of_vector(const struct folds *f, const struct param *p)
{
    for (int i = 0; i < f->count; i++)
        if (f->list[i].gain == p || f->list[i].shift == p)
            return f->list[i].factor;
    return NULL;
}
