/* SPDX-License-Identifier: MIT
 * eval.c - every metric against values worked out by hand
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "eval/eval.h"
#include "tests/unit/tap.h"

static bool near(double got, double wanted, const char *name)
{
    bool good = isnan(wanted) ? isnan(got) : fabs(got - wanted) <= 1e-9;

    if (!ok(good, "%s", name))
        note("got %.12g, expected %.12g", got, wanted);
    return good;
}

static void numbers(void)
{
    struct names n = { 0 };
    char text[16];
    bool good = true;

    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 1000; i++)
            good &= names_add(&n, text, (size_t)snprintf(text, sizeof text, "n%d", i)) == i;
    ok(good, "a name keeps its number");
    is_long(names_find(&n, "n1000", 5), -1, "a name that never came");
    is_long(names_find(&n, "n", 1), -1, "the beginning of one");
    is_long(names_add(&n, "", 0), 1000, "the empty name");
    names_free(&n);
}

static void one_text(const char *text, const char *wanted, bool given)
{
    struct buffer b = { 0 };
    char *copy = xmemdup(text, strlen(text));

    if (given)
        words_given(&b, copy, strlen(text));
    else
        words_split(&b, copy, strlen(text));
    is_text(b.data ? b.data : "", wanted, wanted);
    free(copy);
    buffer_free(&b);
}

static void words(void)
{
    one_text("A man's dog isn't here, is it?", "a man 's dog is n't here is it", false);
    one_text(" \t\n", "", false);
    one_text("...", "", false);
    one_text("'", "", false);
    one_text("(a) [b] {c", "-lrb- a -rrb- -lsb- b -rsb- -lcb- c", false);
    one_text("wow!! no! why?", "wow !! no why", false);
    one_text("\xff"
             "a\xc3",
             "\xef\xbf\xbd"
             "a\xef\xbf\xbd",
             false);
    one_text("&amp", "& amp", false);
    one_text(" A  man's\tdog. \r\n", "A man's dog.", true);
    one_text("", "", true);
}

/* tests/golden/eval/words.tsv: what the toolkit's own tokenizer leaves */
static void words_of_toolkit(void)
{
    struct buffer b = { 0 };
    int lines = 0;

    if (!ok(file_read(&b, "tests/golden/eval/words.tsv") == 0, "words.tsv is there"))
        note("%s", error_text());
    for (char *line = b.data, *next; line && *line; line = next) {
        char *tab = strchr(line, '\t'), *end = strchr(tab, '\n');

        *tab = *end = 0;
        one_text(line, tab + 1, false);
        next = end + 1;
        lines++;
    }
    ok(lines > 30, "%d texts", lines);
    buffer_free(&b);
}

static void captions(void)
{
    static const char *const first[] = { "the cat sat on a mat", "a cat sat" };
    static const char *const second[] = { "x y" };
    static const char *const third[] = { "w" };
    struct caption_set *s = caption_open(true);
    struct caption_scores r = caption_measure(s);
    double p, q, square = 1.44, gauss = exp(-1 / 72.0);

    near(r.bleu[0], NAN, "no caption has no BLEU");
    near(r.cider_d, NAN, "... and no CIDEr-D");
    caption_add(s, "the cat the cat", first, 2); /* closest: 3, not 6 */
    r = caption_measure(s);
    near(r.bleu[0], 2.0 / 4, "words count as often as one reference has them");
    near(r.bleu[1], sqrt(2.0 / 4 * 1 / 3), "... and pairs of words");
    near(r.cider_d, 0, "of a single image, no n-gram tells anything");
    p = 2.0 / 4;
    q = 2.0 / 6;
    near(r.rouge_l, (1 + square) * p * q / (q + square * p), "ROUGE-L");
    caption_add(s, "x z", second, 1);
    caption_add(s, "", third, 1);
    r = caption_measure(s);
    is_long(r.images, 3, "images");
    is_long(r.references, 4, "references");
    /* 4 + 2 + 0 words against 3 + 2 + 1 */
    near(r.bleu[0], 3.0 / 6, "BLEU-1 is the corpus's, an empty caption counts as length");
    near(r.bleu[1], sqrt(3.0 / 6 * 1 / 4), "BLEU-2");
    /* Two images have words that no other has: x z against x y: cosine of words 1/2.
     * the cat the cat: words the 2, cat 2; pairs the-cat 2, cat-the 1; length 4.
     *   against 1: the 1, cat 1 of 6 words; pairs the-cat 1 of 5; length 6, penalty e^-(4/72)
     *   against 2: cat 1 of 3 words; no pair; length 3, penalty e^-(1/72) */
    near(r.cider_d,
         10.0 / 3 *
             ((exp(-4 / 72.0) * (2 / (sqrt(8) * sqrt(6)) + 1 / (sqrt(5) * sqrt(5))) / 4 +
               gauss * (1 / (sqrt(8) * sqrt(3))) / 4) /
                  2 +
              0.5 / 4),
         "CIDEr-D");
    caption_close(s);
}

