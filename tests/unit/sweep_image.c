/* SPDX-License-Identifier: MIT
 * sweep_image.c - damaged pictures of every format: pixels, or a code and a sentence
 */
#include <dirent.h>
#include "image/image.h"
#include "tests/unit/sweep.h"

#define FOLDER "tests/golden/images/"

#ifdef __SANITIZE_ADDRESS__
/* libdav1d 1.0.0 keeps 40 bytes of some AVIF files whose data it refuses; nothing of ours is on the
 * stack of these. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libdav1d\n";
}
#endif

static long wrong; /* pictures without pixels, refusals without a code */

static bool read_picture(const void *data, size_t size)
{
    struct image_info info;
    struct image image = { 0 };

    if (image_probe(data, size, &info) == 0 && (info.width <= 0 || info.height <= 0))
        wrong++;
    error_clear();
    if (image_decode(data, size, 1 << 16, &image) < 0) {
        wrong += !*error_code();
        return false;
    }
    wrong += image.width <= 0 || image.height <= 0 || !image.pixels;
    image_to_rgb(&image);
    image_free(&image);
    return true;
}

int main(void)
{
    struct dirent **list;
    int count = scandir(FOLDER, &list, NULL, alphasort);

    for (int i = 0; i < count; i++) {
        struct sweep s = { .read = read_picture };
        struct buffer b = { 0 };
        char *path = xprintf("%s%s", FOLDER, list[i]->d_name);

        if (list[i]->d_name[0] != '.' && !strstr(list[i]->d_name, ".rgb") &&
            file_read(&b, path) == 0) {
            sweep_bytes(&s, b.data, b.size, 160, BYTES("\0\1\x08\x20\x7f\xff"));
            sweep_end(&s, list[i]->d_name);
            ok(!wrong, "... with a code, or with pixels");
            wrong = 0;
        }
        buffer_free(&b);
        free(path);
        free(list[i]);
    }
    free(list);
    return done();
}
