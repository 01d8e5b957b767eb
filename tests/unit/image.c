/* SPDX-License-Identifier: MIT
 * image.c - pictures of every kind against Pillow; broken ones against their stated codes
 *
 *     image -        for each path of standard input: its mode, width, height, EXIF orientation,
 * and the sums of its RGB pixels with alpha dropped and with alpha laid on white, or the code of
 * its error (compare_pictures.py reads that) image - rgb    and writes the upright pixels, laid on
 * white, into PATH.rgb
 */
#include <math.h>
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/picture.h"
#include "tests/unit/pictures.h"

enum { LIMIT = 178956970 };
static int cases, wrong, skipped;
static const char *const modes[] = { "L", "LA", "RGB", "RGBA", "P", "1", "CMYK", "I16" };

/* Is the library there that reads a file of this name? */
static bool can_read(const char *name)
{
    static const char *const lacking[] = {
#ifndef HAVE_LIBWEBP
        ".webp",
#endif
#ifndef HAVE_LIBTIFF_4
        ".tif",
#endif
#ifndef HAVE_LIBHEIF
        ".heic", ".avif",
#endif
        NULL
    };

    for (int i = 0; lacking[i]; i++)
        if (strstr(name, lacking[i]))
            return false;
    return true;
}

static struct buffer read_golden(const char *name)
{
    struct buffer bytes = { 0 };
    char path[200];

    snprintf(path, sizeof path, "tests/golden/images/%s", name);
    if (file_read(&bytes, path) < 0)
        note("%s", error_text());
    return bytes;
}

static void blame(const char *file, const char *reason)
{
    wrong++;
    note("%s: %s", file, reason);
}

#ifndef HAVE_LIBJPEG
/* stb_image's inverse DCT and upsampling round otherwise than libjpeg's: a mean of 1.5 levels over
 * a picture whose neighbours differ by dozens is rounding, not a mistake. */
static bool near_enough(const struct image *image, const char *name)
{
    char raw[100];
    struct buffer wanted;
    double sum = 0;

    snprintf(raw, sizeof raw, "%.*s.rgb", (int)strcspn(name, "."), name);
    wanted = read_golden(raw);
    for (size_t i = 0; i < wanted.size && i < image_bytes(image); i++)
        sum += abs((unsigned char)wanted.data[i] - image->pixels[i]);
    sum /= (double)(wanted.size ? wanted.size : 1);
    buffer_free(&wanted);
    if (sum > 1.5)
        note("%s: mean difference %.3g", name, sum);
    return sum <= 1.5;
}
#else
static bool near_enough(const struct image *image, const char *name)
{
    (void)image, (void)name;
    return false;
}
#endif

static void check_decode(char **field, int fields)
{
    struct buffer bytes = read_golden(field[0]);
    struct image_info info;
    struct image image;

    if (fields != 5 || !can_read(field[0])) {
        skipped++;
        buffer_free(&bytes);
        return;
    }
    cases++;
    if (image_probe(bytes.data, bytes.size, &info) < 0 ||
        image_decode(bytes.data, bytes.size, LIMIT, &image) < 0) {
        blame(field[0], error_text());
        buffer_free(&bytes);
        return;
    }
    if (info.width != atoi(field[2]) || info.height != atoi(field[3]) ||
        strcmp(modes[info.mode], field[1]))
        blame(field[0], "the header is read otherwise");
    image_to_rgb(&image);
    if (sum_of(image.pixels, image_bytes(&image)) != strtoul(field[4], NULL, 16) &&
        !(strstr(field[0], ".jpg") && near_enough(&image, field[0])))
        blame(field[0], "other pixels than Pillow's");
    image_free(&image);
    buffer_free(&bytes);
}

/* Means of the four quarters within a few levels: converting from YCbCr rounds, and a quarter ends
 * in the middle of a colour sample. */
