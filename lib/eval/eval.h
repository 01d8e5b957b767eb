/* SPDX-License-Identifier: MIT
 * eval.h - metrics over records: captions, retrieval, classes, matching
 *
 * Everything is added in the records' order and summed in double, so a result depends on neither
 * threads nor batches.  Shares are fractions of 1; where there is nothing to share, NAN.
 */
#ifndef EVAL_EVAL_H
#define EVAL_EVAL_H

#include "base/buffer.h"
#include "stream/stream.h"

/* names.c - texts to numbers: 0, 1, 2 .. in the order in which they first come */
struct names { /* zeroed: empty */
    struct buffer bytes;
    size_t *ends;    /* of each name in bytes */
    uint32_t *slots; /* open addressing: number + 1, or 0 */
    long count, slot_count;
};
long names_add(struct names *n, const char *text, size_t size); /* the old number, or a new one */
long names_find(const struct names *n, const char *text, size_t size); /* -1: none */
void names_free(struct names *n);

/* words.c - a caption as the metrics see it: words, one space between two
 *
 * After the COCO caption toolkit: the tokens of the Penn Treebank in lower case, without
 * punctuation.  The text need not end with a NUL.
 */
void words_split(struct buffer *out, const char *text, size_t size);
void words_given(struct buffer *out, const char *text, size_t size); /* at white space only */

/* caption.c - BLEU, ROUGE-L and CIDEr-D of one caption an image against its references */
struct caption_set;
struct caption_scores {
    long images, references;
    double bleu[4], rouge_l;
    double cider_d; /* ten times the mean cosine, as the toolkit has it */
};
struct caption_set *caption_open(bool tokenized); /* texts are words between blanks already */
/* count > 0; -1 after fail(): a text too long for a caption. */
int caption_add(struct caption_set *s, const char *caption, const char *const *references,
                int count);
struct caption_scores caption_measure(const struct caption_set *s); /* of what was added so far */
void caption_close(struct caption_set *s);

/* coco.c - references and results in the files of the COCO data sets */
struct references;
/* COCO's annotations, Karpathy's data set or BLIP's list, recognised by what they hold.  split:
 * only images of that split, NULL: all.  NULL after fail(). */
struct references *references_read(const char *path, const char *split);
long references_count(const struct references *r); /* images */
/* The image with this id or, behind a '/', this file name; -1: none. */
long references_find_id(const struct references *r, const char *id);
long references_find_file(const struct references *r, const char *path);
/* The image's captions, which may be asked for once: NULL after fail(). */
const char *const *references_take(struct references *r, long image, int *count);
void references_free(struct references *r);
/* Calls each() for every entry of COCO results, [{"image_id":..,"caption":..},..]; -1 after fail(),
 * also of each(). */
int results_read(const char *path, int (*each)(const char *id, const char *caption));

/* recall.c - among all others, are the right ones near the top? */
enum { RECALLS = 3 };
extern const int recall_at[RECALLS]; /* 1, 5, 10 */
struct recall_set {                  /* zeroed: empty */
    int width, vectors;    /* numbers in a vector; vectors of an image, the best of which counts */
    float *images, *texts; /* [images, vectors, width], [texts, width]; of length 1 */
    long image_count, text_count, image_room, text_room;
    long *group_of;     /* [texts] */
    struct names names; /* of groups */
    long *image_of;     /* [groups], or -1 */
    long group_count, group_room;
};
struct recall {
    long image_queries, text_queries; /* that have a right answer */
    double of_text[RECALLS];          /* images ask, texts answer: one right text is enough */
    double of_image[RECALLS];         /* texts ask, images answer */
};
struct recall_item {
    const char *name;   /* those of one name belong together; NULL: it is alone */
    const float *image; /* [vectors, width], or NULL; of one name the first counts */
    int vectors;
    const float *texts; /* [count, width], or NULL */
    int count;
    long width;
};
int recall_add(struct recall_set *s, const struct recall_item *item); /* -1 after fail() */
/* Exact.  Of equal scores the one that was added first ranks first. */
void recall_measure(const struct recall_set *s, struct recall *r);
void recall_free(struct recall_set *s);

/* answers.c - recall where a search has been done: answers come query by query, best first */
struct answers { /* zeroed: empty */
    char *query;
    long count, rank; /* queries so far; answers to this one, or -1 if a right one was among them */
    long hits[RECALLS];
};
void answers_add(struct answers *a, const char *query, bool right);
void answers_place(struct answers *a, long place); /* the first right answer's; -1: there is none */
double answers_recall(const struct answers *a, int k); /* at recall_at[k] */
void answers_free(struct answers *a);

/* accuracy.c - classes, and scores of yes and no */
struct classes { /* zeroed: empty */
    struct names names;
    long *seen, *right; /* of each class */
    long room;
};
void classes_add(struct classes *c, const char *truth, size_t size, bool right);
double classes_accuracy(const struct classes *c);
double classes_mean(const struct classes *c); /* of the classes' accuracies */
void classes_free(struct classes *c);

struct labelled {
    double score;
    bool truth;
};
struct labelled_list {     /* zeroed: empty */
    struct labelled *list; /* to free */
    long count, room;
};
/* Appends a score and true, false, 1 or 0; or lists of them.  -1 after fail(), nothing appended. */
int labelled_read(struct labelled_list *l, struct span scores, struct span truths);
double labelled_accuracy(const struct labelled_list *l, double threshold); /* >= is yes */
/* The chance that a true one scores higher than a false one, equals counted half; sorts the list.
 */
double labelled_auc(struct labelled_list *l);

/* metrics.c - the members of the object that is written; NAN becomes null */
void metrics_count(struct record *out, const char *name, long count);
void metrics_captions(struct record *out, const struct caption_set *s, const struct references *r);
void metrics_recall(struct record *out, const struct recall_set *s);
/* texts: the images for which texts were sought */
void metrics_answers(struct record *out, const struct answers *a, const struct answers *texts);
void metrics_classes(struct record *out, const struct classes *c);
void metrics_matching(struct record *out, struct labelled_list *l, double threshold);

#endif
