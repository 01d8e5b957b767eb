/* SPDX-License-Identifier: MIT
 * vlm.h - vision-language models on a CPU: CLIP, ALBEF, BLIP, BLIP-2
 *
 *     struct vlm *m = vlm_open("clip-vit-base-patch32", NULL);
 *     float *pixels = malloc(vlm_pixels(m) * sizeof *pixels);
 *     float *vector = malloc(vlm_width(m) * sizeof *vector);
 *
 *     if (vlm_read_image(m, bytes, size, 0, pixels) == 0)
 *         vlm_embed_images(m, pixels, 1, true, vector);
 *     vlm_close(m);
 *
 * Errors.  A function that can fail returns -1 or NULL.  vlm_error() then gives one sentence and
 * vlm_error_code() a short word.  Nothing that failed has to be freed.
 * Memory.  The caller owns every array that it passes.  What a function returns "to free" is freed
 * with free().  When memory runs out, the process ends with status 1.
 * Shapes.  [a, b] is a rows of b floats, one row after the other.
 * Threads.  One thread at a time may use a model, except where "any thread" is said.  The library
 * spreads the work over its own threads (vlm_threads).
 */
#ifndef VLM_H
#define VLM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vlm; /* an opened model; opaque */

/* --- open.c: opening a model, and what it can do --- */

struct vlm_options {
    const char *tokenizer; /* a file or folder; NULL: beside the model */
    const char *compat;    /* "original" or "hf" where they differ; NULL: as the file */
    /* Of products with f32 matrices by AMX, from then on, for all models: "highest", f32; "high",
     * 16 bits; "medium", bf16.  NULL: highest.  Not with int8. */
    const char *precision;
    bool clean_text; /* clean texts as BLIP's training cleaned captions */
    /* How pictures are looked at; NULL: as the model's authors do.  orient: "apply" turns a picture
     * as its EXIF says, "ignore" takes it as stored.  background: what has alpha is laid on
     * "white", "black", "gray" or "#rrggbb"; with "none" alpha is dropped. */
    const char *orient, *background;
    int image_size; /* pixels a side; 0: the model's own.  Position embeddings are interpolated */
    /* BLIP-2's image tower and language model, if its file lacks them; NULL: beside the model */
    const char *vision, *language;
};

/* 0 if vlm_open will take both, which may be NULL; -1 with a sentence. */
int vlm_check_look(const char *orient, const char *background);

/* Sets the number of threads for all models.  Call it once, before anything else.  0: as many as
 * the process may use. */
void vlm_threads(int count);
const char *vlm_error(void); /* the calling thread's last failure; never NULL */
/* Its code: "invalid", "unsupported", "not_found", "truncated", "too_large", "io", ... */
const char *vlm_error_code(void);

/* Opens a folder as Hugging Face or open_clip lay it out, a checkpoint file, or a bare name that is
 * looked for in $VLM_MODELS, $XDG_DATA_HOME/vlm/models and the installation, or ORG/NAME in
 * Hugging Face's cache.  NULL path:
 * $VLM_MODEL, else the built-in model.  Files are mapped; nothing reaches for a network. */
struct vlm *vlm_open(const char *path, const struct vlm_options *options); /* options: or NULL */
void vlm_close(struct vlm *m);                                             /* NULL is nothing */

enum vlm_ability {
    VLM_EMBED_IMAGE = 1,
    VLM_EMBED_TEXT = 2,
    VLM_MATCH = 4,     /* vlm_match */
    VLM_CAPTION = 8,   /* vlm_write */
    VLM_ANSWER = 16,   /* what vlm_write writes answers a question; vlm_rank */
    VLM_FEATURES = 32, /* has an image tower: vlm_image_features */
    VLM_GROUND = 64,   /* vlm_ground */
    VLM_FILL = 128,    /* vlm_fill */
};
unsigned vlm_abilities(const struct vlm *m); /* without a tokenizer, none that reads texts */
/* Those that `compat` of struct vlm_options changes; 0: the model is computed in one way. */
unsigned vlm_compat_abilities(const struct vlm *m);
char *vlm_list_abilities(unsigned set); /* "embed images, caption images"; to free */
/* Matrices that are packed lie in another processor's order: using them packs them anew. */
bool vlm_repacks(const struct vlm *m);
const char *vlm_describe(const struct vlm *m); /* "CLIP ViT-B/32, Hugging Face layout, f32" */
const char *vlm_hardware(void);                /* "avx512, 2 threads" */
int vlm_width(const struct vlm *m);            /* floats in an embedding */
int vlm_image_vectors(const struct vlm *m);    /* embeddings an image has: 1; BLIP-2: 32 */
float vlm_scale(const struct vlm *m); /* a cosine times this is a logit: exp(logit_scale) */
/* SigLIP: true, and the probability of a pair is sigmoid(scale x cosine + bias), whatever the other
 * texts.  Other models: false, and the probabilities are a softmax over all texts. */
