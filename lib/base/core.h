/* SPDX-License-Identifier: MIT
 * core.h - the types and macros that every header of this folder needs
 */
#ifndef BASE_CORE_H
#define BASE_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COUNT(array)           ((int)(sizeof(array) / sizeof *(array)))
#define PRINTF_LIKE(at, first) __attribute__((format(printf, at, first)))

#endif
