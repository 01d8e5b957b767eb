/* SPDX-License-Identifier: MIT
 * memory.c - the memory that a command takes with a model, at a size of batch
 *
 *     the program + the weights of the sides that it uses + what an image makes x images
 *
 * Weights that are packed in memory take a little more than they are: small ones stay in pages of
 * the file.  Of a table only the rows of words that come are read.  An image tower of `tokens` rows
 * of `width` has thirteen such at most at a time, of VLM_IMAGES_AT_ONCE images: what it was before
 * its blocks, and in a block x, its norm and the widest layer.  A convolutional tower says itself
 * how many numbers it keeps; its places get fewer and their channels more, so that memory that one
 * step left is not always what the next one fits in.  A writer keeps the keys and values of the
 * image, or of its vectors as words, and of each beam's text.
 */
#include <string.h>
#include "api/api.h"
#include "checkpoint/save_parts.h"
#include "tensor/tensor.h"

static const double program = 18e6, unpacked = 0.1; /* measured: see tests/bench/start.c */
static const double unfit = 1.4;                    /* of a convolutional tower; measured */
enum { TOWER_ROWS = 13 };

/* Sides that a command may leave alone, by the first word of their parameters' names. */
static const struct side {
    const char *word;
    unsigned abilities; /* that use it */
} sides[] = {
    { "text", VLM_EMBED_TEXT },
    { "encoder", VLM_EMBED_TEXT | VLM_MATCH | VLM_ANSWER | VLM_FILL | VLM_GROUND },
    { "decoder", VLM_CAPTION | VLM_ANSWER },
    { "opt", VLM_CAPTION | VLM_ANSWER },
    { "t5", VLM_CAPTION | VLM_ANSWER },
};

static const struct side *side_of(const char *name)
{
    size_t word = strcspn(name, ".");

    for (int i = 0; i < COUNT(sides); i++)
        if (strlen(sides[i].word) == word && !strncmp(name, sides[i].word, word))
            return &sides[i];
    return NULL;
}

static bool ends(const char *name, const char *tail)
{
    size_t size = strlen(name), end = strlen(tail);

    return size >= end && !strcmp(name + size - end, tail);
}

static bool counted_before(const struct params *all, int at)
{
    for (int i = 0; i < at; i++)
        if (*all->list[i].slot == *all->list[at].slot)
            return true;
    return false;
}

/* Read by rows alone. */
static bool is_table(const struct param *p)
{
    return p->rank == 2 && !p->multiplies && (ends(p->name, "words") || ends(p->name, "token"));
}

/* Read, and packed in f32 with what norms it. */
static bool is_folded(const struct model *m, const struct param *p)
{
    return m->image.folded && p->rank == 4;
}

static double weights_of(const struct model *m, unsigned ability)
{
    const struct params *all = &m->params;
    double total = 0;

    for (int i = 0; i < all->count; i++) {
        const struct tensor *x = *all->list[i].slot;
        const struct side *side = side_of(all->list[i].name);
        double bytes = x ? (double)tensor_bytes(x) : 0;

        if (!x || is_table(&all->list[i]) || (side && !(side->abilities & ability)) ||
            counted_before(all, i))
            continue;
        if (is_folded(m, &all->list[i]))
            bytes += (double)sizeof(float) * (double)tensor_count(x);
        else if (!x->order)
            bytes *= 1 + unpacked;
        total += bytes;
    }
    return total;
}

/* Floats that the parts of a writer keep: of a token of an image, and of one of a text. */
static void writer_widths(const struct model *m, double *image, double *text)
{
    *image = *text = 0;
    for (int i = 0; i < m->params.count; i++) {
        const struct param *p = &m->params.list[i];
        const struct side *side = side_of(p->name);
        double both = 2 * (double)p->shape[0]; /* keys and values */

        if (!side || !(side->abilities & VLM_CAPTION) || !ends(p->name, ".key.weight"))
            continue;
        if (ends(p->name, ".cross.key.weight"))
            *image += both + (*image > 0 ? 0 : both); /* once more, before they are kept */
        else
            *text += both;
    }
}

double vlm_memory_of(const struct model *m, unsigned ability, int batch)
{
    int together = batch < VLM_IMAGES_AT_ONCE ? batch : VLM_IMAGES_AT_ONCE;
    double row = (double)sizeof(float) * m->image.tokens * (double)m->image.width;
    double pixels = (double)sizeof(float) * (double)preprocess_numbers(&m->image.preprocess);
    const struct decoding *rules = &m->writing.rules;
    double image, text, all = program + weights_of(m, ability);

    if (ability == VLM_EMBED_TEXT)
        return all;
    if (m->image.room)
        all += together * unfit * (double)sizeof(float) * (double)m->image.room;
    else
        all += together * TOWER_ROWS * row;
    all += batch * (2 * pixels + row);
    if (!(ability & (VLM_CAPTION | VLM_ANSWER)))
        return all;
    writer_widths(m, &image, &text);
    all += (double)sizeof(float) * together *
           (image * m->image.tokens +
            text * (rules->beams > 1 ? rules->beams : 1) *
                (rules->max_length + (image > 0 ? 0 : m->embedding.per_image)));
    return all;
}
