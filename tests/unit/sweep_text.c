/* SPDX-License-Identifier: MIT
 * sweep_text.c - damaged vocabularies: every kind of file that a tokenizer is read from
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include "tests/unit/sweep.h"
#include "text/text.h"

static struct tokenizer *(*open_kind)(const char *path, enum text_clean clean);
static enum text_clean clean_as;

static bool read_vocabulary(const void *data, size_t size)
{
    static const char text[] = "A dog's  caf\xc3\xa9, \xe2\x96\x81x\n1";
    struct token_ids ids;
    struct tokenizer *t;
    char path[64], *back;
    bool good = true;
    int fd = memfd_create("vocabulary", 0);

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        exit(1);
    t = open_kind(path, clean_as);
    close(fd);
    if (!t)
        return false;
    tokenizer_encode(t, text, sizeof text - 1, 9, &ids);
    good = ids.count <= 9;
    for (int i = 0; i < ids.count; i++)
        good = good && ids.ids[i] >= 0 && ids.ids[i] < tokenizer_size(t);
    back = tokenizer_decode(t, ids.ids, ids.count);
    free(back);
    free(ids.ids);
    tokenizer_close(t);
    if (!good)
        error_clear();
    return good;
}

/* Small enough that every value can be tried: of a vocabulary's entries the first dozens. */
static void prune(cJSON *at, int most)
{
    for (cJSON *item = at->child, *next; item; item = next) {
        next = item->next;
        prune(item, most);
    }
    while (cJSON_GetArraySize(at) > most)
        cJSON_Delete(cJSON_DetachItemFromArray(at, most));
}

static void json(const char *name, struct tokenizer *(*open)(const char *, enum text_clean),
                 enum text_clean clean, int most)
{
    struct sweep s = { .read = read_vocabulary };
    cJSON *root = json_read(name);

    open_kind = open;
    clean_as = clean;
    if (!ok(root, "%s", name))
        return;
    if (most)
        prune(root, most);
    sweep_values(&s, root, root);
    cJSON_Delete(root);
    sweep_end(&s, name);
}

static void bytes(const char *name, struct tokenizer *(*open)(const char *, enum text_clean),
                  enum text_clean clean, struct piece others)
{
    struct sweep s = { .read = read_vocabulary };
    struct buffer b = { 0 };

    open_kind = open;
    clean_as = clean;
    if (!ok(file_read(&b, name) == 0 && b.size > 1, "%s", name))
        return;
    /* the corpus has the kind in front */
    sweep_bytes(&s, b.data + 1, b.size - 1, 300, others);
    buffer_free(&b);
    sweep_end(&s, name);
}

