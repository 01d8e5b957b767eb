/* SPDX-License-Identifier: MIT
 * preprocess.c - how images are prepared
 *
 * The traditions differ where it is easily overlooked: OpenAI and open_clip resize in the image's
 * own mode and round the crop to even, Hugging Face converts to RGB first and rounds down.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/file.h"
#include "base/number.h"
#include "checkpoint/config.h"
#include "checkpoint/model.h"

static const float clip_mean[3] = { 0.48145466f, 0.4578275f, 0.40821073f };
static const float clip_std[3] = { 0.26862954f, 0.26130258f, 0.27577711f };

/* openai/CLIP clip/clip.py, _transform: the short side to size, then the middle; CLIP's own mean
 * and deviation. */
void preprocess_clip(struct preprocess *p, int size)
{
    *p = (struct preprocess){
        .resize = size,
        .width = size,
        .height = size,
        .geometry = GEOMETRY_SHORTEST,
        .rounding = CROP_HALF_EVEN,
        .filter = FILTER_BICUBIC,
        .center_crop = true,
        .scale = 1 / 255.0,
    };
    memcpy(p->mean, clip_mean, sizeof clip_mean);
    memcpy(p->std, clip_std, sizeof clip_std);
}

/* salesforce/BLIP transform in demo.ipynb: both sides to size, whatever the picture's shape. */
void preprocess_squash(struct preprocess *p, int size)
{
    preprocess_clip(p, size);
    p->geometry = GEOMETRY_SQUASH;
    p->center_crop = false;
    p->convert_first = true;
}

/* huggingface/transformers models/siglip2/image_processing_siglip2.py: a picture keeps its shape.
 */
void preprocess_shapes(struct preprocess *p, int patch)
{
    preprocess_clip(p, 0);
    p->geometry = GEOMETRY_PATCHES;
    p->filter = FILTER_BILINEAR;
    p->center_crop = false;
    p->convert_first = true;
    p->patch = patch;
    p->most = 256;
}

static void read_three(struct reader *r, const char *name, float out[3])
{
    const cJSON *list = r->object ? json_get(r->object, name) : NULL;

    if (!list || cJSON_IsNull(list))
        return;
    for (int i = 0; i < 3; i++) {
        const cJSON *item = cJSON_GetArrayItem(list, i);

        if (!cJSON_IsNumber(item) || cJSON_GetArraySize(list) != 3) {
            read_refuse(r, name, NULL); /* it is no flag and no number: marks the reader */
            r->bad = true;
            return;
        }
        out[i] = (float)item->valuedouble;
    }
}

/* A number, or {"shortest_edge": n}, or {"height": n, "width": n}; *squash becomes true for the
 * last, false for the second, and stays for a number.  Others, such as a longest side, are refused.
 */
static long read_size(struct reader *r, const char *name, long otherwise, bool *squash)
{
    const cJSON *item = r->object ? json_get(r->object, name) : NULL;
    struct reader inner = { item, name, false };
    long height, width, shortest;

    if (!cJSON_IsObject(item))
        return read_whole(r, name, otherwise);
    height = read_whole(&inner, "height", 0);
    width = read_whole(&inner, "width", 0);
    shortest = read_whole(&inner, "shortest_edge", 0);
    read_refuse(&inner, "longest_edge", NULL);
    read_refuse(&inner, "max_height", NULL);
    read_refuse(&inner, "max_width", NULL);
    *squash = !shortest;
    if (!shortest && height != width && !inner.bad)
        fail_as("unsupported", "%s: %s is not a square", r->where, name);
    else if (!shortest && !height && !inner.bad)
        fail("%s: %s says neither height and width nor shortest_edge", r->where, name);
    if (inner.bad && !r->bad)
        fail_in(r->where);
    r->bad |= inner.bad || (!shortest && (!height || height != width));
    return shortest ? shortest : height;
}

/* Pillow's numbers: 0 nearest, 1 Lanczos, 2 bilinear, 3 bicubic. */
static enum resampling filter_of(struct reader *r, long resample)
{
    static const enum resampling filters[] = { FILTER_NEAREST, FILTER_LANCZOS, FILTER_BILINEAR,
                                               FILTER_BICUBIC };

