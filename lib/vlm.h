/* SPDX-License-Identifier: MIT
 * vlm.h - vision-language models on a CPU: open, embed, compare, close
 *
 *     struct vlm *m = vlm_open("clip-vit-base-patch32", NULL);
 *     float *pixels = malloc(vlm_pixels(m) * sizeof *pixels);
 *     float *vector = malloc(vlm_width(m) * sizeof *vector);
 *
 *     if (vlm_read_image(m, bytes, size, 0, pixels) == 0)
 *         vlm_embed_images(m, pixels, 1, true, vector);
 *     vlm_close(m);
 *
 * A function that can fail returns -1 or NULL; vlm_error() then has one sentence.  One thread at a
 * time may use a model, except where "any thread" is said; the work itself is spread over the
 * library's own threads (vlm_threads).
 */
#ifndef VLM_H
#define VLM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vlm; /* a model; opaque */

struct vlm_options {
    const char *tokenizer; /* a file or folder; NULL: beside the model */
    const char *compat;    /* "original" or "hf" where traditions differ; NULL: the file's own */
    /* Of products with f32 matrices by AMX, from then on, for all models: "highest", f32; "high",
     * 16 bits; "medium", bf16.  NULL: highest.  Not with int8. */
    const char *precision;
    bool clean_text; /* texts as BLIP's training cleaned captions, before they are tokenised */
    /* How pictures are looked at; NULL: as the model's authors do.  orient: "apply" turns a picture
     * as its EXIF says, "ignore" takes it as stored.  background: what has alpha is laid on
     * "white", "black", "gray" or "#rrggbb"; with "none" alpha is dropped. */
    const char *orient, *background;
    int image_size; /* 0: the model's own; else position embeddings are resized */
    /* BLIP-2's image tower and language model, where its file lacks them; NULL: beside the model */
    const char *vision, *language;
};

/* Threads for all models; call once, before anything else.  0: as many as the process may use. */
void vlm_threads(int count);
const char *vlm_error(void);      /* of the calling thread; never NULL */
const char *vlm_error_code(void); /* a short word: "truncated", "unsupported", ... */

/* A folder as Hugging Face or open_clip lay it out, a checkpoint file, or a bare name looked up in
 * $VLM_MODELS, $XDG_DATA_HOME/vlm/models and the installation.  NULL path: $VLM_MODEL, else the
 * built-in model.  Nothing reaches for a network. */
struct vlm *vlm_open(const char *path, const struct vlm_options *options);
void vlm_close(struct vlm *m); /* NULL is nothing */

/* What it can do */
enum vlm_ability {
    VLM_EMBED_IMAGE = 1,
    VLM_EMBED_TEXT = 2,
    VLM_MATCH = 4,
    VLM_CAPTION = 8,
    VLM_FEATURES = 32, /* has a vision tower: vlm_image_features */
    VLM_ANSWER = 16,   /* what it writes answers a question */
    VLM_GROUND = 64,   /* tells where in an image a text is */
    VLM_FILL = 128,    /* tells words that are [MASK] in a text */
};
unsigned vlm_abilities(const struct vlm *m);
const char *vlm_describe(const struct vlm *m); /* "CLIP ViT-B/32, Hugging Face layout, f32" */
const char *vlm_hardware(void);                /* "avx512, 2 threads, OpenBLAS ..." for -v */
int vlm_width(const struct vlm *m);            /* floats in an embedding */
int vlm_image_vectors(const struct vlm *m);    /* embeddings an image has: 1; BLIP-2: 32 */
float vlm_scale(const struct vlm *m);          /* exp(logit_scale): cosine to logit */

/* Images.  Encoded bytes to the pixels that the image tower takes; any thread.  max_pixels 0: no
 * limit.  pixels: [vlm_pixels(m)] floats. */
size_t vlm_pixels(const struct vlm *m);
int vlm_read_image(const struct vlm *m, const void *bytes, size_t size, long max_pixels,
                   float *pixels);
bool vlm_is_image(const void *head, size_t size); /* an image by its first bytes; any thread */
/* Most bytes that vlm_read_image takes at once for this image, by its header alone; 0: it will
 * fail. For whoever reads images on many threads within a budget. */
size_t vlm_image_memory(const void *bytes, size_t size, long max_pixels);
/* out: [count, vlm_image_vectors(m), vlm_width(m)]; unit length if `normalized`.  Of several
 * vectors that one counts which is closest to a text's. */
