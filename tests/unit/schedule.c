/* SPDX-License-Identifier: MIT
 * schedule.c - learning rates against values of the originals' formulas, computed in Python's
 * double
 *
 * Ours are doubles too: 1e-12 relative is thousands of their roundings.
 */
#include "train/train.h"
#include "tests/unit/tap.h"

static void is_rate(const struct schedule *s, long step, double wanted, const char *name)
{
    double got = schedule_rate(s, step);

    if (!ok(got > wanted * (1 - 1e-12) && got < wanted * (1 + 1e-12), "%s", name))
        note("step %ld: %.17g, expected %.17g", step, got, wanted);
}

static void test_schedules(void)
{
    const struct schedule cosine = {
        .kind = SCHEDULE_COSINE, .rate = 5e-4, .warmup = 4, .steps = 20, .per_epoch = 5
    };
    const struct schedule epoch = {
        .kind = SCHEDULE_EPOCH, .rate = 1e-5, .least = 1e-6, .steps = 20, .per_epoch = 5
    };
    const struct schedule decay = { .kind = SCHEDULE_DECAY,
                                    .rate = 3e-4,
                                    .least = 1e-6,
                                    .warmup_rate = 1e-6,
                                    .decay = 0.9,
                                    .warmup = 3,
                                    .steps = 300,
                                    .per_epoch = 5 };
    struct schedule constant = decay;

    is_rate(&cosine, 0, 0.000125, "open_clip: the first step of the warm-up");
    is_rate(&cosine, 3, 0.0005, "its last");
    is_rate(&cosine, 4, 0.0005, "the first behind it");
    is_rate(&cosine, 12, 0.00025, "half way down");
    is_rate(&cosine, 19, 4.803679899192392e-06, "the last step");
    is_rate(&epoch, 4, 1e-05, "BLIP, tuning: epoch 0");
    is_rate(&epoch, 5, 8.681980515339465e-06, "epoch 1");
    is_rate(&epoch, 19, 2.3180194846605365e-06, "the last epoch");
    is_rate(&decay, 0, 1e-06, "BLIP, pre-training: the warm-up's start");
    is_rate(&decay, 1, 0.00010066666666666667, "a third of it");
    is_rate(&decay, 4, 0.0003, "behind it");
    is_rate(&decay, 10, 0.000243, "epoch 2");
    is_rate(&decay, 299, 1e-06, "no less than the least");
    constant.kind = SCHEDULE_CONSTANT;
    is_rate(&constant, 299, 0.0003, "constant");
}

int main(void)
{
    test_schedules();
    return done();
}