    if (resample < COUNT(filters))
        return filters[resample];
    if (!r->bad)
        fail("%s: resample %ld is not known", r->where, resample);
    r->bad = true;
    return FILTER_BICUBIC;
}

/* A model of one size takes images of that size: anything else would be refused by its tower later,
 * with a worse sentence. */
static int finish(struct preprocess *p, struct reader *r, int size)
{
    if (r->bad)
        return -1;
    for (int i = 0; i < 3; i++)
        if (!(p->std[i] > 0))
            return fail("%s: a standard deviation is not positive", r->where);
    if (p->width != size)
        return fail("%s: images of %d pixels for a model of %d", r->where, p->width, size);
    return 0;
}

/* transformers: image_utils.load_image turns pictures as EXIF says; image_transforms.convert_to_rgb
 * of release 5.24 lays what is transparent on white.  The authors' own programs do neither. */
static void look_as_hf(struct preprocess *p)
{
    p->orient = true;
    p->lay_on = p->convert_first;
    memset(p->ground, 255, sizeof p->ground);
}

/* transformers' processors that do what is known here, and what each does unless the file says
 * otherwise.  Source: huggingface/transformers models/NAME/image_processing_pil_NAME.py, 5.24. */
static const struct processor {
    const char *name; /* before "ImageProcessor" */
    int size;
    bool squash, square; /* a size that is not said, or is a single number, is for both sides */
    bool crop, halves;   /* halves: mean and deviation are 0.5, not CLIP's */
    bool convert;
    long filter;
    bool shapes; /* pictures keep theirs */
} processors[] = {
    { "CLIP", 224, false, false, true, false, true, 3, false },
    { "ChineseCLIP", 224, false, false, true, false, true, 3, false },
    { "Bit", 224, false, false, true, false, true, 3, false },
    { "Blip", 384, true, true, false, false, true, 3, false },
    { "Siglip", 224, true, false, false, true, true, 3, false },
    { "Siglip2", 0, false, false, false, true, true, 2, true },
    { "ViT", 224, true, true, false, true, false, 2, false },
};

/* "CLIPImageProcessorFast", "CLIPFeatureExtractor" of older releases; NULL after fail(). */
static const struct processor *find_processor(struct reader *r, const char *usual)
{
    const char *word = read_word(r, "feature_extractor_type", usual);

    word = read_word(r, "image_processor_type", word);
    for (int i = 0; i < COUNT(processors); i++) {
        const char *rest = word + strlen(processors[i].name);

        if (strncmp(word, processors[i].name, strlen(processors[i].name)))
            continue;
        if (!strcmp(rest, "ImageProcessor") || !strcmp(rest, "ImageProcessorFast") ||
            !strcmp(rest, "FeatureExtractor"))
            return &processors[i];
    }
    if (!r->bad)
        fail_as("unsupported", "%s: image_processor_type \"%s\" is not known here", r->where, word);
    r->bad = true;
    return NULL;
}

void preprocess_as_stored(struct preprocess *p)
{
    p->orient = p->lay_on = false;
}

static void read_normalisation(struct reader *r, struct preprocess *p)
{
    p->scale = read_flag(r, "do_rescale", true) ? read_real(r, "rescale_factor", 1 / 255.0) : 1;
    if (read_flag(r, "do_normalize", true)) {
        read_three(r, "image_mean", p->mean);
        read_three(r, "image_std", p->std);
        return;
    }
    for (int i = 0; i < 3; i++) {
        p->mean[i] = 0;
        p->std[i] = 1;
    }
}

/* Pictures that are padded would have to be padded to the size that they have. */
static void read_padding(struct reader *r, const struct preprocess *p)
{
    bool ignored;

    if (read_flag(r, "do_pad", false) && read_size(r, "pad_size", p->width, &ignored) != p->width &&
        !r->bad) {
        fail_as("unsupported", "%s: pictures are padded", r->where);
        r->bad = true;
    }
}

