/* SPDX-License-Identifier: MIT
 * dataset_bad.c - a training's records that are broken, cut or refused
 */
#include "tests/unit/dataset.h"

/* What was told on stderr since `told_begin`; to free. */
static int told_before = -1;

static void told_begin(void)
{
    char *path = path_join(folder, "stderr");
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);

    told_before = dup(STDERR_FILENO);
    dup2(fd, STDERR_FILENO);
    close(fd);
    free(path);
}

static char *told_end(void)
{
    char *path = path_join(folder, "stderr");
    struct buffer b = { 0 };

    dup2(told_before, STDERR_FILENO);
    close(told_before);
    buffer_add(&b, "", 0);
    file_read(&b, path);
    free(path);
    return b.data;
}

static void bad_records(void)
{
    struct dataset *d;
    char *said;

    told_begin();
    d = open_text("{\"image\":\"00.ppm\",\"text\":\"a dog\"}\n"
                  "{\"image\":\"00.ppm\"}\n"
                  "nonsense\n"
                  "{\"image\":\"absent.ppm\",\"text\":\"a dog\"}\n"
                  "{\"text\":\"a dog\"}\n"
                  "{\"image\":\"00.ppm\",\"text\":[\"a cat\",\" \",\"a man\"]}\n"
                  "{\"image\":\"00.ppm\",\"text\":[\"a cat\",7]}\n"
                  "{\"image\":\"01.ppm\",\"text\":\"a dog\",\"error\":{\"message\":\"oh\"}}\n"
                  "{\"image\":\"http://a/b.jpg\",\"text\":\"a dog\"}\n"
                  "{\"image\":\"data:,1\",\"text\":\"a dog\"}\n",
                  &plain);
    said = told_end();
    is_long(dataset_count(d), 3, "pairs of good records");
    is_long(dataset_pictures(d), 1, "one picture");
    is_long(dataset_bad(d), 9, "bad ones are counted");
    for (char *s = said; (s = strstr(s, folder));) /* lines begin with the source */
        memmove(s, s + strlen(folder) + 1, strlen(s + strlen(folder) + 1) + 1);
    is_text(said,
            "vlm: text.jsonl:2: the record has no text\n"
            "vlm: text.jsonl:3: not a JSON object: no opening brace at byte 0\n"
            "vlm: text.jsonl:4: absent.ppm: No such file or directory\n"
            "vlm: text.jsonl:5: the record has no image\n"
            "vlm: text.jsonl:6: an empty text\n"
            "vlm: text.jsonl:7: field text is neither a string nor a list of strings\n"
            "vlm: text.jsonl:8: oh\n"
            "vlm: text.jsonl:9: http://a/b.jpg: not a file, and nothing is fetched from a network\n"
            "vlm: text.jsonl:10: image: data: URI: not base64\n",
            "a line each");
    free(said);
    dataset_close(d);
}

static void refusals(void)
{
    ok(!open_text("", &plain) && strstr(error_text(), "no pair"), "nothing at all");
    told_begin();
    ok(!open_text("{}\n", &plain), "no good record");
    free(told_end());
    ok(!open_one("Makefile", &plain), "no records");
    ok(!open_text("{\"image\":\"00.ppm\",\"text\":\"a\"}",
                  &(struct dataset_options){ .root = folder, .tokenizer = "/absent" }),
       "no tokenizer");
}

static void cutting(void)
{
    static const char text[] = "{\"image\":\"00.ppm\",\"text\":\"(A red) dog sits on the house\"}";
    struct dataset_options o = plain;
    struct dataset *d;
    struct batch *b;

    o.context = 6;
    d = open_text(text, &o);
    b = batch_begin(d, 0, 1);
    is_long(batch_pairs(b)->counts[0], 6, "a text is cut to the context");
    is_long(batch_pairs(b)->ids[5], 3, "and keeps its end");
    is_long(dataset_cut(d), 1, "which is counted");
    batch_free(b);
    dataset_close(d);
    o.context = 0;
    o.clean_text = true;
    o.words = 3;
    d = open_text(text, &o);
    b = batch_begin(d, 0, 1);
    is_long(batch_pairs(b)->counts[0], 5, "words of a cleaned text");
    is_long(dataset_prefix(d), 1, "texts begin with the frame");
    batch_free(b);
    dataset_close(d);
    o.prefix = "A picture of ";
    d = open_text(text, &o);
    b = batch_begin(d, 0, 1);
    is_long(batch_pairs(b)->counts[0], 8, "words behind a prefix");
    is_long(dataset_prefix(d), 4, "with which texts begin");
    batch_free(b);
    dataset_close(d);
    o.context = 5;
    ok(!open_text(text, &o) && strstr(error_text(), "no room"), "a prefix and nothing else");
}

/* Two broken pictures in a row, the last of the list among them. */
static void broken(void)
{
    struct buffer b = { 0 }, list = { 0 };
    struct dataset *d;
    struct batch *batch;
    const struct pairs *p;
    char *path, *said;

    buffer_string(&b, "P6\n20 20\n255\n too short");
    free(put("broken.ppm", &b));
    for (int i = 0; i < 12; i++)
        buffer_printf(&list, "{\"image\":\"%s%02d.ppm\",\"text\":\"a dog %d\"}\n",
                      i == 4 || i == 5 || i == 11 ? "bad" : "", i, i);
    for (int i = 0; i < 12; i++) {
        char name[20];

        snprintf(name, sizeof name, "bad%02d.ppm", i);
        free(put(name, &b));
    }
    path = put("broken.jsonl", &list);
    told_begin();
    d = open_one(path, &plain);
    batch = batch_begin(d, 0, 12);
    p = batch_pairs(batch);
    said = told_end();
    is_long(p->count, 12, "the batch keeps its size");
    ok(p->group[4] == p->group[6] && p->group[5] == p->group[6] && p->group[11] == p->group[0],
       "the next good pair stands in");
    ok(!memcmp(p->pixels + 4 * 3 * 256, p->pixels + 6 * 3 * 256, 3 * 256 * sizeof(float)),
       "with its pixels");
    ok(strstr(said, "broken.jsonl:5: bad04.ppm: truncated") ||
           strstr(said, "broken.jsonl:5: bad04.ppm: premature"),
       "it is told: %.*s", (int)strcspn(said, "\n"), said);
    batch_free(batch);
    free(said);
    told_begin();
    resumption(path, "broken pictures");
    free(told_end());
    told_begin();
    hash_of_batch(d, 0, 12, true);
    said = told_end();
    is_text(said, "", "once");
    free(said);
    dataset_close(d);
    free(path);
    told_begin();
    d = open_text("{\"image\":\"bad01.ppm\",\"text\":\"a dog\"}\n"
                  "{\"image\":\"bad02.ppm\",\"text\":\"a cat\"}\n",
                  &plain);
    batch = batch_begin(d, 0, 2);
    p = batch_pairs(batch);
    free(told_end());
    ok(!p, "all are broken: %s", error_text());
    batch_free(batch);
    dataset_close(d);
    buffer_free(&b);
    buffer_free(&list);
}

int main(void)
{
    if (!dataset_begin())
        return 1;
    bad_records();
    refusals();
    cutting();
    broken();
    return dataset_end();
}
