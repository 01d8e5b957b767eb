/* SPDX-License-Identifier: MIT
 * model.c - the model that -m names, refused if it cannot do what is asked
 */
#include <stdlib.h>
#include "base/buffer.h"
#include "base/error.h"
#include "cli/cli.h"

static const struct {
    unsigned bit;
    const char *verb;
} abilities[] = {
    { VLM_EMBED_IMAGE, "embed images" },     { VLM_EMBED_TEXT, "embed texts" },
    { VLM_MATCH, "match images and texts" }, { VLM_CAPTION, "caption images" },
    { VLM_ANSWER, "answer questions" },      { VLM_FEATURES, "give features of images" },
    { VLM_GROUND, "find texts in images" },  { VLM_FILL, "predict masked words" },
};

static void describe(struct buffer *b, unsigned set)
{
    int listed = 0;

    for (int i = 0; i < COUNT(abilities); i++)
        if (set & abilities[i].bit)
            buffer_printf(b, "%s%s", listed++ ? ", " : "", abilities[i].verb);
    if (!listed)
        buffer_string(b, "nothing");
}

/* A tokenizer that cannot be read is found before the first record. */
static int try_tokenizer(const struct vlm *m)
{
    const unsigned texts = VLM_EMBED_TEXT | VLM_MATCH | VLM_CAPTION | VLM_FILL;
    int *ids = NULL, count;
    bool cut;

    if (!(options_uses() & USES_TOKENIZER) || !(vlm_abilities(m) & texts))
        return 0;
    if (vlm_read_text(m, "a", 1, &ids, &count, &cut))
        return -1;
    free(ids);
    return 0;
}

static const struct vlm *opened;

uint64_t model_hash(void)
{
    static uint64_t hash;

    if (opened && !hash)
        hash = vlm_hash(opened);
    return hash;
}

struct vlm *model_open(unsigned wanted)
{
    const struct vlm_options options = { .tokenizer = settings.tokenizer,
                                         .vision = settings.vision,
                                         .language = settings.language,
                                         .compat = settings.compat,
                                         .precision = settings.precision,
                                         .clean_text = settings.clean_text,
                                         .image_size = (int)settings.image_size };
    struct vlm *m = vlm_open(settings.model, &options);
    struct buffer lacks = { 0 }, has = { 0 };

    if (!m)
        return NULL;
    if (settings.verbose)
        warn("%s; precision %s", vlm_describe(m),
             settings.precision ? settings.precision : "highest");
    if (!(wanted & ~vlm_abilities(m))) {
        if (try_tokenizer(m) == 0) {
            opened = m;
            return m;
        }
        vlm_close(m);
        return NULL;
    }
    describe(&lacks, wanted & ~vlm_abilities(m));
    describe(&has, vlm_abilities(m));
    fail("%s cannot %s; it can %s", vlm_describe(m), lacks.data, has.data);
    buffer_free(&lacks);
    buffer_free(&has);
    vlm_close(m);
    return NULL;
}
