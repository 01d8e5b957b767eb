/* SPDX-License-Identifier: MIT
 * weights.h - names, types, shapes and bytes of stored tensors; no file ever runs code
 *
 * Containers: safetensors, its sharded index, PyTorch zip (torch.save), legacy PyTorch, TorchScript
 * archives (OpenAI's CLIP), NumPy's .npz (big_vision).  Every size is checked against the file
 * before it is used.
 */
#ifndef WEIGHTS_WEIGHTS_H
#define WEIGHTS_WEIGHTS_H

#include "base/number.h"

enum { STORED_RANK = 8 };
struct stored {
    const char *name;
    enum dtype type;
    int rank;
    long shape[STORED_RANK];
    long stride[STORED_RANK]; /* in elements, >= 0; not always row-major: a transpose is a view */
    const void *data;         /* first element, in a mapping; little-endian, aligned to its type */
    size_t bytes;             /* from the first to behind the last element */
    /* Not NULL: a matrix that is packed, padded, in this order, see lib/kernel; shape and strides
     * are those of its rows, and stored_copy() is not for it. */
    const char *order;
};
struct weights;

/* open.c - a file by its first bytes, or a folder: model.safetensors, model.safetensors.index.json,
 * pytorch_model.bin (.index.json), open_clip_model.safetensors, open_clip_pytorch_model.bin.
 *
 * A training checkpoint is looked into: {"model": ...}, {"state_dict": ...}, {"model_state_dict":
 * ...}, {"module": ...}, {"params": ...} and the like.  "module.", "_orig_mod.", "model."
 * and the like are stripped where every name has them; LayerNorm.gamma and LayerNorm.beta become
 * weight and bias.  A TorchScript archive gives the tensors of its module tree, without the scalars
 * input_resolution, context_length and vocab_size; elsewhere integers and buffers are kept as they
 * are stored.  Fewer than 2^48 elements each: shape's product never overflows a long.
 * NULL after fail(). */
struct weights *weights_open(const char *path);
/* The file that a folder's weights are in; to free; NULL: it has none.  Of both kinds of names
 * open_clip's come first if asked. */
char *weights_in_folder(const char *folder, bool open_clip_first);
/* The same from memory, which stays the caller's and must outlive it; `name` is for messages. */
struct weights *weights_open_bytes(const char *name, const void *data, size_t size);
void weights_close(struct weights *w); /* NULL is nothing; weights_find() finds nothing in it */
int weights_count(const struct weights *w);
const struct stored *weights_at(const struct weights *w, int index);
const struct stored *weights_find(const struct weights *w, const char *name); /* or NULL */
const char *weights_path(const struct weights *w); /* the file, or the index's folder */
const char *
weights_kind(const struct weights *w); /* "safetensors" "torch" "torchscript" "legacy" "npz"; "" */
const char *weights_metadata(const struct weights *w); /* safetensors: its JSON object; or NULL */
/* Reads every byte once: the zip containers' CRC-32.  0 also where the container has none. */
int weights_verify(const struct weights *w);

/* stored.c - one tensor's elements */
long stored_count(const struct stored *s); /* product of the shape */
/* Its bytes lie in a mapped file, not in memory: file_release() may drop their resident copy. */
bool weights_is_mapped(const struct weights *w, const struct stored *s);
bool stored_is_contiguous(const struct stored *s);
/* Copies into row-major order, type kept.  `transpose` swaps the axes of a matrix. */
void stored_copy(const struct stored *s, bool transpose, void *out);

/* save.c - safetensors, written under another name and renamed
 *
 * The bytes are those that the reference writer gives for the same tensors and metadata, if none is
 * packed.  Those that are come first, each at a multiple of 64 bytes; they are of rank 1, and the
 * metadata say how: "order:NAME": "ORDER ROWS COLUMNS". */
struct saving {
    const char *name;
    enum dtype type;
    int rank;
    long shape[STORED_RANK];
    const void *data; /* contiguous; NULL: made when it is its turn */
    int same; /* weights_save_torch: 1 + the index of an earlier one with these numbers; 0: none */
    bool packed;
};
struct making {                                     /* one tensor at a time is in memory */
    void (*make)(void *self, int index, void *out); /* all bytes of list[index] */
    void *self;
};
/* metadata_json: one object of strings, or NULL. */
int weights_save(const char *path, const struct saving *list, int count, const char *metadata_json);
int weights_save_made(const char *path, const struct saving *list, int count,
                      const char *metadata_json, const struct making *making);
/* torch_save.c - as torch.save does it, under another name and renamed; a dictionary of tensors, or
 * with a wrapper {"wrapper": that dictionary}.  Written one tensor at a time. */
int weights_save_torch(const char *path, const struct saving *list, int count, const char *wrapper,
                       const struct making *making);

#endif
