/* SPDX-License-Identifier: MIT
 * vlm-embed.c - add the embeddings of a record's image and text
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "cli/cli.h"

static bool only_image, only_text, raw, features, text_tokens;
static const char *npy_path;
static unsigned sides;
static char tower[17];
static struct vlm *model;
static struct npy *npy;
static struct filter filter;

static const struct option_spec options[] = {
    OPTION_FLAG(0, "image", &only_image, "embed images only", .without = "text"),
    OPTION_FLAG(0, "text", &only_text, "embed texts only", .without = "image features"),
    OPTION_FLAG(0, "raw", &raw, "leave vectors as the model makes them, not of length 1"),
    OPTION_FLAG(0, "features", &features,
                "add image_features, the vision tower's tokens, instead of image_embedding"),
    OPTION_FLAG(0, "text-tokens", &text_tokens, "add text_tokens, the number of a text's tokens",
                .without = "image npy"),
    OPTION_FILE(0, "npy", "FILE", &npy_path,
                "write vectors as the rows of FILE, and their records' ids to standard output",
                .without = "features binary resume reuse to"),
    OPTION_PRECISION,
    OPTION_PROVENANCE(.without = "npy"),
    OPTIONS_MODEL,
    OPTIONS_STREAM,
    OPTIONS_END,
};

static unsigned uses(void)
{
    return USES_STREAM | (only_text ? 0 : USES_IMAGES) |
           (only_image ? 0 : USES_TEXTS | USES_TOKENIZER | USES_CLEANED) |
           (only_text && !npy_path ? 0 : USES_IMAGE_NAMES); /* rows are named by their images */
}

static const char *const writes[] = { "image_embedding",
                                      "text_embedding",
                                      "image_features",
                                      "image_features_tower",
                                      "truncated",
                                      "text_tokens",
                                      NULL };

static int begin(void)
{
    if (raw && features && only_image)
        options_mistake("--raw has no effect: with --features and --image no vector is written");
    /* Without --image or --text, embed whichever side the model supports. */
    model = model_open(features     ? VLM_FEATURES
                       : only_image ? VLM_EMBED_IMAGE
                       : only_text  ? VLM_EMBED_TEXT
                                    : 0);
    if (!model)
        return -1;
    if (!features && !(vlm_abilities(model) & (VLM_EMBED_IMAGE | VLM_EMBED_TEXT)))
        return fail("%s cannot embed", vlm_describe(model));
    if (features && !(vlm_abilities(model) & VLM_EMBED_TEXT))
        only_image = true; /* a captioner has a tower, but no space for texts */
    sides = (only_text ? 0 : EMBED_IMAGE) | (only_image ? 0 : EMBED_TEXT);
    if (features) /* reads every weight of the tower */
        snprintf(tower, sizeof tower, "%016llx", (unsigned long long)vlm_tower_hash(model));
    filter.drops_failed = npy_path; /* no row, so no id */
    options_write("npy", npy_path);
    if (npy_path && !(npy = npy_create(npy_path, vlm_width(model))))
        return 1;
    return 0;
}

static void prepare(struct record *r)
{
    static const char *const wanted[] = { [EMBED_IMAGE] = "no image to embed",
                                          [EMBED_TEXT] = "no text to embed",
                                          [EMBED_IMAGE | EMBED_TEXT] = "neither image nor text" };
    struct embedding *e = xalloc(1, sizeof *e);

    r->work = e;
    if (embed_read(e, model, r, sides) == 0 && !e->pixels && !e->ids)
        record_fail(r, "read", "nothing_to_embed", wanted[sides]);
}

