/* SPDX-License-Identifier: MIT
 * sweep_weights.c - damaged weights: safetensors, pickles, archives, NumPy's
 */
#include <stdio.h>
#include "tests/unit/sweep.h"
#include "tests/unit/zip.h"
#include "weights/weights.h"

#define GOLDEN "tests/golden/weights/"

static bool read_weights(const void *data, size_t size)
{
    struct weights *w = weights_open_bytes("x", data, size);
    bool good = w;

    for (int i = 0; w && i < weights_count(w); i++) {
        const struct stored *s = weights_at(w, i);
        void *copy;

        if (stored_count(s) > 1 << 16)
            continue;
        copy = xalloc((size_t)stored_count(s) + 1, dtype_size(s->type));
        stored_copy(s, s->rank == 2, copy);
        free(copy);
    }
    if (w)
        weights_verify(w);
    weights_close(w);
    return good;
}

/* A pickle with an archive around it whose checksum is right. */
static bool read_pickle(const void *data, size_t size)
{
    struct archive a = { 0 };
    bool good;

    archive_checkpoint(&a, data, size);
    good = read_weights(a.file.data, a.file.size);
    archive_free(&a);
    return good;
}

/* A header of safetensors, with its length in front and numbers behind. */
static bool read_header(const void *data, size_t size)
{
    struct buffer b = { 0 };
    bool good;

    put_number(&b, size, 8);
    buffer_add(&b, data, size);
    for (int i = 0; i < 8; i++)
        put_number(&b, 0x3f800000, 4);
    good = read_weights(b.data, b.size);
    buffer_free(&b);
    return good;
}

/* A header of NumPy in an archive. */
static bool read_npz(const void *data, size_t size)
{
    struct archive a = { 0 };
    bool good;

    archive_add(&a, "a.npy", data, size);
    archive_end(&a);
    good = read_weights(a.file.data, a.file.size);
    archive_free(&a);
    return good;
}

static void file(const char *name, size_t most)
{
    struct sweep s = { .read = read_weights };
    struct buffer b = { 0 };

    if (file_read(&b, name))
        return;
    sweep_bytes(&s, b.data, b.size, most, BYTES("\0\1\x7f\xff"));
    if (b.size > most) { /* and the directory at the end */
        struct buffer end = { 0 };

        for (size_t i = b.size - (most < 300 ? most : 300); i < b.size; i++) {
            buffer_clear(&end);
            buffer_add(&end, b.data, b.size);
            for (int k = 0; k < 3; k++) {
                end.data[i] = "\0\1\xff"[k];
                sweep_try(&s, end.data, end.size);
            }
        }
        buffer_free(&end);
    }
    buffer_free(&b);
    sweep_end(&s, name);
}

/* Every instruction where nothing, one thing of each kind, or two of a kind are on the stack. */
static void instructions(void)
{
    static const char *const things[] = { "",
                                          "N",
                                          "K\1",
                                          "X\1\0\0\0a",
                                          ")",
                                          "]",
                                          "}",
                                          "(",
                                          "(K\1K\1",
                                          "cos\nx\n",
                                          "C\1a",
                                          "\x88",
                                          "ccollections\nOrderedDict\n",
                                          "N)",
                                          "X\1\0\0\0aX\1\0\0\0b",
                                          "]N",
                                          "}NN",
                                          "c__torch__\nM\n)" };
    struct sweep s = { .read = read_pickle };
    struct buffer b = { 0 };

    for (int op = 0; op < 256; op++) {
        for (int k = 0; k < COUNT(things); k++) {
            buffer_clear(&b);
            buffer_add(&b, "\x80\2", 2);
            buffer_string(&b, things[k]);
            if (k == 3 || k == 14) /* the zeros of their lengths */
                buffer_clear(&b), buffer_add(&b, "\x80\2X\1\0\0\0aX\1\0\0\0b", k == 3 ? 8 : 14);
            buffer_byte(&b, op);
            buffer_add(&b, "\1\0\0\0\0\0\0\0", 8);
            buffer_byte(&b, '.');
            sweep_try(&s, b.data, b.size);
            b.size -= 9;
            buffer_byte(&b, '.');
            sweep_try(&s, b.data, b.size);
        }
    }
    buffer_free(&b);
    sweep_end(&s, "each instruction of a pickle on each kind of thing");
}