bool vlm_uses_sigmoid(const struct vlm *m, float *bias);

/* --- embed.c: images and texts become features and embeddings --- */

/* Encoded bytes (JPEG, PNG, ...) become the pixels that the image tower takes: resized, cropped and
 * normalised, [3, size, size], or of a model that keeps pictures' shapes squares.  max_pixels:
 * larger pictures fail with "too_large"; 0: no limit. pixels: vlm_pixels(m) floats.  Any thread. */
size_t vlm_pixels(const struct vlm *m);
int vlm_read_image(const struct vlm *m, const void *bytes, size_t size, long max_pixels,
                   float *pixels);
bool vlm_is_image(const void *head, size_t size); /* an image by its first bytes; any thread */
/* Most bytes that vlm_read_image takes at once for this image, by its header alone; 0: it will
 * fail. For whoever reads images on many threads within a budget. */
size_t vlm_image_memory(const void *bytes, size_t size, long max_pixels);
/* pixels: [count, vlm_pixels(m)].  out: [count, vlm_image_vectors(m), vlm_width(m)], of unit length
 * if `normalized`.  The similarity of an image that has several vectors and a text is the largest
 * of the cosines. */
int vlm_embed_images(struct vlm *m, const float *pixels, int count, bool normalized, float *out);
/* The image tower's tokens behind its last layer, [count, tokens, width], to free.  *tokens and
 * *width are set. */
float *vlm_image_features(struct vlm *m, const float *pixels, int count, int *tokens, int *width);
void vlm_features_shape(const struct vlm *m, int *tokens, int *width);
/* Features are computed once and serve vlm_embed_features, vlm_match, vlm_ground, vlm_write,
 * vlm_rank and vlm_fill of a model with the same tower. */
int vlm_embed_features(struct vlm *m, const float *features, int images, bool normalized,
                       float *out);
uint64_t vlm_tower_hash(const struct vlm *m); /* of the image tower's numbers and preprocessing */
/* Of the whole model: names, types, shapes and a sample of every tensor's numbers, so that it is
 * soon done; two models of different numbers differ but by chance. */
uint64_t vlm_hash(const struct vlm *m);

/* Token ids of a text of `size` bytes of UTF-8, begun and ended as the model expects.  *ids is to
 * be freed.  *truncated (or NULL): it was cut to the model's limit.  Any thread. */
int vlm_read_text(const struct vlm *m, const char *text, size_t size, int **ids, int *count,
                  bool *truncated);
/* ids: those of all texts, one text after the other; text i has counts[i].  out: [texts,
 * vlm_width(m)], of unit length if `normalized`. */
int vlm_embed_texts(struct vlm *m, const int *ids, const int *counts, int texts, bool normalized,
                    float *out);

/* --- match.c: does this text describe this image? --- */

/* Text i, from vlm_read_text, looks at image image_of[i].  A model that compares pictures takes
 * vlm_images(m) of them as one image, their features one after the other. */
struct vlm_pairs {
    const float *features; /* [images, tokens, width] */
    int images;
    const int *ids, *counts; /* as of vlm_embed_texts */
    const int *image_of;     /* [texts], each below `images` */
    int texts;
};
int vlm_images(const struct vlm *m);                   /* 1; NLVR2: 2 */
int vlm_classes(const struct vlm *m);                  /* 2; visual entailment: 3 */
const char *vlm_class(const struct vlm *m, int which); /* "entailment"; NULL: it has no name */
/* The published retrieval score is the match's logit alone; else the cosine is added to it. */
bool vlm_ranks_by_match(const struct vlm *m);
/* logits: [texts, vlm_classes(m)], the last class is a match; softmax gives probabilities.  itc:
 * [texts], cosines.  Either may be NULL. */
int vlm_match(struct vlm *m, const struct vlm_pairs *pairs, float *logits, float *itc);

/* --- ground.c: where in the image is this text? --- */