/* Takes the pixels out of the embeddings, so that no vector is made of them. */
static int add_features(struct record *records[], struct embedding *list[], int count)
{
    size_t pixels = vlm_pixels(model);
    float *in = xresize(NULL, (size_t)count * pixels, sizeof *in), *out = NULL;
    int n = 0, tokens = 0, width = 0;

    for (int i = 0; i < count; i++)
        if (list[i]->pixels)
            memcpy(in + (size_t)n++ * pixels, list[i]->pixels, pixels * sizeof *in);
    if (n && !(out = vlm_image_features(model, in, n, &tokens, &width))) {
        free(in);
        return -1;
    }
    for (int i = 0, row = 0; i < count; i++) {
        if (list[i]->pixels) {
            record_set_halves(records[i], "image_features",
                              out + (size_t)row++ * (size_t)tokens * (size_t)width, 2,
                              (long[]){ tokens, width });
            record_set_string(records[i], "image_features_tower", tower);
            free(list[i]->pixels);
            list[i]->pixels = NULL;
        }
    }
    free(in);
    free(out);
    return 0;
}

static void add_counts(struct record *r, const struct embedding *e)
{
    struct buffer b = { 0 };

    for (int i = 0; i < e->texts; i++)
        buffer_printf(&b, "%c%d", i ? ',' : '[', e->counts[i]);
    buffer_byte(&b, ']');
    if (e->list)
        record_set_json(r, "text_tokens", b.data, b.size);
    else
        record_set_json(r, "text_tokens", b.data + 1, b.size - 2);
    buffer_free(&b);
}

static void add_vectors(struct record *r, const struct embedding *e)
{
    if (e->image && e->images > 1)
        record_set_floats(r, "image_embedding", e->image, 2, (long[]){ e->images, e->width });
    else if (e->image)
        record_set_floats(r, "image_embedding", e->image, 1, &e->width);
    if (e->text && e->list)
        record_set_floats(r, "text_embedding", e->text, 2, (long[]){ e->texts, e->width });
    else if (e->text)
        record_set_floats(r, "text_embedding", e->text, 1, &e->width);
    if (e->truncated)
        record_set_bool(r, "truncated", true);
    if (e->text && text_tokens)
        add_counts(r, e);
}

/* A record's name in the list of rows: its id, or its image's path.  One that holds a newline
 * would break the list, and stays quoted as in JSON. */
static char *name_of(const struct record *r)
{
    struct span value;
    char *text;

    if (!record_id(r, &value, NULL) && !record_image(r, &settings.fields, &value, NULL))
        return xstrdup("");
    text = json_text(value);
    if (text && !text[strcspn(text, "\n\r")])
        return text;
    free(text);
    return xmemdup(value.data, value.size);
}

/* The record gives way to the lines that name its rows. */
static int add_rows(struct record *r, const struct embedding *e)
{
    char *name = name_of(r);
    int rows = e->image ? e->images : e->texts, result = 0;

    for (int i = 0; i < rows && !result; i++) {
        result = npy_row(npy, e->image ? e->image : e->text + i * e->width);
        if (!result)
            emit_line(name);
    }
    free(name);
    r->dropped = true;
    return result;
}

static enum run embed(struct record *records[], enum outcome outcomes[], int count)
{
    struct embedding **list = xalloc((size_t)count, sizeof *list);
    enum run run = RUN_GOES_ON;
    int result = 0;

    for (int i = 0; i < count; i++)
        list[i] = records[i]->work;
    if (features)
        result = add_features(records, list, count);
    if (!result)
        result = embed_batch(model, list, count, !raw);
    for (int i = 0; i < count && !result && run == RUN_GOES_ON; i++) {
        if (npy && add_rows(records[i], list[i])) {
            run = RUN_ENDS;
        } else {
            if (!npy)
                add_vectors(records[i], list[i]);
            outcomes[i] = COMPUTED;
        }
    }
    free(list);
    return run;
}

static int finish(void)
{
    return npy ? npy_close(npy) : 0;
}

static void release(struct record *r)
{
    embed_free(r->work);
}

static void end(void)
{
    vlm_close(model);
}

static struct filter filter = {
    .name = "vlm-embed",
    .args = "[FILE...]",
    .about = "Add the embeddings of each record's image and text.",
    .options = options,
    .uses = uses,
    .begin = begin,
    .prepare = prepare,
    .batch = embed,
    .finish = finish,
    .release = release,
    .end = end,
    .writes = writes,
};

int main(int argc, char **argv)
{
    return filter_main(&filter, argc, argv);
}