static int read_shapes(struct preprocess *p, struct reader *r, long filter)
{
    enum { SIDE = 1 << 10, MOST = 1 << 14, PIXELS = 1 << 24 };

    p->patch = (int)read_whole(r, "patch_size", 16);
    p->most = (int)read_whole(r, "max_num_patches", 256);
    p->filter = filter_of(r, read_whole(r, "resample", filter));
    read_normalisation(r, p);
    if (!r->bad && !read_flag(r, "do_resize", true))
        return fail_as("unsupported", "%s: do_resize false is not known here", r->where);
    if (!r->bad && (p->patch < 1 || p->patch > SIDE || p->most < 1 || p->most > MOST ||
                    (long)p->most * p->patch * p->patch > PIXELS))
        return fail("%s: %d squares of %d pixels are not possible", r->where, p->most, p->patch);
    return finish(p, r, p->width);
}

/* Missing fields have the defaults of the processor's class.  do_resize false means that pictures
 * come in the right size. */
int preprocess_hf(struct preprocess *p, const struct preprocess_source *from, int size)
{
    struct reader r = { from->root, from->where ? from->where : "preprocessor_config.json", false };
    const struct processor *usual =
        find_processor(&r, from->processor ? from->processor : "CLIPImageProcessor");
    bool squash, ignored;

    if (!usual)
        return -1;
    if (usual->shapes)
        preprocess_shapes(p, 0);
    else
        preprocess_clip(p, size);
    for (int i = 0; usual->halves && i < 3; i++)
        p->mean[i] = p->std[i] = 0.5f;
    p->rounding = CROP_FLOOR;
    p->convert_first = read_flag(&r, "do_convert_rgb", usual->convert);
    look_as_hf(p);
    if (usual->shapes)
        return read_shapes(p, &r, usual->filter);
    squash =
        from->root && cJSON_IsNumber(json_get(from->root, "size")) ? usual->square : usual->squash;
    p->resize = (int)read_size(&r, "size", from->root ? usual->size : size, &squash);
    p->geometry = squash ? GEOMETRY_SQUASH : GEOMETRY_SHORTEST;
    p->filter = filter_of(&r, read_whole(&r, "resample", usual->filter));
    p->center_crop = read_flag(&r, "do_center_crop", usual->crop);
    p->width = p->resize;
    if (p->center_crop)
        p->width = (int)read_size(&r, "crop_size", from->root ? usual->size : size, &ignored);
    p->height = p->width;
    read_padding(&r, p);
    if (!read_flag(&r, "do_resize", true))
        p->resize = 0;
    read_normalisation(&r, p);
    if (!p->center_crop && (!p->resize || !squash) && !r.bad)
        return fail_as("unsupported", "%s: images would keep different shapes", r.where);
    return finish(p, &r, size);
}

/* open_clip src/open_clip/transform.py, image_transform; squash, shortest and longest are its
 * names. */
int preprocess_open_clip(struct preprocess *p, const cJSON *root, int size)
{
    struct reader r = { root, "preprocess_cfg", false };
    const char *mode, *filter;

    preprocess_clip(p, size);
    read_three(&r, "mean", p->mean);
    read_three(&r, "std", p->std);
    read_refuse(&r, "mode", "RGB");
    filter = read_word(&r, "interpolation", "bicubic");
    p->filter = !strcmp(filter, "bilinear") ? FILTER_BILINEAR : FILTER_BICUBIC;
    mode = read_word(&r, "resize_mode", "shortest");
    p->fill = (int)read_whole(&r, "fill_color", 0);
    if (!strcmp(mode, "squash") || !strcmp(mode, "longest")) {
        p->geometry = *mode == 's' ? GEOMETRY_SQUASH : GEOMETRY_LONGEST;
        p->center_crop = *mode == 'l';
    } else if (strcmp(mode, "shortest") && !r.bad) {
        return fail("%s: resize_mode \"%s\" is not known", r.where, mode);
    }
    return finish(p, &r, size);
}

static bool read_colour(const char *text, unsigned char colour[3])
{
    static const struct {
        const char *name;
        int grey;
    } names[] = { { "white", 255 }, { "black", 0 }, { "gray", 128 }, { "grey", 128 } };
    unsigned c[3];
    int end = 0;

    for (int i = 0; i < COUNT(names); i++)
        if (!strcmp(text, names[i].name)) {
            memset(colour, names[i].grey, 3);
            return true;
        }
    if (strspn(text + (*text == '#'), "0123456789abcdefABCDEF") != 6 ||
        sscanf(text, "#%2x%2x%2x%n", &c[0], &c[1], &c[2], &end) != 3 || text[end])
        return false;
    for (int i = 0; i < 3; i++)
        colour[i] = (unsigned char)c[i];
    return true;
}

