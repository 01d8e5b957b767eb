/* SPDX-License-Identifier: MIT
 * weights.c - tests of lib/weights: what is read equals what was saved; what is wrong is refused
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "tests/unit/tap.h"
#include "tests/unit/zip.h"
#include "weights/weights.h"

#define GOLDEN "tests/golden/weights/"

static void *contents(const struct stored *s)
{
    void *copy = xalloc((size_t)stored_count(s) + 1, dtype_size(s->type));

    stored_copy(s, false, copy);
    return copy;
}

/* Type, shape and every byte; names the first that differs. */
static bool same_tensor(const struct stored *got, const struct stored *wanted)
{
    size_t bytes = (size_t)stored_count(wanted) * dtype_size(wanted->type);
    void *a, *b;
    bool same;

    if (got->type != wanted->type || got->rank != wanted->rank ||
        memcmp(got->shape, wanted->shape, sizeof got->shape)) {
        note("%s has another type or shape", wanted->name);
        return false;
    }
    if ((uintptr_t)got->data % dtype_size(got->type)) {
        note("%s is not aligned", wanted->name);
        return false;
    }
    a = contents(got);
    b = contents(wanted);
    same = !memcmp(a, b, bytes);
    free(a);
    free(b);
    if (!same)
        note("%s has other numbers", wanted->name);
    return same;
}

static void same_weights(const char *path, const char *expected, const char *kind)
{
    struct weights *got = weights_open(path), *wanted = weights_open(expected);
    bool good = got && wanted && weights_count(got) == weights_count(wanted) &&
                !strcmp(weights_kind(got), kind);

    if (!got || !wanted)
        note("%s", error_text());
    else if (!good)
        note("%d tensors, expected %d; %s", weights_count(got), weights_count(wanted),
             weights_kind(got));
    for (int i = 0; good && i < weights_count(wanted); i++) {
        const struct stored *w = weights_at(wanted, i), *g = weights_find(got, w->name);

        if (!g)
            note("%s is missing", w->name);
        good = g && same_tensor(g, w);
    }
    if (good && weights_verify(got)) {
        note("%s", error_text());
        good = false;
    }
    ok(good, "%s is read", path);
    weights_close(got);
    weights_close(wanted);
}

static void reading(void)
{
    static const struct {
        const char *path, *expected, *kind;
    } files[] = {
        { "zip.pt", "zip", "torch" },
        { "legacy.pt", "zip", "legacy" },
        { "script.pt", "script", "torchscript" },
        { "wrapped.pt", "wrapped", "torch" },
        { "wrapped2.pt", "wrapped", "torch" },
        { "deflated.pt", "small", "torch" },
        { "big.pt", "small", "torch" },
        { "zip64.pt", "small", "torch" },
        { "sharded-safetensors", "plain", "safetensors" },
        { "sharded-safetensors/model.safetensors.index.json", "plain", "safetensors" },
        { "sharded-torch", "plain", "torch" },
    };

    for (int i = 0; i < COUNT(files); i++) {
        char *path = xprintf(GOLDEN "%s", files[i].path);
        char *expected = xprintf(GOLDEN "%s.safetensors", files[i].expected);

        same_weights(path, expected, files[i].kind);
        free(path);
        free(expected);
    }
}

/* Known numbers, apart from the other reader. */
static void details(void)
{
    struct weights *w = weights_open(GOLDEN "zip.pt");
    const struct stored *s;
    const float *all, *row;

    if (!ok(w != NULL, "open"))
        return;
    s = weights_find(w, "i64");
    ok(s && ((const int64_t *)s->data)[0] == -1 && ((const int64_t *)s->data)[1] == 1ll << 40,
       "int64 values");
    s = weights_find(w, "scalar");
    ok(s && s->rank == 0 && *(const float *)s->data == 4.6052f, "a scalar has rank 0");
    s = weights_find(w, "transposed");
    ok(s && s->shape[0] == 7 && s->stride[0] == 1 && s->stride[1] == 7 && !stored_is_contiguous(s),
       "a transpose is a view");
    all = weights_find(w, "shared.all")->data;
    row = weights_find(w, "shared.rows")->data;
    ok(row == all + 8 && stored_is_contiguous(weights_find(w, "shared.rows")),
       "tensors share a storage");
    ok(weights_find(w, "empty")->bytes == 0, "an empty tensor has no bytes");
    ok(!weights_find(w, "none"), "an unknown name is not found");
    is_text(weights_path(w), GOLDEN "zip.pt", "path");
    weights_close(w);
    w = weights_open(GOLDEN "plain.safetensors");
    is_text(w ? weights_metadata(w) : "", "{\"format\":\"pt\"}", "metadata");
    weights_close(w);
}

