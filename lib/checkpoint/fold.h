/* SPDX-License-Identifier: MIT
 * fold.h - outliers moved from a layer norm's output into the matrices behind it, for int8
 */
#ifndef CHECKPOINT_FOLD_H
#define CHECKPOINT_FOLD_H

#include "checkpoint/model.h"

/* The norm's gain and shift are divided by the factors, the columns of the matrices multiplied. */
struct fold {
    const struct param *gain, *shift; /* shift may be NULL */
    const struct param *matrix[PACK_PARTS];
    int matrices;
    long width;
    float *factor; /* [width], powers of two: what is folded is exactly what it was */
    int channels;  /* whose factor is not 1 */
};
struct folds {
    struct fold *list;
    int count;
};
/* What is worth folding in a model whose matrices become bytes; of matrices that are already: none.
 */
void folds_find(struct folds *f, const struct model *m);
void folds_free(struct folds *f);
/* By what the columns of a matrix are multiplied, and a vector divided; NULL: nothing. */
const float *folds_of_matrix(const struct folds *f, const struct param *p);
const float *folds_of_vector(const struct folds *f, const struct param *p);

#endif
