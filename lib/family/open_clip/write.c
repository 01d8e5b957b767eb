/* SPDX-License-Identifier: MIT
 * write.c - CoCa at work: what a picture's decoder writes
 *
 * A step reads each text anew from its beginning: a text has thirty tokens at most.  What the
 * decoder looks at of the pictures is computed once.
 *
 * Source: mlfoundations/open_clip src/open_clip/coca_model.py, CoCa.generate.
 */
#include <string.h>
#include "base/memory.h"
#include "family/open_clip/open_clip.h"

struct speaker {
    struct open_clip *model;
    struct tape tape, step; /* of the pictures; of one step */
    struct tensor **keys;
    int pictures, tokens, each; /* each: texts of a picture */
    int *ids, *length;          /* [texts, room] [texts] */
    int room;
};

static int *text_of(const struct speaker *s, int row)
{
    return s->ids + (size_t)row * (size_t)s->room;
}

/* Behind what each text has, then all of them through both towers. */
static void feed(void *self, int count, const int *row, const int *counts, const int *ids,
                 float *logits)
{
    struct speaker *s = self;
    struct tape *t = &s->step;
    struct coca_input in = { .keys = s->keys, .pictures = s->pictures, .tokens = s->tokens };
    int *lengths, *picture_of, *last, *all, total = 0, at = 0;
    struct tensor *x;

    tape_clear(t);
    lengths = tape_alloc(t, 3 * (size_t)count * sizeof *lengths);
    picture_of = lengths + count;
    last = picture_of + count;
    for (int i = 0; i < count; ids += counts[i++]) {
        memcpy(text_of(s, row[i]) + s->length[row[i]], ids, (size_t)counts[i] * sizeof *ids);
        lengths[i] = s->length[row[i]] += counts[i];
        picture_of[i] = row[i] / s->each;
        total += lengths[i];
        last[i] = total - 1;
    }
    all = tape_alloc(t, (size_t)total * sizeof *all);
    for (int i = 0; i < count; at += lengths[i++])
        memcpy(all + at, text_of(s, row[i]), (size_t)lengths[i] * sizeof *all);
    in.states = text_class_states(t, &s->model->words.text, all, lengths, count);
    in.texts = spans_of(t, count, lengths);
    in.picture_of = picture_of;
    in.index = last;
    in.count = count;
    x = coca_logits(t, &s->model->decoder, &in);
    memcpy(logits, x->data, (size_t)tensor_count(x) * sizeof *logits);
}

static void copy(void *self, int from, int to)
{
    struct speaker *s = self;

    s->length[to] = s->length[from];
    memcpy(text_of(s, to), text_of(s, from), (size_t)s->length[from] * sizeof(int));
}

int open_clip_write(struct open_clip *o, struct tensor *features, const struct prompt *prompts,
                    const struct decoding *d, struct hypothesis *out)
{
    struct speaker s = { .model = o, .pictures = (int)features->shape[0], .room = d->max_length };
    const struct language_model language = { &s, (int)o->decoder.config.vocabulary, feed, copy };
    struct tensor *seen = image_tower_states(&s.tape, &o->image, features);
    size_t texts;
    int status;

    s.each = decode_rows(d);
    s.tokens = (int)seen->shape[1];
    s.keys = coca_pictures(&s.tape, &o->decoder, tensor_as_rows(&s.tape, seen));
    texts = (size_t)s.pictures * (size_t)s.each;
    s.ids = tape_alloc(&s.tape, texts * (size_t)s.room * sizeof *s.ids);
    s.length = tape_alloc(&s.tape, texts * sizeof *s.length);
    memset(s.length, 0, texts * sizeof *s.length);
    status = decode(&language, d, prompts, s.pictures, out);
    tape_free(&s.tape);
    tape_free(&s.step);
    return status;
}