/* "w" is in the references of two of three images, "q" in none. */
static void rarity(void)
{
    static const char *const w[] = { "w" }, *const z[] = { "z" };
    struct caption_set *s = caption_open(true);
    double a = log(1.5), b = log(3);

    caption_add(s, "w", w, 1);
    caption_add(s, "w q", w, 1);
    caption_add(s, "z", z, 1);
    near(caption_measure(s).cider_d, 10.0 / 3 * (2 + a / sqrt(a * a + b * b) * exp(-1 / 72.0)) / 4,
         "CIDEr-D counts images, not texts");
    caption_close(s);
}

#define ADD(...) recall_add(&s, &(struct recall_item){ __VA_ARGS__ })

static void recall(void)
{
    struct recall_set s = { 0 };
    struct recall r;
    /* Image i looks along axis i; image 1 has two texts, the first of them closer to image 0. */
    static const float images[3][3] = { { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } };
    static const float texts[3][6] = { { 1, 0, 0 }, { 0.8f, 0.6f, 0, 0.6f, 0.8f, 0 }, { 0, 0, 1 } };

    recall_measure(&s, &r);
    near(r.of_text[0], NAN, "nothing to recall");
    for (int i = 0; i < 3; i++)
        ADD(NULL, images[i], 1, texts[i], i == 1 ? 2 : 1, 3);
    is_long(ADD(NULL, images[0], 1, texts[0], 1, 2), -1, "another width");
    is_long(ADD(NULL, images[0], 0, texts[0], 1, 3), -1, "no vector");
    is_long(ADD(NULL, images[0], 1, texts[0], 1, 0), -1, "vectors of no numbers");
    recall_measure(&s, &r);
    is_long(r.image_queries, 3, "images");
    is_long(r.text_queries, 4, "texts");
    near(r.of_text[0], 1, "one right text at the top is enough");
    near(r.of_image[0], 3.0 / 4, "a text that is closer to another image");
    near(r.of_image[1], 1, "... is among the first five");
    recall_free(&s);
    for (int i = 0; i < 12; i++)
        ADD(NULL, images[0], 1, texts[0], 1, 3);
    recall_measure(&s, &r);
    near(r.of_text[0], 1.0 / 12, "of equals the first ranks first");
    near(r.of_image[1], 5.0 / 12, "... among five");
    near(r.of_image[2], 10.0 / 12, "... among ten");
    recall_free(&s);
    ADD("a", NULL, 1, texts[0], 1, 3);
    ADD("b", images[1], 1, NULL, 0, 3);
    ADD("a", images[0], 1, texts[1], 1, 3);
    ADD("c", NULL, 1, texts[2], 1, 3);
    recall_measure(&s, &r);
    is_long(r.image_queries, 1, "an image without texts asks nothing");
    is_long(r.text_queries, 2, "a text without an image asks nothing");
    near(r.of_image[0], 1, "an image that comes after its text");
    recall_free(&s);
    /* The second vector of image 0 finds its text; the first alone would not. */
    ADD(NULL, (const float[]){ 0, 0, 1, 1, 0, 0 }, 2, texts[0], 1, 3);
    ADD(NULL, (const float[]){ 0, 1, 0, 0, 0.8f, 0.6f }, 2, images[1], 1, 3);
    is_long(ADD(NULL, images[0], 1, texts[0], 1, 3), -1, "another number of vectors");
    recall_measure(&s, &r);
    near(r.of_text[0], 1, "of several vectors of an image the closest counts");
    near(r.of_image[0], 1, "... for a text too");
    recall_free(&s);
}

