/* SPDX-License-Identifier: MIT
 * model.h - an opened checkpoint: its family, its parameters, how its inputs are prepared
 *
 * A family is a row of family/registry.c: it says whether it knows a checkpoint and opens it; what
 * vlm.h promises is then one of its functions.  Opening maps files and reads headers; weights are
 * read when a tower is used first.
 */
#ifndef CHECKPOINT_MODEL_H
#define CHECKPOINT_MODEL_H

#include "base/memory.h"
#include "base/json.h"
#include "image/image.h"
#include "text/text.h"
#include "decode/decode.h"
#include "checkpoint/layout.h"
#include "vlm.h"

struct model;
struct bert;
struct spans;
struct learner;
struct original;
/* Texts that look at images. */
struct image_texts {
    const int *ids, *counts; /* ids: of all texts, one after the other; text i has counts[i] */
    const int *image_of;     /* [count]: text i looks at that image; NULL: at image i */
    int count;
};
struct family {
    const char *name;
    const char *image_processor, *processor; /* transformers' classes, for a saved folder */
    bool (*knows)(const struct model *m);
    /* The file says everything by itself: nothing beside it is read.  May be NULL. */
    bool (*alone)(const struct weights *w);
    int (*open)(struct model *m); /* 0, or -1 after fail(); close() is called in any case */
    void (*close)(struct model *m);
    /* Any may be NULL: the family cannot.  pixels: of model_pixels(). */
    struct tensor *(*features)(struct tape *t, struct model *m,
                               struct tensor *pixels); /* [n, feature_tokens, feature_width] */
    /* Embeddings short of all features, [n * image_vectors, e]; NULL: image_of the features. */
    struct tensor *(*image)(struct tape *t, struct model *m, struct tensor *pixels);
    struct tensor *(*image_of)(struct tape *t, struct model *m, struct tensor *features);
    struct tensor *(*text)(struct tape *t, struct model *m, const int *ids, const int *counts,
                           int texts); /* [texts, e] */
    /* ITM logits [texts, 2], or [texts, classes]; features: [n images, feature_tokens,
     * feature_width].  Of a model that compares two pictures, image_of counts pairs of them. */
    struct tensor *(*match)(struct tape *t, struct model *m, struct tensor *features,
                            const struct image_texts *texts);
    /* One prompt, or question, an image; out: [n * sequences].  -1 after fail(). */
    int (*write)(struct tape *t, struct model *m, struct tensor *features,
                 const struct prompt *prompts, const struct decoding *d, struct hypothesis *out);
    /* Questions, one an image, as the decoder that answers looks at them: the decoder, and one
     * sequence of states a question. */
    struct bert *(*questions)(struct tape *t, struct model *m, struct tensor *features,
                              const struct prompt *prompts, struct tensor **states,
                              const struct spans **spans);
    /* What hidden words may be: logits [count, vocabulary] of rows `at`, counted over all texts. */
    struct tensor *(*predict)(struct tape *t, struct model *m, struct tensor *features,
                              const struct image_texts *texts, const int *at, int count);
    /* Where in an image a text is: what each id looks at, as far as it speaks for a match,
     * [count, feature_tokens]; features: of one image. */
    float *(*ground)(struct tape *t, struct model *m, struct tensor *features, const int *ids,
                     int count);
    const struct learner *learn; /* learn.h */
    /* What config.json says of it, and the layout in which its tensors are saved; to delete.  `t`:
     * its tokenizer, or NULL.  NULL after fail(). */
    cJSON *(*config)(const struct model *m, const struct tokenizer *t,
                     const struct layout **layout);
    /* How the files are called; NULL: config.json, beside which images have a file of their own,
     * and model.safetensors. */
    const char *config_name, *weights_name;
    /* What processor_config.json says besides the class; NULL: there is no such file. */
    void (*processor_config)(const struct model *m, cJSON *o);
    /* How the authors' own code wants the file; -1 after fail() where it could not be that model.
     */
    int (*original)(const struct model *m, struct original *o);
};

/* A kind of tokenizer: how its files are opened, and how they are written beside a saved model.
 * Those that are known are in tokenizer.c; a family's open() chooses one. */
