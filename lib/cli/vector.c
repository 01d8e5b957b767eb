/* SPDX-License-Identifier: MIT
 * vector.c - vectors and matrices in a record (typed arrays, or JSON arrays of numbers), and
 * cosines
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "cli/cli.h"

bool floats_are_finite(const float *list, long count)
{
    for (long i = 0; i < count; i++)
        if (!isfinite(list[i]))
            return false;
    return true;
}

/* The list, or NULL after fail(): then it is freed. */
static float *finite_or_fail(float *list, long count, const char *name)
{
    if (!list || floats_are_finite(list, count))
        return list;
    fail("field %s holds NaN or an infinite number", name);
    free(list);
    return NULL;
}

static float *read_member(const struct record *r, const struct member *m, int *rows, long *width,
                          bool *list)
{
    long count;

    if (m->kind == MEMBER_BYTES || m->rank < 1 || m->rank > 2 || m->shape[m->rank - 1] < 1 ||
        m->shape[0] < 1 || m->shape[0] > 1 << 20) {
        fail("field %s holds neither a vector nor a matrix", m->name);
        return NULL;
    }
    *list = m->rank == 2;
    *rows = *list ? (int)m->shape[0] : 1;
    *width = m->shape[m->rank - 1];
    return finite_or_fail(record_floats(r, m->name, &count), *rows * *width, m->name);
}

/* [[..], [..]]: rows of one length */
static float *read_rows(struct span value, const char *name, int *rows, long *width)
{
    struct span none, item;
    float *all = NULL, *row;
    size_t at = 0;
    long count;

    *rows = 0;
    while (json_each(value, &at, &none, &item)) {
        row = NULL;
        if (!json_floats(item, &row, &count) || count < 1 || (*rows && count != *width)) {
            fail("field %s is no matrix of numbers", name);
            free(row);
            free(all);
            return NULL;
        }
        *width = count;
        all = xresize(all, (size_t)(*rows + 1) * (size_t)count, sizeof *all);
        memcpy(all + *rows * count, row, (size_t)count * sizeof *all);
        ++*rows;
        free(row);
    }
    return finite_or_fail(all, *rows * (long)*width, name);
}

float *vectors_read(const struct record *r, const char *name, int *rows, long *width, bool *list)
{
    const struct member *m = record_member(r, name);
    struct span value;
    size_t inner = 1;
    float *row;

    error_clear();
    *list = false;
    *rows = 1;
    if (m)
        return read_member(r, m, rows, width, list);
    if (!record_find(r, name, &value) || value.data[0] == 'n')
        return NULL;
    while (inner < value.size && strchr(" \t", value.data[inner]))
        inner++;
    *list = value.data[0] == '[' && inner < value.size && value.data[inner] == '[';
    if (*list)
        return read_rows(value, name, rows, width);
    row = NULL;
    if (json_floats(value, &row, width) && *width > 0)
        return finite_or_fail(row, *width, name);
    free(row);
    fail("field %s is no vector of numbers", name);
    return NULL;
}

bool vector_unit(float *v, long width)
{
    double sum = 0, scale;

    for (long i = 0; i < width; i++)
        sum += (double)v[i] * (double)v[i];
    if (!isfinite(sum) || sum <= 0)
        return false;
    scale = 1 / sqrt(sum);
    for (long i = 0; i < width; i++)
        v[i] = (float)(v[i] * scale);
    return true;
}

void vector_closest(const float *dots, int count, long target_count, float *scores)
{
    for (long i = 0; i < target_count; i++) {
        float most = dots[i];

        for (int k = 1; k < count; k++)
            most = fmaxf(most, dots[k * target_count + i]);
        scores[i] = fminf(fmaxf(most, -1), 1); /* rounding may lead past 1 */
    }
}

void vector_cosines(const float *rows, int count, const float *targets, long target_count,
                    long width, float *scores)
{
    float *dots = xresize(NULL, (size_t)count * (size_t)target_count, sizeof *dots);

    vlm_dot(rows, count, targets, target_count, (int)width, dots);
    vector_closest(dots, count, target_count, scores);
    free(dots);
}
