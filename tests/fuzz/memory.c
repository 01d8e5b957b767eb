/* SPDX-License-Identifier: MIT
 * memory.c - what libraries wrote, told to the memory sanitizer; linked with SAN=memory
 *
 *     make check-large T=tests/fuzz/memory
 *
 * clang -fsanitize=memory knows what instrumented code and libc wrote.  zlib, cJSON, libcbor,
 * utf8proc and regcomp() are not instrumented: the linker's --wrap has their calls come through
 * here. What a library hands back is taken for written where the library says how much it wrote.
 */
#if defined __has_feature
#if __has_feature(memory_sanitizer)
#include <cbor.h>
#include <cJSON.h>
#include <regex.h>
#include <sanitizer/msan_interface.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>
#include <zlib.h>

/* The shadow of arguments: a library that calls back leaves there what was. */
extern __thread unsigned long long __msan_param_tls[100];

int __real_inflateInit_(z_stream *z, const char *version, int size);
int __wrap_inflateInit_(z_stream *z, const char *version, int size);
int __wrap_inflateInit_(z_stream *z, const char *version, int size)
{
    int result = __real_inflateInit_(z, version, size);

    __msan_unpoison(z, sizeof *z);
    return result;
}

int __real_inflateInit2_(z_stream *z, int bits, const char *version, int size);
int __wrap_inflateInit2_(z_stream *z, int bits, const char *version, int size);
int __wrap_inflateInit2_(z_stream *z, int bits, const char *version, int size)
{
    int result = __real_inflateInit2_(z, bits, version, size);

    __msan_unpoison(z, sizeof *z);
    return result;
}

int __real_inflate(z_stream *z, int flush);
int __wrap_inflate(z_stream *z, int flush);
int __wrap_inflate(z_stream *z, int flush)
{
    unsigned char *from = z->next_out;
    int result;

    __msan_check_mem_is_initialized(z->next_in, z->avail_in);
    result = __real_inflate(z, flush);
    __msan_unpoison(z, sizeof *z);
    __msan_unpoison(from, (size_t)(z->next_out - from));
    return result;
}

static cJSON_Hooks hooks;

__attribute__((no_sanitize("memory"))) static void *cleared(size_t size)
{
    void *p;

    memset(__msan_param_tls, 0, sizeof __msan_param_tls);
    p = hooks.malloc_fn(size);
    __msan_unpoison(p, size);
    return p;
}

void __real_cJSON_InitHooks(cJSON_Hooks *given);
void __wrap_cJSON_InitHooks(cJSON_Hooks *given);
void __wrap_cJSON_InitHooks(cJSON_Hooks *given)
{
    hooks = *given;
    __real_cJSON_InitHooks(&(cJSON_Hooks){ .malloc_fn = cleared, .free_fn = given->free_fn });
}

struct cbor_decoder_result __real_cbor_stream_decode(cbor_data data, size_t size,
                                                     const struct cbor_callbacks *c, void *context);
struct cbor_decoder_result __wrap_cbor_stream_decode(cbor_data data, size_t size,
                                                     const struct cbor_callbacks *c, void *context);
__attribute__((no_sanitize("memory"))) struct cbor_decoder_result
__wrap_cbor_stream_decode(cbor_data data, size_t size, const struct cbor_callbacks *c,
                          void *context)
{
    struct cbor_decoder_result result;

    memset(__msan_param_tls, 0, sizeof __msan_param_tls);
    result = __real_cbor_stream_decode(data, size, c, context);
    __msan_unpoison(&result, sizeof result);
    return result;
}

#define ENCODER(name)                                                                              \
    size_t __real_##name(uint64_t value, unsigned char *out, size_t size);                         \
    size_t __wrap_##name(uint64_t value, unsigned char *out, size_t size);                         \
    size_t __wrap_##name(uint64_t value, unsigned char *out, size_t size)                          \
    {                                                                                              \
        size_t written;                                                                            \
                                                                                                   \
        __msan_check_mem_is_initialized(&value, sizeof value);                                     \
        written = __real_##name(value, out, size);                                                 \
        __msan_unpoison(out, written);                                                             \
        return written;                                                                            \
    }
ENCODER(cbor_encode_uint)
ENCODER(cbor_encode_tag)
ENCODER(cbor_encode_string_start)
ENCODER(cbor_encode_bytestring_start)
ENCODER(cbor_encode_array_start)
ENCODER(cbor_encode_map_start)

utf8proc_ssize_t __real_utf8proc_decompose_char(utf8proc_int32_t code, utf8proc_int32_t *out,
                                                utf8proc_ssize_t size, utf8proc_option_t options,
                                                int *boundary);
utf8proc_ssize_t __wrap_utf8proc_decompose_char(utf8proc_int32_t code, utf8proc_int32_t *out,
                                                utf8proc_ssize_t size, utf8proc_option_t options,
                                                int *boundary);
utf8proc_ssize_t __wrap_utf8proc_decompose_char(utf8proc_int32_t code, utf8proc_int32_t *out,
                                                utf8proc_ssize_t size, utf8proc_option_t options,
                                                int *boundary)
{
    utf8proc_ssize_t n = __real_utf8proc_decompose_char(code, out, size, options, boundary);

    if (n > 0)
        __msan_unpoison(out, (size_t)(n < size ? n : size) * sizeof *out);
    __msan_unpoison(boundary, sizeof *boundary);
    return n;
}

utf8proc_bool __real_utf8proc_grapheme_break_stateful(utf8proc_int32_t a, utf8proc_int32_t b,
                                                      utf8proc_int32_t *state);
utf8proc_bool __wrap_utf8proc_grapheme_break_stateful(utf8proc_int32_t a, utf8proc_int32_t b,
                                                      utf8proc_int32_t *state);
utf8proc_bool __wrap_utf8proc_grapheme_break_stateful(utf8proc_int32_t a, utf8proc_int32_t b,
                                                      utf8proc_int32_t *state)
{
    utf8proc_bool result = __real_utf8proc_grapheme_break_stateful(a, b, state);

    __msan_unpoison(state, sizeof *state);
    return result;
}

int __real_regcomp(regex_t *code, const char *text, int flags);
int __wrap_regcomp(regex_t *code, const char *text, int flags);
int __wrap_regcomp(regex_t *code, const char *text, int flags)
{
    int result = __real_regcomp(code, text, flags);

    __msan_unpoison(code, sizeof *code);
    return result;
}

size_t __real_regerror(int error, const regex_t *code, char *reason, size_t size);
size_t __wrap_regerror(int error, const regex_t *code, char *reason, size_t size);
size_t __wrap_regerror(int error, const regex_t *code, char *reason, size_t size)
{
    size_t length = __real_regerror(error, code, reason, size);

    __msan_unpoison(reason, length < size ? length : size);
    return length;
}
#endif
#endif
