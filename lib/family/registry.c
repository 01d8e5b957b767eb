/* SPDX-License-Identifier: MIT
 * registry.c - which model is this?
 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "checkpoint/config.h"
#include "family/registry.h"

#define ROW(name) &family_##name,
static const struct family *const families[] = { FAMILIES(ROW) };

static bool says_all(const struct weights *w)
{
    for (int i = 0; i < COUNT(families); i++)
        if (families[i]->alone && families[i]->alone(w))
            return true;
    return false;
}

static int choose_family(struct model *m)
{
    for (int i = 0; i < COUNT(families); i++)
        if (families[i]->knows(m)) {
            m->family = families[i];
            return 0;
        }
    if (m->weights && weights_find(m->weights, "text_encoder.projection_layer"))
        return fail_as("unsupported",
                       "%s: Apple's own layout of MobileCLIP, which is not read; fetch "
                       "apple/MobileCLIP-S1-OpenCLIP, -S2-OpenCLIP, -B-OpenCLIP, or for S0 "
                       "apple/MobileCLIP2-S0",
                       m->path);
    if (m->config)
        return fail_as("unsupported", "%s: model_type \"%s\" is not supported", m->path,
                       json_string(m->config, "model_type", ""));
    return fail_as("unsupported",
                   "%s: which model this is cannot be told from its tensors alone; put its "
                   "config.json or open_clip_config.json beside it",
                   m->path);
}

/* A file that is named is read, and a tradition followed, or there is no use in naming it. */
static int check_wanted(const struct model *m)
{
    if (m->wanted.vision)
        return fail_as("unsupported", "--vision=%s: %s has an image tower of its own",
                       m->wanted.vision, m->path);
    if (m->wanted.language)
        return fail_as("unsupported", "--language=%s: %s has no place for a language model",
                       m->wanted.language, m->path);
    if (m->wanted.compat && !strcmp(m->wanted.compat, "hf") && !m->compat)
        return fail_as("unsupported", "--compat=hf: %s is computed as its authors do alone",
                       m->path);
    return 0;
}

static int open_family(struct model *m)
{
    return choose_family(m) == 0 && m->family->open(m) == 0 && check_wanted(m) == 0
               ? preprocess_choose(&m->image.preprocess, m->wanted.orient, m->wanted.background)
               : -1;
}

static struct model *open_or_free(struct model *m, bool read)
{
    if (read && open_family(m) == 0) {
        m->abilities |= m->image.tokens ? VLM_FEATURES : 0u;
        return m;
    }
    model_free(m);
    return NULL;
}

/* Of an adapter the base model is opened, and the adapter added to it. */
struct model *model_load(const char *path, const struct vlm_options *options)
{
    char *found = model_resolve(path), *adapter = NULL;
    struct model *m;

    if (found && adapter_is(found)) {
        adapter = found;
        path = adapter_base(adapter);
        found = path ? model_resolve(path) : NULL;
        free((char *)(uintptr_t)path);
    }
    m = found ? model_new(found, options) : NULL;
    m = open_or_free(m, m && model_read_files(m, says_all) == 0);
    if (m && adapter && adapter_merge(m, adapter)) {
        model_free(m);
        m = NULL;
    }
    free(found);
    free(adapter);
    return m;
}

struct model *model_create(const char *folder, uint64_t seed, const struct vlm_options *options)
{
    struct model *m = model_new(folder, options);

    m->seed = seed;
    return open_or_free(m, model_read_description(m) == 0);
}

struct model *model_named(const char *name, const struct vlm_options *options)
{
    char *path = model_find(name);
    struct model *m = path ? model_load(path, options) : NULL;

    free(path);
    return m;
}