/* Grad-CAM on the cross-attention, as ALBEF's authors compute it (arXiv 2107.07651).  map: [side,
 * side] over the image, at least 0, larger where the image speaks more for the match.  words, if
 * not NULL: [count, side, side], the same of each id.  features: of one image. */
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

/* --- write.c: captions and answers --- */

struct vlm_writing {            /* 0: the model's own value, except where said */
    int beams;                  /* 1: greedy, or each sample by itself */
    int sequences;              /* texts an image; 0: 1 */
    bool sample;                /* draw words; of more beams than one, among all that go on */
    double top_p;               /* 1: off */
    int top_k;                  /* 0: off; -1: the model's own */
    double temperature;         /* logits are divided by it */
    int min_length, max_length; /* tokens, the prompt's counted */
    double length_penalty;      /* 0 is a value; NAN: the model's own */
    double repetition_penalty;  /* 1: off */
    bool stop_early;            /* beam search stops at `beams` finished texts */
    const uint64_t *seeds;      /* [images], used when sampling; or NULL */
};
struct vlm_text {
    char *text;     /* to free */
    float logprob;  /* mean log-probability of a token */
    bool truncated; /* the prompt was cut to the model's limit */
};
/* Whether the model can write so: -1, and vlm_error() says what it cannot.  vlm_write checks it
 * too. */
int vlm_check_writing(const struct vlm *m, const struct vlm_writing *how);
/* prompts: [images]; NULL, or a NULL among them: the model's own.  out: [images * sequences], the
 * best text of an image first. */
int vlm_write(struct vlm *m, const float *features, int images, const char *const *prompts,
              const struct vlm_writing *how, struct vlm_text *out);

/* --- rank.c: the best answer of a list --- */

/* As the published VQA results choose it: the `keep` answers whose first token is likeliest are
 * compared by the loss of all their tokens.  Sources: salesforce/ALBEF models/model_vqa.py,
 * salesforce/BLIP models/blip_vqa.py. */
struct vlm_answers; /* a list that was tokenised */
struct vlm_answers *vlm_answers_read(const struct vlm *m, const char *const *list, int count);
void vlm_answers_free(struct vlm_answers *a); /* NULL is nothing */
struct vlm_ranking {
    const struct vlm_answers *answers;
    int keep;      /* of those, by their first token: at most the list's length */
    int sequences; /* that are wanted, at most `keep` */
};
struct vlm_ranked {
    int index;      /* in the list, from 0 */
    float prob;     /* among the `keep` */
    float logprob;  /* mean log-probability of a token */
    bool truncated; /* the question was cut to the model's limit */
};
/* questions: [images].  out: [images * sequences], best first. */
int vlm_rank(struct vlm *m, const float *features, int images, const char *const *questions,
             const struct vlm_ranking *how, struct vlm_ranked *out);

/* --- fill.c: masked words --- */

/* texts[i] is about image i and has [MASK] in place of words.  out: [images * sequences], best
 * first: the text with words filled in, and their mean log-probability.  -1 also if a text has no
 * [MASK], or has one behind the model's limit. */
int vlm_fill(struct vlm *m, const float *features, int images, const char *const *texts,
             int sequences, struct vlm_text *out);

/* --- convert.c: a model's files --- */

struct vlm_conversion {
    const char *type; /* of matrices: "f32", "f16", "bf16", "int8"; NULL: each as it is */
    bool original;    /* write the authors' file; else a folder as Hugging Face lays it out */
    bool once;        /* store tensors with two names once; only this library reads that */
    bool packed;      /* matrices in the order that this processor reads; only for this library */
    /* With int8: bytes that a number is taken for where it is multiplied by such a matrix, 1 to 3;
     * 0: as the model has it, an f32 where it is not int8 yet. */
    int pieces;
    const char *tokenizer;            /* NULL: beside the model */
    const struct vlm_options *opened; /* how the model is opened; or NULL */
};
/* Writes a model, named as in vlm_open, as the file or folder `out`; see vlm-convert(1).  It
 * appears whole or not at all. */
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
/* A line of JSON, to free: what the model is, and the memory that it takes with at most `batch`
 * records at once. */
char *vlm_inform(const char *model, const struct vlm_options *options, int batch);
/* The same, after every byte was read and found in order; NULL where something is wrong. */
char *vlm_verify(const char *model, const struct vlm_options *options);

/* --- dot.c: similarity --- */

/* out: [rows, columns]; out[i, j] = a[i] . b[j] of [rows, width] and [columns, width].  The bytes
 * of a result do not depend on the other rows, on threads or on the processor. */
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