static void recall_in_blocks(void)
{
    enum { IMAGES = 150, WIDTH = 5 };
    struct recall_set s = { 0 };
    struct recall r;
    struct random random = { 3 };
    float images[IMAGES][WIDTH], texts[IMAGES][WIDTH];
    long hits[2] = { 0 };

    for (int i = 0; i < IMAGES; i++) {
        for (int k = 0; k < WIDTH; k++) {
            images[i][k] = (float)(int)random_below(&random, 5);
            texts[i][k] = images[i][k] + (float)(int)random_below(&random, 3);
        }
        ADD(NULL, images[i], 1, texts[i], 1, WIDTH);
    }
    for (int i = 0; i < IMAGES; i++) { /* small whole numbers: sums are exact */
        int rank[2] = { 0 };

        for (int j = 0; j < IMAGES; j++) {
            float own = 0, text = 0, image = 0;

            for (int k = 0; k < WIDTH; k++) {
                own += images[i][k] * texts[i][k];
                text += images[i][k] * texts[j][k];
                image += images[j][k] * texts[i][k];
            }
            rank[0] += text > own || (text == own && j < i);
            rank[1] += image > own || (image == own && j < i);
        }
        hits[0] += rank[0] < 10;
        hits[1] += rank[1] < 10;
    }
    recall_measure(&s, &r);
    near(r.of_text[2], (double)hits[0] / IMAGES, "more images than a block: texts");
    near(r.of_image[2], (double)hits[1] / IMAGES, "more images than a block: images");
    ok(hits[0] != hits[1] && hits[0] > 10 && hits[0] < IMAGES, "which tells something");
    recall_free(&s);
}

static void answers(void)
{
    struct answers a = { 0 };

    near(answers_recall(&a, 0), NAN, "no query");
    answers_add(&a, "a", true);
    answers_add(&a, "a", true);
    for (int i = 0; i < 6; i++)
        answers_add(&a, "b", i == 5);
    answers_add(&a, "c", false);
    near(answers_recall(&a, 0), 1.0 / 3, "right at the top");
    near(answers_recall(&a, 1), 1.0 / 3, "sixth is not among five");
    near(answers_recall(&a, 2), 2.0 / 3, "but among ten");
    answers_free(&a);
}

static void accuracy(void)
{
    static const char *const truth[] = { "cat", "cat", "cat", "dog" };
    struct classes c = { 0 };

    near(classes_accuracy(&c), NAN, "no class");
    for (int i = 0; i < 4; i++)
        classes_add(&c, truth[i], 3, i > 0);
    near(classes_accuracy(&c), 3.0 / 4, "accuracy");
    near(classes_mean(&c), (2.0 / 3 + 1) / 2, "the classes' mean");
    classes_free(&c);
}

static void judged(void)
{
    struct labelled list[] = {
        { 0.9, true }, { 0.5, false }, { 0.5, true }, { 0.2, true }, { 0.1, false }
    };
    struct labelled_list none = { 0 }, one = { list, 1, 1 }, five = { list, 5, 5 };

    near(labelled_auc(&none), NAN, "nothing judged");
    near(labelled_auc(&one), NAN, "nothing false");
    /* of 3 x 2 pairs: 0.9 wins 2, 0.5 wins 1 and draws 1, 0.2 wins 1 */
    near(labelled_auc(&five), 4.5 / 6, "AUC, equals half");
    near(labelled_accuracy(&five, 0.5), 3.0 / 5, "the threshold itself is a yes");
}

static void pairs(void)
{
    struct labelled_list j = { 0 };
    struct span scores = { "[0.5, 1]", 8 }, truths = { "[true,0]", 8 }, one = { "0.25", 4 },
                yes = { "1", 1 }, two = { "2", 1 }, few = { "[true]", 6 };

    ok(labelled_read(&j, scores, truths) == 0 && j.count == 2, "two lists");
    ok(j.list[0].score == 0.5 && j.list[0].truth && j.list[1].score == 1 && !j.list[1].truth,
       "are read");
    ok(labelled_read(&j, one, yes) == 0 && j.count == 3 && j.list[2].truth, "one of each");
    is_long(labelled_read(&j, one, two), -1, "2 is not true");
    is_long(labelled_read(&j, scores, few), -1, "more scores");
    is_long(labelled_read(&j, few, truths), -1, "a score that is none");
    is_long(j.count, 3, "what fails leaves nothing behind");
    free(j.list);
}

static void too_long(void)
{
    struct caption_set *s = caption_open(false);
    char *text = xalloc(70001, 1);
    const char *const references[] = { text };

    for (int i = 0; i < 70000; i++)
        text[i] = i % 2 ? ' ' : 'a';
    is_long(caption_add(s, "a", references, 1), -1, "a text that is no caption");
    is_text(error_code(), "too_large", "code");
    is_long(caption_measure(s).images, 0, "is not measured");
    caption_close(s);
    free(text);
}

int main(void)
{
    numbers();
    words();
    words_of_toolkit();
    captions();
    rarity();
    recall();
    recall_in_blocks();
    answers();
    accuracy();
    judged();
    pairs();
    too_long();
    return done();
}
