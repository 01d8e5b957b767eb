/* SPDX-License-Identifier: MIT
 * model.c - the model that -m names, refused if it cannot do what is asked
 */
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
    { VLM_GROUND, "find texts in images" },  { VLM_FILL, "tell masked words" },
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
    if (!(wanted & ~vlm_abilities(m)))
        return m;
    describe(&lacks, wanted & ~vlm_abilities(m));
    describe(&has, vlm_abilities(m));
    fail("%s cannot %s; it can %s", vlm_describe(m), lacks.data, has.data);
    buffer_free(&lacks);
    buffer_free(&has);
    vlm_close(m);
    return NULL;
}
