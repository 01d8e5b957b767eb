/* SPDX-License-Identifier: MIT
 * model.c - the model that -m names, refused if it cannot do what is asked
 */
#include <stdlib.h>
#include "base/error.h"
#include "cli/cli.h"

struct vlm_options model_settings(void)
{
    struct vlm_options opened = settings.opened;

    opened.image_size = (int)settings.image_size;
    return opened;
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

/* --compat that could change nothing.  wanted: 0 is all that the model can do, as in vlm-embed. */
static int check_compat(const struct vlm *m, unsigned wanted)
{
    unsigned changed = vlm_compat_abilities(m), used = wanted ? wanted : vlm_abilities(m);

    used = options_uses() & USES_TOKENIZER ? used | VLM_EMBED_TEXT : used & ~VLM_EMBED_TEXT;
    if (!settings.opened.compat || !changed || changed & used)
        return 0;
    return fail_as("unsupported", "--compat=%s: %s looks at images in one way",
                   settings.opened.compat, vlm_describe(m));
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
    const struct vlm_options options = model_settings();
    struct vlm *m = vlm_open(settings.model, &options);
    char *lacks, *has;

    if (!m)
        return NULL;
    if (settings.verbose)
        warn("%s; precision %s%s", vlm_describe(m),
             settings.opened.precision ? settings.opened.precision : "highest",
             vlm_repacks(m) ? "; packed for another processor, packed anew here" : "");
    if (!(wanted & ~vlm_abilities(m))) {
        if (check_compat(m, wanted) == 0 && try_tokenizer(m) == 0) {
            opened = m;
            return m;
        }
        vlm_close(m);
        return NULL;
    }
    lacks = vlm_list_abilities(wanted & ~vlm_abilities(m));
    has = vlm_list_abilities(vlm_abilities(m));
    fail("%s cannot %s; it can %s", vlm_describe(m), lacks, has);
    free(lacks);
    free(has);
    vlm_close(m);
    return NULL;
}