static void check_near(char **field, int fields)
{
    struct buffer bytes = read_golden(field[0]);
    struct image image = { 0 };
    int width = atoi(field[2]), height = atoi(field[3]);

    if (fields != 8 || !can_read(field[0])) {
        skipped++;
        buffer_free(&bytes);
        return;
    }
    cases++;
    if (image_decode(bytes.data, bytes.size, LIMIT, &image) < 0)
        blame(field[0], error_text());
    else if (image.width != width || image.height != height || strcmp(modes[image.mode], field[1]))
        blame(field[0], "the header is read otherwise");
    else
        image_to_rgb(&image);
    for (int q = 0; image.pixels && q < 4; q++) {
        double sum[3] = { 0 }, want[3] = { 0 };

        sscanf(field[4 + q], "%lf,%lf,%lf", &want[0], &want[1], &want[2]);
        for (int y = 0; y < height / 2; y++)
            for (int x = 0; x < width / 2; x++)
                for (int c = 0; c < 3; c++)
                    sum[c] +=
                        image
                            .pixels[3 * ((y + q / 2 * height / 2) * width + x + q % 2 * width / 2) +
                                    c];
        for (int c = 0; c < 3; c++)
            if (fabs(sum[c] / (width / 2 * (height / 2)) - want[c]) > 8)
                blame(field[0], "other colours than Pillow's");
    }
    image_free(&image);
    buffer_free(&bytes);
}

static void check_broken(char **field, int fields)
{
    struct buffer bytes = { 0 };
    struct image image;
    char path[200];

    if (fields != 2 || !can_read(field[1])) {
        skipped++;
        return;
    }
    cases++;
    snprintf(path, sizeof path, "tests/command/broken/%s", field[1]);
    if (file_read(&bytes, path) < 0) {
        blame(field[1], error_text());
        return;
    }
    error_clear();
    if (image_decode(bytes.data, bytes.size, LIMIT, &image) == 0)
        blame(field[1], "was taken");
    else if (strcmp(error_code(), field[0]))
        blame(field[1], error_code());
    else if (!*error_text())
        blame(field[1], "no message");
    image_free(&image);
    buffer_free(&bytes);
}

static bool is_known_code(const char *code)
{
    static const char *const codes[] = { "empty",   "unknown_format", "unsupported", "truncated",
                                         "corrupt", "too_large",      "zero_sized" };

    for (int i = 0; i < COUNT(codes); i++)
        if (!strcmp(code, codes[i]))
            return true;
    return false;
}

/* Every beginning of a good file, in memory of just that size, is refused or gives the whole
 * picture (where only bytes behind it are missing). */
static void check_cut(char **field, int fields)
{
    struct buffer bytes = read_golden(field[0]);
    struct image whole, part;

    (void)fields;
    /* The last number of a plain PNM is whole wherever it is cut.  What does not decode at all is
     * said in check_decode. */
    if (!strcmp(field[0], "plain.pgm") || !strcmp(field[0], "plain.ppm") ||
        image_decode(bytes.data, bytes.size, LIMIT, &whole) < 0) {
        buffer_free(&bytes);
        return;
    }
    for (size_t size = 0; size < bytes.size; size++) {
        char *copy = xmemdup(bytes.data, size);

        copy = xresize(copy, size, 1);
        error_clear();
        if (image_decode(copy, size, LIMIT, &part) == 0) {
            if (image_bytes(&part) != image_bytes(&whole) ||
                memcmp(part.pixels, whole.pixels, image_bytes(&whole)))
                blame(field[0], "a part was taken for the whole");
        } else if (!is_known_code(error_code())) {
            blame(field[0], error_code());
        }
        image_free(&part);
        free(copy);
    }
    cases++;
    image_free(&whole);
    buffer_free(&bytes);
}

/* Whatever bytes are changed: a picture of the stated size, or a stated code. */
static void check_changed(char **field, int fields)
{
    struct buffer bytes = read_golden(field[0]);
    struct random dice = { hash_bytes(field[0], strlen(field[0]), 1) };

    (void)fields;
    for (int round = 0; round < 60 && bytes.size; round++) {
        char *copy = xmemdup(bytes.data, bytes.size);
        struct image image;

        for (uint64_t i = 0, n = 1 + random_below(&dice, 4); i < n; i++)
            copy[random_below(&dice, bytes.size)] = (char)random_next(&dice);
        error_clear();
        if (image_decode(copy, bytes.size, 1 << 20, &image) == 0) {
            if (!image.pixels || image.width <= 0 || image.height <= 0)
                blame(field[0], "an empty picture");
        } else if (!is_known_code(error_code())) {
            blame(field[0], error_code());
        }
        image_free(&image);
        free(copy);
    }
    cases++;
    buffer_free(&bytes);
}

