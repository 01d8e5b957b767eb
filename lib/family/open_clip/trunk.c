/* SPDX-License-Identifier: MIT
 * trunk.c - timm's image towers by their names: which kind knows one
 */
#include <stdio.h>
#include "base/error.h"
#include "family/open_clip/open_clip.h"

#define ROW(name) &trunk_##name,
static const struct trunk *const trunks[] = { TRUNKS(ROW) };

long open_clip_axis(const struct weights *w, const char *name, int which)
{
    const struct stored *s = weights_find(w, name);
    long size = s && which < s->rank ? s->shape[which] : 0;

    return size < 1 << 24 ? size : 0;
}

int open_clip_count(const struct weights *w, const char *before, const char *after)
{
    enum { MOST = 1000 };
    char name[128];

    for (int i = 0; i <= MOST; i++) {
        snprintf(name, sizeof name, "%s%d%s", before, i, after);
        if (!weights_find(w, name))
            return i;
    }
    return MOST + 1;
}

int open_clip_timm(const char *name, const struct weights *w, struct image_config *c)
{
    for (int i = 0; i < COUNT(trunks); i++)
        if (trunks[i]->describe(name, w, c)) {
            c->trunk = trunks[i];
            return 0;
        }
    return fail_as("unsupported", "timm's image tower %.60s is not known here", name);
}
