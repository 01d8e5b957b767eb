/* SPDX-License-Identifier: MIT
 * page.h - records as one page to look at in a browser
 *
 *     struct page *p = page_open(&options);      NULL after fail()
 *
 *     page_add(p, records, count, false);        as often as there are batches
 *     page_write(p, "review.html", write, file);
 *     page_free(p);
 *
 * Pictures are made small while records pass and wait, with what the page shows of each record, in
 * a temporary file; memory holds some hundred bytes a record, or with `sample` a record of the
 * sample.
 */
#ifndef PAGE_PAGE_H
#define PAGE_PAGE_H

#include "stream/stream.h"

struct page_options {
    const struct fields *fields;
    const char *title, *score; /* score: the field whose threshold is shown first, and of strata */
    long max_pixels, side;     /* of pictures as they come; of the small ones, 16 to 512 */
    size_t memory;             /* bytes of pictures that are decoded at once */
    long sample;               /* records shown; 0: all */
    uint64_t seed;             /* of the sample */
    long inline_bytes;         /* of small pictures inside the page; more go to sprite sheets */
};
struct page;

/* collect.c */
struct page *page_open(const struct page_options *o);
/* Records, failed ones too; `dropped`: of the file of dropped ones.  They stay the caller's.  -1
 * after fail(): a full disk, not a bad picture. */
int page_add(struct page *p, struct record *const list[], int count, bool dropped);
void page_free(struct page *p); /* NULL is nothing */

/* write.c - the page in pieces to `put`.  path: the page's file, beside which sprite sheets are
 * put; NULL: there is none, and pictures that need sheets are refused.  -1 after fail(). */
int page_write(struct page *p, const char *path, int (*put)(void *self, const void *data, size_t n),
               void *self);

#endif
