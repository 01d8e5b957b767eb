/* SPDX-License-Identifier: MIT
 * dtype.c - element types of stored numbers, and exact conversions of the short floats
 *
 *     f16   s eeeee mmmmmmmmmm         bf16   s eeeeeeee mmmmmmm (the upper half of an f32)
 */
#include <string.h>
#include "base/number.h"

static const struct {
    const char *name;
    size_t size;
} types[DTYPE_COUNT] = {
    [DTYPE_F32] = { "f32", 4 },   [DTYPE_F16] = { "f16", 2 }, [DTYPE_BF16] = { "bf16", 2 },
    [DTYPE_F64] = { "f64", 8 },   [DTYPE_I64] = { "i64", 8 }, [DTYPE_I32] = { "i32", 4 },
    [DTYPE_I16] = { "i16", 2 },   [DTYPE_I8] = { "i8", 1 },   [DTYPE_U8] = { "u8", 1 },
    [DTYPE_BOOL] = { "bool", 1 },
};

size_t dtype_size(enum dtype type)
{
    return types[type].size;
}

const char *dtype_name(enum dtype type)
{
    return types[type].name;
}

static float from_bits(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t to_bits(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

float half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, rest = half & 0x7fff;

    if (rest >= 0x7c00) /* infinity, NaN */
        return from_bits(sign | 0x7f800000 | (rest & 0x3ff) << 13);
    if (rest >= 0x400)
        return from_bits(sign | ((rest << 13) + 0x38000000));
    return from_bits(sign | to_bits((float)rest * 0x1p-24f)); /* subnormal: rest x 2^-24, exact */
}

uint16_t float_to_half(float value)
{
    uint32_t bits = to_bits(value), sign = bits >> 16 & 0x8000, rest = bits & 0x7fffffff;

    if (rest > 0x7f800000)
        return (uint16_t)(sign | 0x7e00);
    if (rest >= 0x477ff000) /* 65520 and more round to infinity */
        return (uint16_t)(sign | 0x7c00);
    if (rest < 0x38800000) { /* below 2^-14: adding 1/2 leaves the rounded subnormal's bits */
        float magic = from_bits(rest) + 0.5f;

        return (uint16_t)(sign | (to_bits(magic) - 0x3f000000));
    }
    rest += 0xfff + (rest >> 13 & 1);
    return (uint16_t)(sign | (rest - 0x38000000) >> 13);
}

float bfloat_to_float(uint16_t bits)
{
    return from_bits((uint32_t)bits << 16);
}

uint16_t float_to_bfloat(float value)
{
    uint32_t bits = to_bits(value);

    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