/* A tensor's call in which one thing after the other is of another kind. */
static void arguments(void)
{
    static const struct piece parts[] = {
        BYTES("X\7\0\0\0storage"),
        BYTES("ctorch\nFloatStorage\n"),
        BYTES("X\1\0\0\0"
              "0"),
        BYTES("X\3\0\0\0cpu"),
        BYTES("K\20"),
        BYTES("(X\1\0\0\0vK\1K\2t"), /* the storage's: 0 to 5 */
        BYTES("K\0"),
        BYTES("K\2\x85"),
        BYTES("K\1\x85"),
        BYTES("\x89"),
        BYTES(")"),
        BYTES("N"), /* 6 .. */
    };
    static const struct piece others[] = { BYTES("N"),
                                           BYTES("K\1"),
                                           BYTES("J\377\377\377\377"),
                                           BYTES("X\1\0\0\0x"),
                                           BYTES(")"),
                                           BYTES("]"),
                                           BYTES("}"),
                                           BYTES("\x88"),
                                           BYTES("ctorch\nfloat16\n"),
                                           BYTES("ctorch\nIntStorage\n"),
                                           BYTES("(NK\1K\2t"),
                                           BYTES("(X\1\0\0\0vNK\2t"),
                                           BYTES("(X\1\0\0\0vK\1K\20t"),
                                           BYTES("N\x85"),
                                           BYTES("K\1N\x86"),
                                           BYTES("(K\1K\1K\1t"),
                                           BYTES("X\2\0\0\0a\0"),
                                           BYTES(""),
                                           BYTES("K\1K\1") };
    struct sweep s = { .read = read_pickle };
    struct buffer b = { 0 };

    for (int view = 0; view < 2; view++) {
        for (int typed = 0; typed < 2; typed++) {
            for (int i = -1; i < COUNT(parts); i++) {
                for (int k = 0; k < COUNT(others); k++) {
                    buffer_clear(&b);
                    buffer_add(&b, "\x80\2}X\1\0\0\0a", 9);
                    buffer_string(&b, typed ? "ctorch._utils\n_rebuild_tensor_v3\n(("
                                            : "ctorch._utils\n_rebuild_tensor_v2\n((");
                    for (int p = 0; p < COUNT(parts); p++) {
                        struct piece part = i == p ? others[k] : parts[p];

                        if (p != 5 || view)
                            buffer_add(&b, part.data, part.size);
                        if (p == 5)
                            buffer_add(&b, "tQ", 2);
                    }
                    if (typed)
                        buffer_string(&b, "ctorch\nfloat32\n");
                    buffer_add(&b, "tRs.", 4);
                    sweep_try(&s, b.data, b.size);
                }
            }
        }
    }
    ok(s.read_well > 20, "tensors among them are read");
    buffer_free(&b);
    sweep_end(&s, "each argument of a tensor of another kind");
}

