/* SPDX-License-Identifier: MIT
 * adamw.c - three steps against PyTorch 2.14's AdamW
 *
 *     p = [[0.5, -1.25], [2, 0]] with decay 0.2, b = [0.75, -0.3] without; lr 1e-2, betas (0.9,
 *     0.98), eps 1e-6; at step s = 0, 1, 2: p.grad = x (s + 1) p + 0.1 with x = [[0.3, -0.7],
 *     [1.1, 0.2]], b.grad = [0.4, -0.9] (s - 1.5)
 *
 * Each step rounds a parameter some three times: 1e-6 is ten roundings of its largest number.
 */
#include "learn/learn.h"
#include "train/train.h"
#include "tests/unit/tap.h"

static const float x[] = { 0.3f, -0.7f, 1.1f, 0.2f }, y[] = { 0.4f, -0.9f };
static const float wanted_matrix[] = { 0.467416555f, -1.27170527f, 1.95886433f, -0.0298790354f };
static const float wanted_bias[] = { 0.773267567f, -0.323267579f };

static void test_steps(struct tensor *matrix, struct tensor *bias, struct learning *l)
{
    struct adamw a = { .rate = 1e-2f,
                       .beta1 = 0.9f,
                       .beta2 = 0.98f,
                       .eps = 1e-6f,
                       .weight_decay = 0.2f,
                       .decays = decays_matrices };

    adamw_begin(&a, l);
    for (int s = 0; s < 3; s++) {
        for (int i = 0; i < 4; i++)
            matrix->grad[i] = x[i] * (float)(s + 1) * matrix->data[i] + 0.1f;
        for (int i = 0; i < 2; i++)
            bias->grad[i] = y[i] * ((float)s - 1.5f);
        adamw_step(&a, l);
    }
    is_long(a.step, 3, "three steps");
    is_close(matrix->data, wanted_matrix, 4, 1e-6, 0, "a matrix, with decay");
    is_close(bias->data, wanted_bias, 2, 1e-6, 0, "a bias, without");
    clamp_parameter(bias, -0.3f, 0.5f);
    ok(bias->data[0] == 0.5f && bias->data[1] == -0.3f, "clamped from both sides");
    adamw_end(&a);
}

/* A matrix whose gradient stays zero is left as it is until one comes; a bias that had one before
 * goes on without. */
static void test_unreached(struct tensor *matrix, struct tensor *bias, struct learning *l)
{
    struct adamw a = {
        .rate = 1e-2f, .beta1 = 0.9f, .beta2 = 0.98f, .eps = 1e-6f, .weight_decay = 0.2f
    };
    float before = matrix->data[0], between, between_bias;

    adamw_begin(&a, l);
    learning_zero(l);
    bias->grad[0] = 1;
    adamw_step(&a, l);
    ok(matrix->data[0] == before, "without a gradient there is no decay either");
    between_bias = bias->data[0];
    bias->grad[0] = 0;
    matrix->grad[3] = 1;
    adamw_step(&a, l);
    ok(matrix->data[0] == before * (1 - 1e-2f * 0.2f), "with one, all of the matrix decays");
    ok(bias->data[0] != between_bias, "moments go on where the gradient has gone");
    between = matrix->data[3];
    adamw_resume(&a, l, 2);
    matrix->grad[3] = 0;
    adamw_step(&a, l);
    ok(matrix->data[3] != between && a.step == 3, "also behind a pause");
    adamw_end(&a);
}

static void test_norm(struct tensor *matrix, struct tensor *bias, struct learning *l)
{
    const float third[] = { 1, 2.0f / 3 };

    learning_zero(l);
    matrix->grad[1] = 2;
    bias->grad[0] = -2;
    bias->grad[1] = 1;
    ok(learning_norm(l) == 3, "the norm of all gradients");
    learning_scale(l, 1.0f / 3);
    ok(matrix->grad[1] == third[1] && bias->grad[1] == 1.0f / 3, "scaled");
}

static void test_decays(struct params *p)
{
    ok(decays_matrices(&p->list[0]) && !decays_matrices(&p->list[1]), "matrices decay");
    ok(!decays_matrices(&p->list[2]) && decays_unless_bias(&p->list[2]), "a scalar: as you choose");
    ok(!decays_unless_bias(&p->list[1]) && !decays_unless_bias(&p->list[3]), "no bias decays");
}

int main(void)
{
    struct tensor *matrix, *bias, *none = NULL;
    struct tape t = { 0 };
    struct params p = { 0 };
    struct learning *l;

    param(&p, &matrix, INIT_VALUE(0), "weight", 2, 2);
    param(&p, &bias, INIT_VALUE(0), "bias", 2);
    param_scalar(&p, &none, INIT_VALUE(0), "scale");
    param(&p, &none, INIT_VALUE(0), "square.bias", 2, 2);
    matrix = tensor_from(&t, (float[]){ 0.5f, -1.25f, 2, 0 }, 2, (long[]){ 2, 2 });
    bias = tensor_from(&t, (float[]){ 0.75f, -0.3f }, 1, (long[]){ 2 });
    l = params_learn(&p, NULL);
    test_steps(matrix, bias, l);
    test_unreached(matrix, bias, l);
    test_norm(matrix, bias, l);
    test_decays(&p);
    learning_free(l);
    params_free(&p);
    tape_free(&t);
    return done();
}