struct tokenizer_kind {
    const char *files; /* that belong beside a model, for messages */
    struct tokenizer *(*open)(const struct model *m, const char *path); /* NULL after fail() */
    /* Settings for tokenizer_config.json where the source is a plain vocabulary; NULL: none. */
    void (*configure)(cJSON *settings, const struct tokenizer *t);
    int longest; /* "model_max_length" there; 0: the model's context */
    /* The vocabulary that is installed with these programs, for models that have one of these
     * numbers of ids; 0 last. */
    const char *installed;
    int installed_ids[4];
    bool one_json;       /* a single .json file is copied as tokenizer.json */
    bool needs_settings; /* beside copied files too: transformers cannot guess the class */
};
extern const struct tokenizer_kind tokenizer_kind_clip, tokenizer_kind_bert, tokenizer_kind_opt,
    tokenizer_kind_t5, tokenizer_kind_siglip, tokenizer_kind_xlm, tokenizer_kind_roberta,
    tokenizer_kind_nllb;

enum { ALSO = 2 };  /* files of towers beside the checkpoint's: image, language */
struct image_side { /* how pictures come in; all 0 without an image tower */
    int size;       /* pixels a side */
    int tokens;     /* of a picture's features: [tokens, width] */
    long width;
    long room;    /* numbers that a pass keeps of a picture at most; 0: a vision transformer's */
    bool folded;  /* convolutions are packed in f32, with what norms them */
    int per_text; /* pictures that a text looks at: 1, or 2 for NLVR2 */
    struct preprocess preprocess;
};
struct embedding {
    int width;     /* floats of a vector */
    int per_image; /* vectors an image has: 1; BLIP-2: one a query */
    float scale;   /* cosine to logit */
    float bias;    /* added to that, with sigmoid */
    bool sigmoid;  /* a pair's probability is the logit's sigmoid, whatever the other texts */
};
struct text_side { /* how texts come in */
    const struct tokenizer_kind *kind;
    enum text_clean clean;
    int context;    /* ids that a text may have */
    int vocabulary; /* ids are below it */
    bool no_end;    /* a text has no [SEP] */
    /* how training cleaned captions (--clean-text), and after how many words it cut them */
    enum caption_style caption_style;
    int caption_words;
};
struct writing {             /* how texts are written */
    struct decoding rules;   /* unless the user says otherwise */
    double sampling_penalty; /* repetition penalty when sampling */
    int sampling_beams;      /* whose continuations a sample is drawn from; 0: 1 */
    const char *prompt;      /* that captions begin with; it is cut off */
    bool answers;            /* a prompt is a question, and what is written its answer */
    bool prompt_apart;       /* a prompt is read whole, and what is written begins anew */
    const char *end_word;    /* the vocabulary's entry that ends a text, where no file says */
    int begin;               /* first id of what is written */
    int positions;           /* ids a text may have in all; 0: no limit */
};
struct matching {
    int classes; /* that a pair may have; 0: it matches or does not */
    const char *const *class_names;
    int begin;           /* first id of a text that looks at an image; -1: as tokenised */
    bool map_frame;      /* a whole text's map counts [CLS] and [SEP] too */
    bool without_cosine; /* the published retrieval score is the logit alone */
};
struct answering {    /* how answers of a list are ranked by their loss */
    float smoothing;  /* of its labels */
    bool first_twice; /* the first token counts twice */
};
struct model_wanted {   /* what the caller asked for when it was opened; NULL and 0: nothing */
    const char *compat; /* "original", "hf" */
    int image_size;     /* pixels a side */
    const char *orient, *background; /* only while it is opened, as are the next */
    const char *vision, *language;   /* BLIP-2's towers; until their files are read */
};
struct model {
    const struct family *family;
    void *self;              /* struct clip, struct blip, .. */
    char *path, *folder;     /* what was opened; where the files beside it are */
    cJSON *config;           /* config.json, or NULL */
    cJSON *open_clip;        /* open_clip_config.json, or NULL */
    struct weights *weights; /* NULL: a new model, or a momentum encoder */
    const struct layout *layout;
    struct source also[ALSO]; /* of towers that the checkpoint leaves out */
    int also_count;
    char *tokenizer_folder; /* where that is not `folder`; or NULL */
    struct model_wanted wanted;
    uint64_t seed; /* of a new model's numbers */
    struct params params;
    struct arena memory; /* the tensors' headers, and copies where the mapping does not do */
    /* set by the family's open() */
    unsigned abilities; /* the tokenizer left aside */
    unsigned compat;    /* .. that --compat changes; 0: there is one way */
    char *about;        /* "CLIP ViT-B/32, Hugging Face layout, f32" */
    struct image_side image;
    struct embedding embedding;
    struct text_side reading;
    struct writing writing;
    struct matching matching;
    struct answering answering;
};