/* What legacy files begin with: numbers, dictionaries and lists of keys of another kind. */
static void legacy(void)
{
    static const char magic[] = "\x80\2\x8a\nl\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    static const struct piece heads[] = { BYTES("\x80\2M\xe9\3."), BYTES("\x80\2K\1."),
                                          BYTES("\x80\2N."), BYTES("\x80\2") };
    static const struct piece infos[] = { BYTES("\x80\2}X\15\0\0\0little_endian\x88s."),
                                          BYTES("\x80\2}X\15\0\0\0little_endian\x89s."),
                                          BYTES("\x80\2}X\15\0\0\0little_endianNs."),
                                          BYTES("\x80\2}."),
                                          BYTES("\x80\2N."),
                                          BYTES("") };
    static const struct piece tensors[] = {
        BYTES("\x80\2}X\1\0\0\0actorch._utils\n_rebuild_tensor_v2\n(("
              "X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"
              "0X\3\0\0\0cpuK\2"
              "NtQK\0K\2\x85K\1\x85\x89)tRs."),
        BYTES("\x80\2}."), BYTES("\x80\2N")
    };
    static const struct piece keys[] = { BYTES("\x80\2]X\1\0\0\0"
                                               "0a."),
                                         BYTES("\x80\2]X\1\0\0\0"
                                               "1a."),
                                         BYTES("\x80\2](X\1\0\0\0"
                                               "0X\1\0\0\0"
                                               "0e."),
                                         BYTES("\x80\2]K\0a."),
                                         BYTES("\x80\2N."),
                                         BYTES("\x80\2)."),
                                         BYTES("") };
    static const struct piece numbers[] = { BYTES("\2\0\0\0\0\0\0\0"
                                                  "12345678"),
                                            BYTES("\0\0\0\0\0\0\0\2"
                                                  "12345678"),
                                            BYTES("\3\0\0\0\0\0\0\0"
                                                  "12345678"),
                                            BYTES("\0\0\0\0\0\0\0\0"
                                                  "12345678"),
                                            BYTES("\2\0\0\0\0\0\0\0"
                                                  "1234"),
                                            BYTES("\2\0\0"),
                                            BYTES("") };
    struct sweep s = { .read = read_weights };
    struct buffer b = { 0 };
    int list[5];

    for (int n = 0; n < 4 * 6 * 3 * 7 * 7; n++) {
        list[0] = n % 4, list[1] = n / 4 % 6, list[2] = n / 24 % 3, list[3] = n / 72 % 7,
        list[4] = n / 504;
        buffer_clear(&b);
        buffer_add(&b, magic, sizeof magic - 1);
        buffer_add(&b, heads[list[0]].data, heads[list[0]].size);
        buffer_add(&b, infos[list[1]].data, infos[list[1]].size);
        buffer_add(&b, tensors[list[2]].data, tensors[list[2]].size);
        buffer_add(&b, keys[list[3]].data, keys[list[3]].size);
        buffer_add(&b, numbers[list[4]].data, numbers[list[4]].size);
        sweep_try(&s, b.data, b.size);
    }
    ok(s.read_well >= 2, "legacy files among them are read");
    buffer_free(&b);
    sweep_end(&s, "parts of a legacy file in every order");
}

int main(void)
{
    static const char header[] =
        "{\"__metadata__\":{\"a\":\"b\\u00e9\\ud83d\\ude00\"},\"w\":{\"dtype\":\"F32\",\"shape\":["
        "2,2],"
        "\"data_offsets\":[0,16]}, "
        "\"v\\n\":{\"shape\":[],\"dtype\":\"F32\",\"data_offsets\":[16,20]}}  ";
    static const char npy[] =
        "\x93NUMPY\1\0\x3c\0{'descr': '<f4', 'fortran_order': False, 'shape': (2,1), }"
        "12345678";
    static const char npy2[] =
        "\x93NUMPY\2\0\x3c\0\0\0{'descr': '>i8', 'fortran_order': True , 'shape': (1,), }  "
        "12345678";
    static const char pickle[] =
        "\x80\2}q\0(X\1\0\0\0actorch._utils\n_rebuild_tensor_v2\n(("
        "X\7\0\0\0storagectorch\nFloatStorage\n"
        "X\1\0\0\0"
        "0X\3\0\0\0cpuK\20tQK\0K\2K\3\x86K\3K\1\x86\x89"
        "ccollections\nOrderedDict\n)RtR"
        "X\1\0\0\0b"
        "c__torch__\nM\n)\x81}X\1\0\0\0wG?\xf0\0\0\0\0\0\0sX\1\0\0\0ch\0u.";
    struct sweep s = { .read = read_header };

    sweep_bytes(&s, header, sizeof header - 1, 400, BYTES("\"{}[]:,0 \\u-~\n\1"));
    sweep_end(&s, "a header of safetensors");
    s.read = read_pickle;
    sweep_bytes(&s, pickle, sizeof pickle - 1, 400, BYTES("\0\1.(t)}N\xff"));
    sweep_end(&s, "a pickle");
    s.read = read_npz;
    sweep_bytes(&s, npy, sizeof npy - 1, 100, BYTES("\0\1'(),:4<>|x\xff"));
    sweep_bytes(&s, npy2, sizeof npy2 - 1, 100, BYTES("\0\1'(),:4<>|x\xff"));
    sweep_end(&s, "a header of NumPy's");
    instructions();
    arguments();
    legacy();
    file(GOLDEN "big.pt", 200);
    file(GOLDEN "deflated.pt", 200);
    file(GOLDEN "zip64.pt", 200);
    file(GOLDEN "legacy.pt", 400);
    file(GOLDEN "script.pt", 100);
    file(GOLDEN "small.safetensors", 400);
    return done();
}