int vlm_embed_images(struct vlm *m, const float *pixels, int count, bool normalized, float *out);
/* Tokens of the vision tower after its last layer, for the filters after this one:
 * [count, tokens, width]; *tokens and *width are set; to free. */
float *vlm_image_features(struct vlm *m, const float *pixels, int count, int *tokens, int *width);
/* Of the whole model: names, types, shapes and a sample of every tensor's numbers, so that it is
 * soon done; two models of different numbers differ but by chance. */
uint64_t vlm_hash(const struct vlm *m);
uint64_t vlm_tower_hash(const struct vlm *m); /* of the vision tower's weights and preprocessing */

/* Texts.  Token ids of a text, framed; any thread; *ids is to be freed. */
int vlm_read_text(const struct vlm *m, const char *text, size_t size, int **ids, int *count,
                  bool *truncated);
/* out: [texts, vlm_width(m)]; ids of all texts one after the other, text i has counts[i] of them */
int vlm_embed_texts(struct vlm *m, const int *ids, const int *counts, int texts, bool normalized,
                    float *out);

/* Features once.  What a vision tower gave, from vlm_image_features or from a record, serves the
 * three calls below; features: [images, tokens, width] of this model's tower (vlm_features_shape).
 */
void vlm_features_shape(const struct vlm *m, int *tokens, int *width);
int vlm_embed_features(struct vlm *m, const float *features, int images, bool normalized,
                       float *out);

/* Matching: does this text describe this image?  Text i, framed by vlm_read_text, looks at image
 * image_of[i].  logits: [texts, vlm_classes(m)], the last for a match; itc: [texts], cosine; either
 * may be NULL.  The image's keys and values are computed once for all its texts.  A model that
 * compares pictures takes vlm_images(m) of them as one image, their features one after the other.
 */
int vlm_images(const struct vlm *m);                   /* 1; 2: NLVR2 */
int vlm_classes(const struct vlm *m);                  /* 2; 3: visual entailment */
const char *vlm_class(const struct vlm *m, int which); /* "entailment"; NULL: it has no name */
bool vlm_ranks_by_match(const struct vlm *m); /* its retrieval score leaves the cosine out */
int vlm_match(struct vlm *m, const float *features, int images, const int *ids, const int *counts,
              const int *image_of, int texts, float *logits, float *itc);

/* Grounding: where is this text?  Grad-CAM on the cross-attention: map [side, side] over the image,
 * at least 0, larger where the image speaks more for the match; words, if not NULL: [count, side,
 * side], the same of each id.  features: of one image. */
int vlm_map_side(const struct vlm *m);
int vlm_ground(struct vlm *m, const float *features, const int *ids, int count, float *map,
               float *words);
/* An encoded image, as the model looks at it, with such a map drawn over it, as a PNG file; *png is
 * to be freed.  Any thread. */
struct vlm_drawing {
    const void *bytes; /* of the image */
    size_t size;
    long max_pixels;   /* 0: no limit */
    const float *map;  /* [side, side] */
    int side, longest; /* longest: pixels a side at most; 0: as the image is */
};
int vlm_draw_map(const struct vlm *m, const struct vlm_drawing *how, void **png, size_t *png_size);

/* Pictures for people.  An encoded image made small, on white, at most `longest` pixels a side, as
 * the bytes of a JPEG file; any thread; *jpeg is to be freed. */
struct vlm_bytes {
    const void *data;
    size_t size;
};
int vlm_thumbnail(struct vlm_bytes image, long max_pixels, int longest, void **jpeg,
                  size_t *jpeg_size, int sides[2]);
/* Thumbnails side by side in one JPEG, `across` a row, each in a square of `side` pixels; any
 * thread; *jpeg is to be freed. */
int vlm_sprites(const struct vlm_bytes *thumbnails, int count, int across, int side, void **jpeg,
                size_t *jpeg_size);

