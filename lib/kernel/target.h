/* SPDX-License-Identifier: MIT
 * target.h - functions for a processor that has TARGET_FEATURES, which the includer defines
 *
 * gcc and clang both know the attribute; the pragmas that say the same for a whole file differ.
 */
#define TARGET __attribute__((target(TARGET_FEATURES)))
#define INLINE static inline TARGET __attribute__((always_inline))
#ifdef __clang__
#define UNROLL(times) UNROLL_PRAGMA(unroll times)
#define WIDE
#else
#define UNROLL(times) UNROLL_PRAGMA(GCC unroll times)
#define WIDE          ",prefer-vector-width=512" /* gcc's own loops too; clang's follow their types */
#endif
#define UNROLL_PRAGMA(text) _Pragma(#text)