static void copying(void)
{
    float in[40 * 50], out[40 * 50];
    struct stored s = { .type = DTYPE_F32, .rank = 2, .shape = { 40, 50 }, .data = in };
    bool good = true;

    s.bytes = sizeof in;
    s.stride[0] = 50, s.stride[1] = 1;
    for (int i = 0; i < COUNT(in); i++)
        in[i] = (float)i;
    stored_copy(&s, false, out);
    ok(!memcmp(in, out, sizeof in), "copy");
    stored_copy(&s, true, out);
    for (int i = 0; i < COUNT(in); i++)
        good = good && out[i % 50 * 40 + i / 50] == in[i];
    ok(good, "copy transposed");
    s.shape[0] = 50, s.shape[1] = 40, s.stride[0] = 1, s.stride[1] = 50;
    stored_copy(&s, true, out);
    ok(!memcmp(in, out, sizeof in), "copy a transpose transposed");
    s.rank = 1, s.shape[0] = 3, s.stride[0] = 10;
    stored_copy(&s, false, out);
    ok(out[0] == 0 && out[1] == 10 && out[2] == 20, "copy with gaps");
}

/* The tensors of zip.pt that plain.safetensors has; returns how many. */
static int choose(const struct weights *w, const struct weights *plain, struct saving *list)
{
    int count = 0;

    for (int i = 0; w && plain && i < weights_count(w); i++) {
        const struct stored *s = weights_at(w, i);

        if (!weights_find(plain, s->name))
            continue;
        list[count] = (struct saving){
            .name = s->name, .type = s->type, .rank = s->rank, .data = contents(s)
        };
        memcpy(list[count++].shape, s->shape, sizeof s->shape);
    }
    return count;
}

static bool equal_files(const char *a, const char *b)
{
    struct buffer x = { 0 }, y = { 0 };
    bool same = !file_read(&x, a) && !file_read(&y, b) && x.size == y.size &&
                !memcmp(x.data, y.data, x.size);

    buffer_free(&x);
    buffer_free(&y);
    return same;
}

/* A disk that is full after 100 bytes: the old file stays, and nothing else. */
static void full_disk(const char *path, const struct saving *list, int count)
{
    struct rlimit limit;
    rlim_t before;
    char *above = path_above(path);
    int files = 0;

    getrlimit(RLIMIT_FSIZE, &limit);
    before = limit.rlim_cur;
    limit.rlim_cur = 100;
    signal(SIGXFSZ, SIG_IGN);
    fflush(stdout);
    setrlimit(RLIMIT_FSIZE, &limit);
    is_long(weights_save(path, list, count, NULL), -1, "a full disk is noticed");
    limit.rlim_cur = before;
    setrlimit(RLIMIT_FSIZE, &limit);
    note("%s", error_text());
    ok(equal_files(path, GOLDEN "plain.safetensors"), "the old file is as it was");
    DIR *open_folder = opendir(above);
    for (struct dirent *e; open_folder && (e = readdir(open_folder));)
        files += strstr(e->d_name, ".tmp") != NULL;
    closedir(open_folder);
    is_long(files, 0, "the unfinished one is gone");
    free(above);
}

static void saving(void)
{
    struct weights *w = weights_open(GOLDEN "zip.pt");
    struct weights *plain = weights_open(GOLDEN "plain.safetensors");
    struct saving list[32] = { 0 };
    char folder[] = "/tmp/vlm-weights-XXXXXX";
    int count = choose(w, plain, list);
    char *path;

    if (!ok(mkdtemp(folder) != NULL, "a folder"))
        return;
    path = path_join(folder, "model.safetensors");
    is_long(weights_save(path, list, count, "{\"format\":\"pt\"}"), 0, "save");
    ok(equal_files(path, GOLDEN "plain.safetensors"),
       "the file equals the reference writer's byte for byte");
    same_weights(folder, GOLDEN "plain.safetensors", "safetensors");
    full_disk(path, list, count);
    is_long(weights_save("/nowhere/at/all", list, count, NULL), -1, "no such folder");
    note("%s", error_text());
    for (int i = 0; i < count; i++)
        free((void *)(uintptr_t)list[i].data);
    weights_close(w);
    weights_close(plain);
    unlink(path);
    rmdir(folder);
    free(path);
}

