/* SPDX-License-Identifier: MIT
 * dispatch.c - the table of kernels, filled once before main with the best that runs here
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "kernel/panel.h"

struct kernels kernels;

#ifdef KERNEL_X86
#include <cpuid.h>

/* clang's __builtin_cpu_supports does not know it. */
static bool have_f16c(void)
{
    unsigned a, b, c, d;

    return __get_cpuid(1, &a, &b, &c, &d) && c & bit_F16C;
}

static bool have_avx2(void)
{
    __builtin_cpu_init(); /* constructors may run before the compiler's own */
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && have_f16c();
}

/* The compilers' names for it differ with their age. */
static bool have_avxvnni(void)
{
    unsigned a, b, c, d;

    return have_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && a & 1u << 4;
}

static bool have_avx512(void)
{
    return have_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

static bool have_vnni(void)
{
    return have_avx512() && __builtin_cpu_supports("avx512vnni");
}

static bool have_bf16(void)
{
    unsigned a, b, c, d;

    return have_vnni() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && a & 1u << 5;
}

static bool have_amx512(void)
{
    return have_vnni() && have_amx();
}
#endif

static bool always(void)
{
    return true;
}

/* Best first. */
static const struct variant {
    const struct kernels *table;
    bool (*runs)(void);
} variants[] = {
#ifdef KERNEL_X86
    { &kernels_amx, have_amx512 },      { &kernels_bf16, have_bf16 },
    { &kernels_vnni, have_vnni },       { &kernels_avx512, have_avx512 },
    { &kernels_avxvnni, have_avxvnni }, { &kernels_avx2, have_avx2 },
#endif
    { &kernels_scalar, always },        { &kernels_scalar_bf16, always }, /* by its name alone */
};

static const struct kernels *find(const char *name)
{
    for (int i = 0; i < COUNT(variants); i++)
        if ((!name || !strcmp(name, variants[i].table->name)) && variants[i].runs())
            return variants[i].table;
    return NULL;
}

bool kernels_supported(const char *name)
{
    return find(name) != NULL;
}

void kernels_use(const char *name)
{
    const struct kernels *table = find(name);

    assert(table);
    kernels = *table;
}

__attribute__((constructor)) static void kernels_start(void)
{
    const char *name = getenv("VLM_CPU");

    if (name && !*name)
        name = NULL;
    if (name && !kernels_supported(name)) {
        warn("VLM_CPU=%s is not supported here; using %s", name, find(NULL)->name);
        name = NULL;
    }
    kernels_use(name);
}
