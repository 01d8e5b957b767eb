/* SPDX-License-Identifier: MIT
 * weights.c - tests of lib/weights: what is read equals what was saved; what is wrong is refused
 */
#include "tests/unit/refused.h"

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
    indexes();
    return done();
}
