/* SPDX-License-Identifier: MIT
 * torch.c - what torch.save and torch.jit.save write since PyTorch 1.6: a zip archive
 *
 *     NAME/data.pkl       the object; its storages by key
 *     NAME/data/0 ...     the storages
 *     NAME/byteorder      "little" or "big"; not in older files
 *     NAME/constants.pkl  only of TorchScript, which differs in nothing else that matters here
 *
 * Source: pytorch/pytorch torch/serialization.py (_load) and caffe2/serialize/inline_container.cc.
 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/memory.h"
#include "weights/pickle.h"

/* The one top folder that has a data.pkl; to free. */
static char *find_folder(const struct zip *z)
{
    char *folder = NULL;

    for (int i = 0; i < z->count; i++) {
        const char *name = z->entries[i].name, *slash = strchr(name, '/');

        if (!slash || strcmp(slash, "/data.pkl"))
            continue;
        if (folder) {
            free(folder);
            return fail("the zip archive holds two checkpoints"), NULL;
        }
        folder = xmemdup(name, (size_t)(slash - name));
    }
    if (!folder)
        fail("a zip archive without data.pkl is no checkpoint");
    return folder;
}

static bool is_big(const struct zip *z, const char *folder)
{
    const struct zip_entry *e = zip_find(z, folder, "byteorder");

    return e && !e->method && e->size == 3 && !memcmp(e->data, "big", 3);
}

static int read_folder(struct weights *w, const char *folder)
{
    const struct zip_entry *e = zip_find(&w->zip, folder, "data.pkl");
    unsigned char *text = zip_unpack(e);
    struct pickle p = { .at = text, .zip = &w->zip, .folder = folder };
    struct object *root;
    int result;

    if (!text)
        return -1;
    p.end = text + e->size;
    root = unpickle(&p);
    result = root ? state_read(w, &p, root, is_big(&w->zip, folder)) : -1;
    pickle_free(&p);
    free(text);
    return result;
}

int torch_read(struct weights *w)
{
    char *folder;
    int result;

    w->kind = "torch";
    folder = find_folder(&w->zip);
    if (!folder)
        return -1;
    if (zip_find(&w->zip, folder, "constants.pkl"))
        w->kind = "torchscript";
    result = read_folder(w, folder);
    free(folder);
    return result;
}