/* What a tokenizer.json of pieces may say about spaces and cuts, and may not. */
static void settings(void)
{
    static const char *const normalizers[] = {
        "null",
        "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" {2,}\"},\"content\":\" \"}",
        "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" {2,}\"},\"content\":\"ab\"}",
        "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\xe2\x96\x81\"}",
        "{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":true}",
        "{\"type\":\"Strip\"}",
        "{\"type\":\"Lowercase\"}",
        "{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"\"}",
        "{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"!\"}",
        "{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAAA\"}",
        "{\"type\":\"Precompiled\"}",
        "{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"BAAAAAEAAAA=\"}",
        "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Strip\",\"strip_right\":true},{"
        "\"type\":\"Strip\",\"strip_left\":true},"
        "{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":true},{\"type\":\"Strip\",\"strip_"
        "left\":true,\"strip_right\":true},"
        "{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":true}]}",
        "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Sequence\",\"normalizers\":[{\"type\":"
        "\"Sequence\",\"normalizers\":["
        "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Sequence\",\"normalizers\":[{\"type\":"
        "\"Strip\"}]}]}]}]}]}",
        "{\"type\":\"Sequence\"}"
    };
    static const char *const cutters[] = {
        "null",
        "{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\"}",
        "{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\",\"prepend_scheme\":\"first\"}",
        "{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\",\"prepend_scheme\":\"never\"}",
        "{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\",\"prepend_scheme\":\"always\","
        "\"split\":false}",
        "{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\",\"add_prefix_space\":false}",
        "{\"type\":\"Metaspace\",\"replacement\":\"_\"}",
        "{\"type\":\"WhitespaceSplit\"}",
        "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"WhitespaceSplit\"},"
        "{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\"}]}",
        "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Metaspace\",\"replacement\":"
        "\"\xe2\x96\x81\"},{\"type\":\"WhitespaceSplit\"}]}",
        "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Sequence\",\"pretokenizers\":[{"
        "\"type\":\"Sequence\",\"pretokenizers\":["
        "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Sequence\",\"pretokenizers\":[]}]}]}"
        "]}]}",
        "{\"type\":\"ByteLevel\"}"
    };
    static const char *const models[] = {
        "\"unk_id\":0,\"vocab\":[[\"<unk>\",0],[\"</"
        "s>\",0],[\"\xe2\x96\x81\",-1],[\"a\",-2],[\"\xe2\x96\x81"
        "a\",-2.5],[\"<s>\",0]]",
        "\"unk_id\":9,\"vocab\":[[\"<unk>\",0],[\"</s>\",0]]",
        "\"unk_id\":-1,\"vocab\":[[\"<unk>\",0],[\"</s>\",0]]",
        "\"unk_id\":0.5,\"vocab\":[[\"<unk>\",0],[\"</s>\",0]]",
        "\"vocab\":[[\"<unk>\",0],[\"</s>\",0]]",
        "\"unk_id\":0,\"vocab\":[[\"<unk>\",0]]",
        "\"unk_id\":0,\"vocab\":[[\"<unk>\",0],[\"</s>\",1e999]]",
        "\"unk_id\":0,\"vocab\":[[\"<unk>\"],[\"</s>\",0]]",
        "\"unk_id\":0,\"byte_fallback\":true,\"vocab\":[[\"<unk>\",0],[\"</s>\",0]]",
        "\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0],[\"</s>\",0],[\"</s>\",0]]",
        "\"type\":\"WordPiece\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0],[\"</s>\",0]]",
        "\"unk_id\":0,\"vocab\":[[\"\",0],[\"</s>\",0]]"
    };
    struct sweep s = { .read = read_vocabulary };
    int kinds[3] = { COUNT(normalizers), COUNT(cutters), COUNT(models) };

    clean_as = CLEAN_HF;
    for (int xlm = 0; xlm < 2; xlm++) {
        open_kind = xlm ? tokenizer_xlm : tokenizer_t5;
        for (int n = 0; n < kinds[0] * kinds[1] * kinds[2]; n++) {
            char *text = xprintf("{\"normalizer\":%s,\"pre_tokenizer\":%s,\"model\":{%s}}",
                                 normalizers[n % kinds[0]], cutters[n / kinds[0] % kinds[1]],
                                 models[n / kinds[0] / kinds[1]]);

            sweep_try(&s, text, strlen(text));
            free(text);
        }
    }
    ok(s.read_well > 20, "some of them are tokenizers");
    sweep_end(&s, "settings of pieces");
}

int main(void)
{
#define G "tests/golden/"
    settings();
    json(G "tokenizer/t5/tokenizer.json", tokenizer_t5, CLEAN_HF, 40);
    json(G "siglip/hf/tokenizer.json", tokenizer_siglip, CLEAN_CANONICAL, 0);
    json(G "siglip/hf/tokenizer.json", tokenizer_siglip, CLEAN_LOWER, 0);
    json(G "open_clip/nllb/tokenizer.json", tokenizer_nllb, CLEAN_HF, 0);
    json(G "blip/hf-itm/tokenizer.json", tokenizer_bert, CLEAN_HF, 0);
    json(G "blip2/hf-opt/tokenizer.json", tokenizer_opt, CLEAN_HF, 0);
    json(G "clip/hf-vit/tokenizer.json", tokenizer_clip, CLEAN_HF, 0);
#define C "tests/fuzz/corpus/tokenizer/"
    bytes(C "t5.spiece", tokenizer_t5, CLEAN_OPENAI, BYTES("\0\1\x0a\x18\x7f\x80\xff"));
    bytes(C "clip.txt", tokenizer_clip, CLEAN_OPENAI, BYTES("\0 \na\xff"));
    bytes(C "bert.txt", tokenizer_bert, CLEAN_OPENAI, BYTES("\0 \na\xff"));
    bytes(C "clip.gz", tokenizer_clip, CLEAN_OPENAI, BYTES("\0\1\xff"));
    bytes(C "opt.json", tokenizer_opt, CLEAN_HF, BYTES("\"{0"));
    return done();
}
