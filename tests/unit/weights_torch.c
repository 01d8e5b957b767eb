/* SPDX-License-Identifier: MIT
 * weights_torch.c - pickles and archives: what is passed over, and what is refused
 */
#include "tests/unit/refused.h"

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
    static const char *const names[] = { "module.a",        "_orig_mod.module.a",
                                         "model.a",         "base_model.model.a",
                                         "clip_model.a",    "_fsdp_wrapped_module.a",
                                         "network.module.a" };

    for (int i = 0; i < COUNT(names); i++) {
        const float number = 1;
        struct saving s = { names[i], DTYPE_F32, 1, { 1 }, &number, 0, false };
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
        { "params", INSIDE("X\6\0\0\0params", "s") },
        { "network", INSIDE("X\7\0\0\0network", "s") },
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

int main(void)
{
    pickles();
    bombs();
    archives();
    damage();
    strangers();
    return done();
}