int preprocess_choose(struct preprocess *p, const char *orient, const char *background)
{
    if (orient && strcmp(orient, "apply") && strcmp(orient, "ignore"))
        return fail("must be apply or ignore");
    if (orient)
        p->orient = !strcmp(orient, "apply");
    if (!background)
        return 0;
    p->lay_on = strcmp(background, "none");
    if (p->lay_on && !read_colour(background, p->ground))
        return fail("must be white, black, gray, #rrggbb or none");
    return 0;
}

/* {"height": n, "width": n}, or {"shortest_edge": n} */
static void set_side(cJSON *o, const char *name, int n, bool square)
{
    o = config_object(o, name);
    config_whole(o, square ? "height" : "shortest_edge", n);
    if (square)
        config_whole(o, "width", n);
}

/* Every field is written, so that no reader's defaults matter. */
cJSON *preprocess_config(const struct preprocess *p, const char *processor)
{
    static const int codes[] = {
        [FILTER_NEAREST] = 0, [FILTER_LANCZOS] = 1, [FILTER_BILINEAR] = 2, [FILTER_BICUBIC] = 3
    };
    bool squash = p->geometry == GEOMETRY_SQUASH;
    cJSON *o;

    if (p->geometry == GEOMETRY_LONGEST) {
        fail_as("unsupported", "preprocessor_config.json cannot say that whole images are fitted "
                               "into a square");
        return NULL;
    }
    o = xcheck(cJSON_CreateObject());
    config_word(o, "image_processor_type", processor);
    if (p->geometry == GEOMETRY_PATCHES) {
        config_flag(o, "do_resize", true);
        config_whole(o, "patch_size", p->patch);
        config_whole(o, "max_num_patches", p->most);
    } else {
        config_flag(o, "do_resize", p->resize > 0);
        set_side(o, "size", p->resize ? p->resize : p->width, squash);
        config_flag(o, "do_center_crop", p->center_crop);
        if (p->center_crop)
            set_side(o, "crop_size", p->width, true);
    }
    config_whole(o, "resample", codes[p->filter]);
    config_flag(o, "do_rescale", true);
    config_put(o, "rescale_factor", cJSON_CreateNumber(p->scale));
    config_flag(o, "do_normalize", true);
    config_reals(o, "image_mean", p->mean, 3);
    config_reals(o, "image_std", p->std, 3);
    config_flag(o, "do_convert_rgb", true);
    return o;
}

/* What lies beside the model: transformers 5 keeps it in processor_config.json, older releases in a
 * file of its own.  NULL: neither; *status is -1 after fail(). */
static cJSON *read_beside(const struct model *m, const char **where, int *status)
{
    static const char *const names[] = { "processor_config.json", "preprocessor_config.json" };
    cJSON *found = NULL;

    *status = 0;
    for (int i = 0; i < COUNT(names) && !found && !*status; i++) {
        char *path = path_join(m->folder, names[i]);
        cJSON *root = path_exists(path) ? json_read(path) : NULL;

        *status = path_exists(path) && !root ? -1 : 0;
        *where = names[i];
        found =
            i || !root ? root : cJSON_DetachItemFromObjectCaseSensitive(root, "image_processor");
        if (found != root)
            cJSON_Delete(root);
        free(path);
    }
    return found;
}

int preprocess_model(struct model *m, bool hf, int size)
{
    struct preprocess *p = &m->image.preprocess;
    int status = 0;
    struct preprocess_source from = { .processor = m->family->image_processor };
    cJSON *root = hf ? read_beside(m, &from.where, &status) : NULL;

    if (hf)
        look_as_hf(p);
    from.root = root;
    if (root)
        status = preprocess_hf(p, &from, size);
    cJSON_Delete(root);
    if (status || m->image.size == size || p->resize == 0)
        return status;
    if (p->resize != p->width)
        return fail_as("unsupported", "the model's pictures are cropped: their size cannot change");
    p->resize = p->width = p->height = m->image.size;
    return 0;
}
