/* SPDX-License-Identifier: MIT
 * number.h - numbers as text and as stored
 */
#ifndef BASE_NUMBER_H
#define BASE_NUMBER_H

#include "base/core.h"

/* number.c - numbers as text */
/* For qsort: the largest number first; of equal ones the one with the smaller index. */
static inline int by_largest(double a, double b, int index_a, int index_b)
{
    if (a != b)
        return a > b ? -1 : 1;
    return (index_a > index_b) - (index_a < index_b);
}

int float_format(float value, char text[static 24]); /* shortest that reads back; JSON; length */
bool float_parse(const char **text, const char *end, float *value); /* JSON number, moves on */

/* dtype.c - element types of stored numbers */
enum dtype {
    DTYPE_F32,
    DTYPE_F16,
    DTYPE_BF16,
    DTYPE_F64,
    DTYPE_I64,
    DTYPE_I32,
    DTYPE_I16,
    DTYPE_I8,
    DTYPE_U8,
    DTYPE_BOOL,
    DTYPE_COUNT
};
size_t dtype_size(enum dtype type);
const char *dtype_name(enum dtype type); /* "f32" ... */
float half_to_float(uint16_t bits);
uint16_t float_to_half(float value); /* round to nearest even */
float bfloat_to_float(uint16_t bits);
uint16_t float_to_bfloat(float value);

#endif