/* Writing.  Zero means the model's own default, except where said. */
struct vlm_writing {
    int beams;                  /* 1: greedy */
    int sequences;              /* texts an image */
    bool sample;                /* draw instead of searching */
    double top_p;               /* 1: off */
    int top_k;                  /* 0: off */
    double temperature;         /* 1: as the model says */
    int min_length, max_length; /* tokens, the prompt's counted */
    double length_penalty;      /* 0 is a value: NAN for the default */
    double repetition_penalty;
    bool stop_early; /* beam search: stop at `beams` finished texts */
};
struct vlm_text {
    char *text;     /* to free */
    float logprob;  /* mean log-probability per token */
    bool truncated; /* its prompt was cut to the model's limit */
};
/* prompts[i] may be NULL: the model's own.  seeds: [images], used when sampling.
 * out: [images * sequences], best first. */
int vlm_write(struct vlm *m, const float *features, int images, const char *const *prompts,
              const uint64_t *seeds, const struct vlm_writing *how, struct vlm_text *out);

/* Answers from a list, as the published results of VQA take them: by the first token's probability
 * the `keep` likeliest, these by their whole loss, as the model's authors count it. */
struct vlm_answers;
struct vlm_answers *vlm_answers_read(const struct vlm *m, const char *const *list, int count);
void vlm_answers_free(struct vlm_answers *a); /* NULL is nothing */
struct vlm_ranked {
    int index;      /* in the list */
    float prob;     /* among those that were kept */
    float logprob;  /* mean log-probability per token */
    bool truncated; /* the question was cut to the model's limit */
};
/* questions: [images].  out: [images * sequences], best first; sequences <= keep, which is lowered
 * to the list's length. */
int vlm_rank(struct vlm *m, const float *features, int images, const char *const *questions,
             const struct vlm_answers *a, int keep, int sequences, struct vlm_ranked *out);

/* Hidden words: texts[i], about image i, says [MASK] where words are to be told.
 * out: [images * sequences], best first, to free: the text with words in their places, and their
 * mean log-probability.  -1 also where a text hides none, or its [MASK] lies behind the limit. */
int vlm_fill(struct vlm *m, const float *features, int images, const char *const *texts,
             int sequences, struct vlm_text *out);

/* Files.  A model, named as in vlm_open, written as `out`: see vlm-convert(1). */
struct vlm_conversion {
    const char *type; /* of matrices: "f32" "f16" "bf16" "int8"; NULL: each as it is */
    bool original;    /* the authors' file; else a folder as Hugging Face lays it out */
    bool once;        /* tensors with two names stored once, for this library alone */
    /* With int8: bytes that a number is taken for where it is multiplied by such a matrix, 1 to 3;
     * 0: as the model has it, an f32 where it is not int8 yet. */
    int pieces;
    const char *tokenizer;            /* NULL: beside the model */
    const struct vlm_options *opened; /* how the model is opened; or NULL */
};
int vlm_convert(const char *model, const char *out, const struct vlm_conversion *how);
/* Records that int8 is measured with, as vlm_read_image and vlm_read_text give them. */
struct vlm_samples {
    int images, texts;
    float *pixels;     /* [images, vlm_pixels(m)] */
    int *ids, *counts; /* as of vlm_embed_texts */
};
/* Gives each layer of an int8 folder, that vlm_convert wrote from `model` with pieces, as few as
 * leave each sample's cosine with what `model` says of it at `accuracy` or more, and writes them
 * and the report, int8.json, into the folder.  Where three for all do not suffice, that is taken
 * and reported.  The report, a line of JSON, to free. */
char *vlm_choose_pieces(const char *model, const char *folder, const struct vlm_options *opened,
                        const struct vlm_samples *samples, double accuracy);
/* A line of JSON, to free: what a model is; or that every byte of it was read and is in order. */
char *vlm_inform(const char *model, const struct vlm_options *options);
char *vlm_verify(const char *model, const struct vlm_options *options);

/* Similarity: out[i * columns + j] = a[i] . b[j]; bytes do not depend on rows, threads or the
 * processor. */
void vlm_dot(const float *a, long rows, const float *b, long columns, int width, float *out);

/* Near duplicates among vectors of length 1, in the order in which they come: of[i] becomes the
 * number, from 0, of the first kept vector whose cosine with vector i is `threshold` or more, and
 * sim[i] that cosine; or -1, and the vector is kept under the next number.  Exact; a kept vector
 * takes a little more than 5 bytes a number. */
struct vlm_duplicates *vlm_duplicates_open(int width, float threshold);
void vlm_duplicates_find(struct vlm_duplicates *d, const float *vectors, long count, long *of,
                         float *sim);
void vlm_duplicates_close(struct vlm_duplicates *d); /* NULL is nothing */

#endif