/* Bytes that must be refused with a sentence that has the words. */
static void refused(const char *name, const void *data, size_t size, const char *words)
{
    struct weights *w = weights_open_bytes("x", data, size);
    bool good = !w && strstr(error_text(), words) && !strncmp(error_text(), "x: ", 3);

    ok(good, "refused: %s", name);
    if (good)
        note("%s", error_text());
    else
        note("%s, expected ... %s ...", w ? "read" : error_text(), words);
    weights_close(w);
}

static void refuse_safetensors(const char *name, const char *header, size_t numbers,
                               const char *words)
{
    struct buffer b = { 0 };

    put_number(&b, strlen(header), 8);
    buffer_string(&b, header);
    for (size_t i = 0; i < numbers; i++)
        buffer_byte(&b, 0);
    refused(name, b.data, b.size, words);
    buffer_free(&b);
}

#define T(offsets) "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[" offsets "]}"

static void safetensors(void)
{
    static const struct {
        const char *name, *header;
        size_t numbers;
        const char *words;
    } bad[] = {
        { "overlap", "{\"a\":" T("0,8") ",\"b\":" T("4,12") "}", 12, "b overlaps" },
        { "hole", "{\"a\":" T("0,8") ",\"b\":" T("12,20") "}", 20, "b leaves a hole" },
        { "hole at the start", "{\"a\":" T("4,12") "}", 12, "a leaves a hole" },
        { "bytes behind the last", "{\"a\":" T("0,8") "}", 9, "behind the last tensor: 1" },
        { "truncated", "{\"a\":" T("0,8") "}", 7, "a ends at byte 8" },
        { "size equation", "{\"a\":" T("0,4") "}", 4, "needs 8 bytes" },
        { "begin behind end", "{\"a\":" T("8,0") "}", 8, "needs 8 bytes" },
        { "twice", "{\"a\":" T("0,8") ",\"a\":" T("8,16") "}", 16, "two tensors are named a" },
        { "unknown type", "{\"a\":{\"dtype\":\"F9\",\"shape\":[],\"data_offsets\":[0,4]}}", 4,
          "type F9" },
        { "8-bit float", "{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4,
          "type F8_E4M3, which is not supported" },
        { "negative size", "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4,
          "non-negative integer" },
        { "fractional size", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}",
          4, "expected ']'" },
        { "huge sizes",
          "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
          "impossible shape" },
        { "huge times zero",
          "{\"a\":{\"dtype\":\"F32\",\"shape\":[281474976710655,9,0],\"data_offsets\":[0,0]}}", 0,
          "impossible shape" },
        { "a number above 2^64",
          "{\"a\":{\"dtype\":\"F32\",\"shape\":[18446744073709551616],\"data_offsets\":[0,0]}}", 0,
          "below 2^64" },
        { "rank 9",
          "{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1,
          "more than 8 dimensions" },
        { "no type", "{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "lacks its dtype" },
        { "no shape", "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "lacks its shape" },
        { "unknown field", "{\"a\":{\"stride\":[1]}}", 0, "unknown field stride" },
        { "metadata of numbers", "{\"__metadata__\":{\"a\":1}}", 0, "expected '\"'" },
        { "not an object", "[]", 0, "expected '{'" },
        { "white space first", " {}", 0, "expected '{'" },
        { "text behind", "{} x", 0, "expected its end" },
        { "open", "{\"a\":{\"dtype\":\"F3", 0, "the string's end" },
        { "empty name", "{\"\":" T("0,8") "}", 8, "name has 0 bytes" },
        { "NUL in a name", "{\"a\\u0000\":" T("0,8") "}", 8, "code point" },
        { "not UTF-8", "{\"a\xff\":" T("0,8") "}", 8, "not UTF-8" },
        { "half a surrogate pair", "{\"a\\ud800\":" T("0,8") "}", 8, "low surrogate" },
        { "line end in a name", "{\"a\\n\":" T("0,8") "}", 8, "control character" },
    };

    for (int i = 0; i < COUNT(bad); i++)
        refuse_safetensors(bad[i].name, bad[i].header, bad[i].numbers, bad[i].words);
    refused("header over the limit", "\1\xe1\xf5\5\0\0\0\0{", 9, "100000001 bytes");
    refused("header of 2^63 bytes", "\0\0\0\0\0\0\0\x80{", 9, "neither a safetensors");
    refused("header longer than the file", "\xff\0\0\0\0\0\0\0{", 9, "in a file of 9");
    refused("seven bytes", "\1\0\0\0\0\0\0", 7, "neither a safetensors");
}

/* Odd header lengths, as the first writers left them: numbers are moved to where they fit. */
static void unaligned(void)
{
    struct buffer b = { 0 };
    const char *header = "{\"\\u00e4\\ud83d\\ude00/\\\"\" :" T("0,8") " } ";
    const float numbers[2] = { 1.5f, -2 };
    struct weights *w;
    const struct stored *s;

    put_number(&b, strlen(header), 8);
    buffer_string(&b, header);
    buffer_add(&b, numbers, sizeof numbers);
    w = weights_open_bytes("x", b.data, b.size);
    s = w ? weights_find(w, "\xc3\xa4\xf0\x9f\x98\x80/\"") : NULL;
    ok(s && (uintptr_t)s->data % 4 == 0 && !memcmp(s->data, numbers, sizeof numbers),
       "unaligned numbers, escapes in a name");
    if (!w)
        note("%s", error_text());
    weights_close(w);
    buffer_free(&b);
}

/* Pickles.  S: a storage of 16 floats; V: the call that makes a tensor from it. */
#define HEAD "\x80\2}X\1\0\0\0a"
#define S                                                                                          \
    "(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"                                             \
    "0X\3\0\0\0cpuK\20tQ"
#define V       "ctorch._utils\n_rebuild_tensor_v2\n("
#define TAIL    "\x89)tRs."
#define P(text) text, sizeof text - 1

/* clang-format off */
static const struct {
    const char *name, *pickle;
    size_t size;
    const char *words;
} bad_pickles[] = {
    { "os.system", P("\x80\2cposix\nsystem\nX\4\0\0\0true\x85R."), "objects of posix.system are not made" },
    { "eval", P("\x80\2c__builtin__\neval\nX\1\0\0\0" "1\x85R."), "objects of __builtin__.eval" },
    { "a name with an escape sequence", P("\x80\2cos\nx\33[2J\n."), "objects of os.x?[2J are" },
    { "a look-alike of an inert class", P("\x80\2c__torch__x\nsystem\n."), "objects of __torch__x.system" },
    { "a class by stack", P("\x80\4\x8c\2os\x8c\6system\x93."), "objects of os.system" },
    { "derived from an unknown class", P("\x80\2ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\nN)NtR."), "objects of os.system" },
    { "derived of derived", P("\x80\2ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._tensor\n_rebuild_from_type_v2\nN)NtR."), "no function" },
    { "sparse tensor", P("\x80\2ctorch._utils\n_rebuild_sparse_tensor\n."), "torch._utils._rebuild_sparse_tensor" },
    { "ends early", P("\x80\2}X\377\0\0\0a"), "ends too early" },
    { "no end", P("\x80\2}"), "ends too early" },
    { "empty stack", P("\x80\2."), "takes more from its stack" },
    { "below a mark", P("\x80\2N(\x85."), "takes more from its stack" },
    { "no mark", P("\x80\2t."), "lacks a mark" },
    { "unknown opcode", P("\x80\2\x82\1."), "opcode 0x82" },
    { "protocol 0", P("\x80\0N."), "protocol 0" },
    { "memo hole", P("\x80\2Nr\0\0\0\177."), "memo has a hole" },
    { "memo miss", P("\x80\2h\5."), "not there" },
    { "append to a dict", P("\x80\2}Na."), "no list" },
    { "odd items", P("\x80\2}(Nu."), "no dict" },
    { "call of a number", P("\x80\2K\1)R."), "no function" },
    { "instance of a function", P("\x80\2" "ctorch._utils\n_rebuild_tensor\n)\x81."), "no class" },
    { "nothing in it", P("\x80\2}."), "no named tensors" },
    { "a number", P("\x80\2K\1."), "no named tensors" },
    { "reaches behind", P(HEAD V S "K\0K\5K\4\x86K\4K\1\x86" TAIL), "reaches behind the end of storage 0" },
    { "offset behind the end", P(HEAD V S "K\21K\0\x85K\1\x85" TAIL), "reaches behind" },
    { "offset at the end", P(HEAD V S "K\20))" TAIL), "reaches behind" },
    { "negative offset", P(HEAD V S "J\377\377\377\377))" TAIL), "unknown way" },
    { "negative size", P(HEAD V S "K\0J\377\377\377\377\x85K\1\x85" TAIL), "impossible shape or stride" },
    { "negative stride", P(HEAD V S "K\0K\2\x85J\377\377\377\377\x85" TAIL), "impossible shape or stride" },
    { "strides of another rank", P(HEAD V S "K\0K\2\x85)" TAIL), "impossible shape or stride" },
    { "huge size", P(HEAD V S "K\0\x8a\6\0\0\0\0\0\1\x85K\0\x85" TAIL), "makes 1099511627776 elements" },
    { "huge stride", P(HEAD V S "K\0K\2\x85\x8a\6\377\377\377\377\377\177\x85" TAIL), "reaches behind" },
    { "overflowing strides", P(HEAD V S "K\0\x8a\6\377\377\377\377\377\177\x85\x8a\6\377\377\377\377\377\177\x85" TAIL), "reaches behind" },
    { "overflowing shape", P(HEAD V S "K\0\x8a\5\0\0\0\0\1\x8a\5\0\0\0\0\1\x86K\0K\0\x86" TAIL), "impossible shape" },
    { "expanded beyond reason", P(HEAD V S "K\0J\0\0\0\20K\2\x86K\0K\1\x86" TAIL), "elements of the 16 in storage 0" },
    { "rank 9", P(HEAD V S "K\0(K\1K\1K\1K\1K\1K\1K\1K\1K\1t)" TAIL), "more than 8 dimensions" },
    { "storage of another size", P(HEAD V "(X\7\0\0\0storagectorch\nHalfStorage\nX\1\0\0\0" "0NK\20tQK\0))" TAIL), "is said to have 32" },
    { "storage that is missing", P(HEAD V "(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0" "7NK\20tQK\0))" TAIL), "storage 7 is not in the archive" },
    { "storage key with a path", P(HEAD V "(X\7\0\0\0storagectorch\nFloatStorage\nX\5\0\0\0../..NK\20tQK\0))" TAIL), "not in the archive" },
    { "storage of a class", P(HEAD V "(X\7\0\0\0storagectorch\nSize\nX\1\0\0\0" "0NK\20tQK\0))" TAIL), "unknown way" },
    { "complex numbers", P(HEAD V "(X\7\0\0\0storagectorch\nComplexFloatStorage\nX\1\0\0\0" "0NK\10tQK\0))" TAIL), "a has type complex64" },
    { "bytes without a type", P(HEAD V "(X\7\0\0\0storagectorch.storage\nUntypedStorage\nX\1\0\0\0" "0NK\100tQK\0))" TAIL), "no type" },
    { "a name with a NUL", P("\x80\2}X\2\0\0\0a\0" V S "K\0))" TAIL), "control character" },
    { "a name twice", P(HEAD V S "K\0))\x89)tRsX\1\0\0\0a" V S "K\0))" TAIL), "two tensors are named a" },
    { "a module that contains itself", P("\x80\2c__torch__\nM\n)\x81q\0}X\1\0\0\0mh\0sb."), "nested more than 64 deep" },
};
/* clang-format on */

/* Wrapping around every name. */
static void wrapped_names(void)
{
    static const char *const names[] = { "module.a", "_orig_mod.module.a", "model.a",
                                         "base_model.model.a", "clip_model.a" };

    for (int i = 0; i < COUNT(names); i++) {
        const float number = 1;
        struct saving s = { names[i], DTYPE_F32, 1, { 1 }, &number, 0 };
        char path[] = "/tmp/vlm-weights-XXXXXX";
        int fd = mkstemp(path);
        struct weights *w = NULL;

        close(fd);
        if (weights_save(path, &s, 1, NULL) == 0)
            w = weights_open(path);
        ok(w && weights_find(w, "a"), "%s is a", names[i]);
        weights_close(w);
        remove(path);
    }
}

/* Dictionaries around the state dict. */
static void wrappers(void)
{
    static const struct {
        const char *name, *pickle;
        size_t size;
    } rows[] = {
#define INSIDE(before, behind)                                                                     \
    P("\x80\2}" before "}X\1\0\0\0a" V S "K\0K\2\x85K\1\x85\x89)tRs" behind ".")
        { "model_state_dict", INSIDE("X\20\0\0\0model_state_dict", "s") },
        { "model, state_dict", INSIDE("X\5\0\0\0model}X\12\0\0\0state_dict", "ss") },
    };

    for (int i = 0; i < COUNT(rows); i++) {
        struct archive a = { 0 };
        struct weights *w;

        archive_checkpoint(&a, rows[i].pickle, rows[i].size);
        w = weights_open_bytes("x", a.file.data, a.file.size);
        if (!ok(w && weights_find(w, "a"), "looks into %s", rows[i].name))
            note("%s", error_text());
        weights_close(w);
        archive_free(&a);
    }
}

/* What stands beside the weights of a training: a set, a counter, a default dict, a frozen set, an
 * object with attributes, an array, bytes.  None of it is made, and nothing of it is in the way. */
static void check_side_data(void)
{
    static const char pickle[] = "\x80\4}(X\1\0\0\0a" V S "K\0K\2\x85K\1\x85\x89)tR"
                                 "X\1\0\0\0b\x8f(K\1K\2\x90"
                                 "X\1\0\0\0c"
                                 "ccollections\nCounter\n}(X\1\0\0\0xK\2u\x85R"
                                 "X\1\0\0\0d"
                                 "ccollections\ndefaultdict\ncbuiltins\nint\n\x85R(X\1\0\0\0xK\2u"
                                 "X\1\0\0\0e(K\1K\2\x91"
                                 "X\1\0\0\0f"
                                 "cpathlib\nPosixPath\nX\1\0\0\0/\x85\x81"
                                 "X\1\0\0\0g"
                                 "cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85"
                                 "C\1b\x87R(K\1K\1\x85N\x89"
                                 "C\1xtb"
                                 "X\1\0\0\0h"
                                 "cacme.engine\nLauncher\n)}\x92}X\1\0\0\0xK\1sb"
                                 "X\1\0\0\0i(K\1K\2lX\1\0\0\0j(K\1K\2dX\1\0\0\0kN2"
                                 "(K\1K\1"
                                 "1X\1\0\0\0l\x96\2\0\0\0\0\0\0\0xy0u.";
    struct archive a = { 0 };
    struct weights *w;

    archive_checkpoint(&a, pickle, sizeof pickle - 1);
    w = weights_open_bytes("x", a.file.data, a.file.size);
    ok(w && weights_count(w) == 1 && weights_find(w, "a"), "side data is passed over");
    if (!w)
        note("%s", error_text());
    weights_close(w);
    archive_free(&a);
}

/* NumPy's arrays in a zip: types, orders of bytes and axes, and what is passed over. */
static void check_npz(void)
{
    static const struct {
        const char *name, *header, *numbers;
        size_t size;
    } arrays[] = {
        { "params/a.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
          P("\0\0\0\0\0\0\x80?\0\0\0@\0\0@@\0\0\x80@\0\0\xa0@") },
        { "params/b.npy", "{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3), }",
          P("\0\0\3\0\1\0\4\0\2\0\5\0") },
        { "c.npy", "{'descr': '>i4', 'fortran_order': False, 'shape': (2,), }",
          P("\0\0\0\0\0\0\0\1") },
        { "d.npy", "{'descr': '|V2', 'fortran_order': False, 'shape': (), }", P("\x80\x3f") },
        { "text.npy", "{'descr': '<U3', 'fortran_order': False, 'shape': (), }",
          P("abcdefghijkl") },
        { "pickled.npy", "{'descr': '|O', 'fortran_order': False, 'shape': (), }", P("\x80\4N.") },
    };
    struct archive a = { 0 };
    struct weights *w;

    for (int i = 0; i < COUNT(arrays); i++) {
        struct buffer b = { 0 };
        size_t length = strlen(arrays[i].header);

        buffer_add(&b, "\x93NUMPY\1", 8);
        put_number(&b, length, 2);
        buffer_add(&b, arrays[i].header, length);
        buffer_add(&b, arrays[i].numbers, arrays[i].size);
        if (i == 1)
            archive_deflated(&a, arrays[i].name, b.data, b.size);
        else
            archive_add(&a, arrays[i].name, b.data, b.size);
        buffer_free(&b);
    }
    archive_end(&a);
    w = weights_open_bytes("x", a.file.data, a.file.size);
    if (ok(w && weights_count(w) == 4, "NumPy's arrays in a zip: %s", w ? "" : error_text())) {
        const struct stored *s = weights_find(w, "params/a");
        float floats[6];
        int16_t shorts[6];
        int32_t longs[2];

        is_text(weights_kind(w), "npz", "their kind");
        stored_copy(s, false, floats);
        stored_copy(weights_find(w, "params/b"), false, shorts);
        stored_copy(weights_find(w, "c"), false, longs);
        ok(s->rank == 2 && s->shape[1] == 3 && floats[1] == 1 && floats[5] == 5, "32-bit floats");
        ok(shorts[0] == 0 && shorts[1] == 1 && shorts[3] == 3 && shorts[5] == 5, "columns first");
        ok(longs[0] == 0 && longs[1] == 1, "the high byte first");
        s = weights_find(w, "d");
        ok(s->type == DTYPE_BF16 && s->rank == 0 && stored_count(s) == 1, "a bfloat16");
    }
    weights_close(w);
    archive_free(&a);
    for (int i = 0; i < 6; i++) {
        static const char *const headers[] = {
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
            "{'descr': '<f4', 'shape': (2,)",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1"
        };
        struct buffer b = { 0 };

        buffer_add(&b, "\x93NUMPY\1", 8);
        put_number(&b, strlen(headers[i]), 2);
        buffer_string(&b, headers[i]);
        buffer_add(&b, "1234", 4);
        archive_add(&a, "a.npy", b.data, b.size);
        archive_end(&a);
        refused(headers[i], a.file.data, a.file.size, "a.npy: ");
        archive_free(&a);
        buffer_free(&b);
    }
}

/* Small files that stand for much memory. */
static void check_bombs(void)
{
    enum { MANY = 64 << 20 };
    struct archive a = { 0 };
    char *none = xalloc(MANY, 1);

    archive_add(&a, "a/data.pkl", "\x80\2}.", 4);
    archive_add(&a, "a/data/0", "12345678", 8);
    archive_again(&a, "a/data/1", "12345678", 8);
    archive_end(&a);
    refused("entries over the same bytes", a.file.data, a.file.size, "overlap");
    archive_free(&a);
    memset(none, 'N', MANY);
    memcpy(none, "\x80\2", 2);
    archive_deflated(&a, "a/data.pkl", none, MANY);
    archive_end(&a);
    ok(a.file.size < 80000, "a pickle of 64 MiB in %zu bytes", a.file.size);
    refused("a pickle that unpacks a thousandfold", a.file.data, a.file.size,
            "unpacks to 67108864");
    archive_free(&a);
    memset(none, '}', MANY);
    memcpy(none, "\x80\2", 2);
    archive_add(&a, "a/data.pkl", none, MANY);
    archive_end(&a);
    refused("a pickle of too many objects", a.file.data, a.file.size, "far more than it holds");
    archive_free(&a);
    free(none);
}

static void pickles(void)
{
    wrapped_names();
    wrappers();
    check_side_data();
    check_bombs();
    check_npz();
    for (int i = 0; i < COUNT(bad_pickles); i++) {
        struct archive a = { 0 };

        archive_checkpoint(&a, bad_pickles[i].pickle, bad_pickles[i].size);
        refused(bad_pickles[i].name, a.file.data, a.file.size, bad_pickles[i].words);
        archive_free(&a);
    }
}

static void refuse_pickle(const char *name, struct buffer *pickle, const char *words)
{
    struct archive a = { 0 };

    archive_checkpoint(&a, pickle->data, pickle->size);
    refused(name, a.file.data, a.file.size, words);
    archive_free(&a);
    buffer_free(pickle);
}

/* Small files that would become large, or keep a reader busy for ever. */
static void bombs(void)
{
    struct buffer b = { 0 };

    /* a list of 50,000 pairs, copied 20,000 times by OrderedDict */
    buffer_add(&b, P("\x80\2]q\0("));
    for (int i = 0; i < 50000; i++)
        buffer_add(&b, P("NN\x86"));
    buffer_add(&b, P("e0ccollections\nOrderedDict\nq\1"));
    for (int i = 0; i < 20000; i++)
        buffer_add(&b, P("0h\1h\0\x85R"));
    buffer_byte(&b, '.');
    refuse_pickle("copies of copies", &b, "far more than it holds");

    buffer_add(&b, P("\x80\2c__torch__\nM\nq\0)\x81")); /* 60 levels, each twice the one below */
    for (int i = 0; i < 60; i++)
        buffer_add(&b, P("q\1h\0)\x81}(X\1\0\0\0xh\1X\1\0\0\0yh\1ub"));
    buffer_byte(&b, '.');
    refuse_pickle("2^60 paths through 60 modules", &b, "tree of modules is too large");

    buffer_add(&b, P("\x80\2")); /* lists in lists: nobody walks them */
    for (int i = 0; i < 200000; i++)
        buffer_byte(&b, ']');
    for (int i = 1; i < 200000; i++)
        buffer_byte(&b, 'a');
    buffer_byte(&b, '.');
    refuse_pickle("200,000 lists in lists", &b, "no named tensors");
}

static void archives(void)
{
    struct archive a = { 0 };
    struct buffer zip = { 0 };

    archive_add(&a, "a/x", "x", 1);
    archive_end(&a);
    refused("a zip without a checkpoint", a.file.data, a.file.size, "without data.pkl");
    archive_free(&a);
    archive_add(&a, "a/data.pkl", "}.", 2);
    archive_add(&a, "a/data.pkl", "}.", 2);
    archive_end(&a);
    refused("an entry twice", a.file.data, a.file.size, "two entries a/data.pkl");
    archive_free(&a);
    archive_add(&a, "a/data.pkl", "}.", 2);
    archive_end(&a);
    a.file.data[40]++; /* in the content */
    refused("damaged pickle", a.file.data, a.file.size, "a/data.pkl is damaged");
    archive_free(&a);
    archive_add(&a, "a/data.pkl", "}.", 2);
    archive_add(&a, "b/data.pkl", "}.", 2);
    archive_end(&a);
    refused("two checkpoints", a.file.data, a.file.size, "two checkpoints");
    archive_free(&a);

    file_read(&zip, GOLDEN "zip.pt");
    refused("half a zip", zip.data, zip.size / 2, "cut off");
    refused("a zip without its last byte", zip.data, zip.size - 1, "cut off");
    buffer_free(&zip);
    file_read(&zip, GOLDEN "legacy.pt");
    refused("a legacy file without its last byte", zip.data, zip.size - 1, "ends inside storage");
    refused("half a legacy file", zip.data, zip.size / 4, "ends too early");
    buffer_free(&zip);
}

static void damage(void)
{
    struct archive a = { 0 };
    static const char pickle[] = HEAD V S "K\0K\20\x85K\1\x85" TAIL;
    struct weights *w;

    archive_checkpoint(&a, pickle, sizeof pickle - 1);
    w = weights_open_bytes("x", a.file.data, a.file.size);
    ok(w && weights_count(w) == 1 && weights_verify(w) == 0, "a sound archive verifies");
    a.file.data[30 + 10 + sizeof pickle - 1 + 30 + 8 + 5] ^= 1; /* in storage 0 */
    ok(w && weights_verify(w) == -1 && strstr(error_text(), "x: a/data/0 is damaged"),
       "a damaged storage is found");
    note("%s", error_text());
    weights_close(w);
    archive_free(&a);
}

static void strangers(void)
{
    refused("nothing", "", 0, "empty");
    refused("LFS pointer", P("version https://git-lfs."), "Git LFS pointer");
    refused("web page", P("<!DOCTYPE html>"), "web page");
    refused("index without its folder", P("{\"weight_map\":{}}"), "index");
    refused("another pickle", P("\x80\2}q\1."), "not one that torch.save wrote");
    refused("text", P("hello world, hello"), "neither a safetensors");
    ok(!weights_open("/nowhere") && strstr(error_text(), "/nowhere: "), "no such file");
    ok(!weights_open("tests/golden") && strstr(error_text(), "no weights in this folder"),
       "a folder without weights");
    note("%s", error_text());
}

static void write_text(const char *folder, const char *name, const char *text)
{
    char *path = path_join(folder, name);

    file_write_atomic(path, text, strlen(text));
    free(path);
}

static void indexes(void)
{
    static const struct {
        const char *name, *text, *words;
    } bad[] = {
        { "path", "{\"weight_map\":{\"a\":\"../model.safetensors\"}}", "outside its folder" },
        { "absolute", "{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "outside its folder" },
        { "missing shard", "{\"weight_map\":{\"a\":\"none.safetensors\"}}", "No such file" },
        { "itself", "{\"weight_map\":{\"a\":\"model.safetensors.index.json\"}}",
          "an index where weights should be" },
        { "number", "{\"weight_map\":{\"a\":1}}", "does not name a file for a" },
        { "no map", "{\"a\":1}", "no weight_map" },
        { "not JSON", "{\"a\":1", "JSON" },
        { "no such tensor", "{\"weight_map\":{\"b\":\"empty.st\"}}", "b is not in empty.st" },
    };
    char folder[] = "/tmp/vlm-index-XXXXXX";
    static const char name[] = "model.safetensors.index.json";
    char *path, *shard;

    if (!ok(mkdtemp(folder) != NULL, "a folder"))
        return;
    path = path_join(folder, name);
    shard = path_join(folder, "empty.st");
    file_write_atomic(shard, "\2\0\0\0\0\0\0\0{}", 10);
    for (int i = 0; i < COUNT(bad); i++) {
        struct weights *w;

        write_text(folder, name, bad[i].text);
        w = weights_open(folder);
        ok(!w && strstr(error_text(), bad[i].words), "refused index: %s", bad[i].name);
        note("%s", error_text());
        weights_close(w);
    }
    unlink(path);
    unlink(shard);
    rmdir(folder);
    free(path);
    free(shard);
}

int main(void)
{
    reading();
    details();
    copying();
    saving();
    safetensors();
    unaligned();
    pickles();
    bombs();
    archives();
    damage();
    strangers();
    indexes();
    return done();
}