/* model.c - NULL options: none.  model_new() reads no file. */
struct model *model_new(const char *path, const struct vlm_options *options);
int model_read_configs(struct model *m);     /* what lies beside the checkpoint */
int model_read_description(struct model *m); /* config.json alone, of a new model */
void model_free(struct model *m);            /* NULL is nothing */
/* Whether one with a config.json computes in the originals' way: --compat, else "vlm_compat". */
bool model_is_original(const struct model *m);
/* Prepared pictures as towers take them, not copied: [count, 3, size, size], or of those that keep
 * their shape [count, preprocess_numbers()]. */
struct tensor *model_pixels(struct tape *t, const struct model *m, const float *pixels, int count);

/* folder.c - a folder as one thing.  Where in it the model is: sentence-transformers' first module,
 * a snapshot of Hugging Face's cache, a trainer's last checkpoint; else the path itself.  To free;
 * NULL after fail(). */
char *model_resolve(const char *path);
/* The weights and the configuration that belong together; `alone`: a file that says everything by
 * itself.  -1 after fail(). */
int model_read_files(struct model *m, bool (*alone)(const struct weights *w));

/* adapter.c - a folder that holds a LoRA adapter alone; where its base model is, to free, NULL
 * after fail(); and the adapter added to the weights of that model, which is open.  -1 after
 * fail(). */
bool adapter_is(const char *folder);
char *adapter_base(const char *folder);
int adapter_merge(struct model *m, const char *folder);

/* find.c - where a model lies; to free, NULL after fail().  ORG/NAME that is no path is looked for
 * in Hugging Face's cache ($HF_HUB_CACHE, $HF_HOME/hub, ~/.cache/huggingface/hub).  A name without
 * a slash that is no file is looked for in $VLM_MODELS, $XDG_DATA_HOME/vlm/models (~/.local/share)
 * and the installation's share/vlm/models.  NULL: $VLM_MODEL, else "default" there. */
char *model_find(const char *name);
char *model_vocabulary(const char *name); /* one that is installed; to free; NULL: it is not */

/* tokenizer.c - the tokenizer that belongs to a model: found, opened, saved */
/* Beside the model, else the installed vocabulary of its family that has as many entries; to free;
 * NULL: neither. */
char *model_tokenizer_path(const struct model *m);
/* From a file or folder; NULL after fail(), also if it knows more ids than the model. */
struct tokenizer *model_tokenizer(const struct model *m, const char *path);
/* tokenizer_settings.c - what a folder of Hugging Face's says beside the vocabulary: the ids that a
 * text may have; special tokens and the like, followed by t or refused, -1 after fail() */
int model_context(const struct model *m, const char *path);
int tokenizer_follow(const struct model *m, struct tokenizer *t, const char *path);
/* Into a folder: t, which was read from `from`.  -1 after fail(). */
int model_save_tokenizer(const struct model *m, const struct tokenizer *t, const char *from,
                         const char *folder);
int tokenizer_extra_ids(const struct tokenizer *t); /* that transformers' T5Tokenizer has */
/* Every text has 1 to `most` ids (0: the model's context) below the vocabulary; -1 after fail(). */
int model_check_ids(const struct model *m, const int *ids, const int *counts, int texts, int most);

/* hash.c - of the vision tower's numbers and of the preparation of images */
uint64_t model_hash_sampled(const struct model *m);
uint64_t model_tower_hash(const struct model *m);

#endif