static void check_limit(void)
{
    struct buffer bytes = read_golden("rgb.png");
    struct image image;

    ok(image_decode(bytes.data, bytes.size, 37 * 23, &image) == 0, "a picture just within a limit");
    image_free(&image);
    ok(image_decode(bytes.data, bytes.size, 37 * 23 - 1, &image) < 0 &&
           !strcmp(error_code(), "too_large"),
       "a picture just over it: %s", error_text());
    is_text(image_format(bytes.data, 12), "png", "the first bytes tell the format");
    is_text(image_format("{\"image\":1}\n", 12), NULL, "a record is no picture");
    buffer_free(&bytes);
}

static void check_animated(void)
{
    static const char *const names[] = { "animated.gif", "animated.webp", "palette.gif" };
    static const bool animated[] = { true, true, false };

    for (int i = 0; i < COUNT(names); i++) {
        struct buffer bytes = read_golden(names[i]);
        struct image_info info = { 0 };

        image_probe(bytes.data, bytes.size, &info);
        ok(info.animated == animated[i], "%s is %sanimated", names[i], animated[i] ? "" : "not ");
        buffer_free(&bytes);
    }
}

static void check_table(void)
{
    static const char *const yes[] = { "jpg", "jpeg", "tif", "tiff", "heic", "avif", "ico", "jxl" };
    static const char *const no[] = { "", "jp", "pg", "jpg jpeg", "json", "txt", "npy", "e" };

    for (int i = 0; i < COUNT(yes); i++)
        ok(picture_ending(yes[i]), "a name with .%s is a picture's", yes[i]);
    for (int i = 0; i < COUNT(no); i++)
        ok(!picture_ending(no[i]), "a name with \".%s\" is no picture's", no[i]);
    ok(picture_of("\xff\x0a", 2) == PICTURE_JXL, "a format is known that is not read");
    ok(picture_of("abcdefg\nWEBP.png\n", 17) == PICTURE_NONE, "a list of names is no picture");
}

static void describe(const char *path, bool keep)
{
    static const unsigned char white[] = { 255, 255, 255 };
    struct buffer bytes = { 0 };
    struct image dropped, laid;

    if (file_read(&bytes, path) < 0 || image_decode(bytes.data, bytes.size, LIMIT, &dropped) < 0) {
        printf("%s\n", error_code());
    } else {
        image_decode(bytes.data, bytes.size, LIMIT, &laid);
        printf("%s %d %d %d", modes[dropped.mode], dropped.width, dropped.height,
               dropped.orientation ? dropped.orientation : 1);
        image_to_rgb(&dropped);
        image_lay_on(&laid, white);
        image_to_rgb(&laid);
        printf(" %08lx %08lx\n", sum_of(dropped.pixels, image_bytes(&dropped)),
               sum_of(laid.pixels, image_bytes(&laid)));
        image_free(&dropped);
        if (keep) {
            char *name = xprintf("%s.rgb", path);

            image_orient(&laid);
            file_write_atomic(name, laid.pixels, image_bytes(&laid));
            free(name);
        }
        image_free(&laid);
    }
    fflush(stdout);
    buffer_free(&bytes);
}

static void describe_all(bool keep)
{
    char path[4096];

    while (fgets(path, sizeof path, stdin)) {
        path[strcspn(path, "\n")] = 0;
        describe(path, keep);
    }
}

static void run(const char *word, void (*check)(char **, int), int least, const char *what)
{
    cases = wrong = skipped = 0;
    each_expectation(word, check);
    ok(cases >= least && wrong == 0, "%d files: %s", cases, what);
    if (skipped)
        ok(true, "%s # SKIP %d files of formats that this build does not read", what, skipped);
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "-")) {
        describe_all(argc > 2);
        return 0;
    }
    run("decode", check_decode, 50, "decoded as by Pillow");
    run("near", check_near, can_read(".heic") ? 4 : 0, "about the colours of pillow-heif");
    run("broken", check_broken, 50, "refused for the right reason");
    run("near", check_cut, can_read(".heic") ? 4 : 0, "cut anywhere");
    run("near", check_changed, can_read(".heic") ? 4 : 0, "changed anywhere");
    run("decode", check_cut, 50, "cut anywhere");
    run("decode", check_changed, 50, "changed anywhere");
    check_limit();
    check_animated();
    check_table();
    return done();
}
