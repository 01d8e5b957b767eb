/* SPDX-License-Identifier: MIT
 * globals.c - the names that mean something in a pickle
 *
 * Nothing here is code of PyTorch's or Python's: a name only chooses what rebuild.c does.  A name
 * that is in none of these tables chooses nothing: what is called, made or filled by it is an
 * object without content.  So the side data of training (sets, paths, arrays, optimisers, options)
 * does not stand in the way of the weights, and a name that would do harm has nobody to do it.
 */
#include <string.h>
#include "base/error.h"
#include "base/number.h"
#include "weights/pickle.h"

enum { SHOWN = 60 }; /* characters of an unknown name in a message */

/* Source: pytorch/pytorch torch/storage.py (_storage_type_to_dtype_map) and torch/_utils.py. */
static const struct element elements[] = {
    { "FloatStorage", "float32", 4, DTYPE_F32 },
    { "HalfStorage", "float16", 2, DTYPE_F16 },
    { "BFloat16Storage", "bfloat16", 2, DTYPE_BF16 },
    { "DoubleStorage", "float64", 8, DTYPE_F64 },
    { "LongStorage", "int64", 8, DTYPE_I64 },
    { "IntStorage", "int32", 4, DTYPE_I32 },
    { "ShortStorage", "int16", 2, DTYPE_I16 },
    { "CharStorage", "int8", 1, DTYPE_I8 },
    { "ByteStorage", "uint8", 1, DTYPE_U8 },
    { "BoolStorage", "bool", 1, DTYPE_BOOL },
    { "ComplexFloatStorage", "complex64", 8, DTYPE_COUNT },
    { "ComplexDoubleStorage", "complex128", 16, DTYPE_COUNT },
    { NULL, "uint16", 2, DTYPE_COUNT },
    { NULL, "uint32", 4, DTYPE_COUNT },
    { NULL, "uint64", 8, DTYPE_COUNT },
    { NULL, "float8_e4m3fn", 1, DTYPE_COUNT },
    { NULL, "float8_e5m2", 1, DTYPE_COUNT },
};

static const struct global names[] = {
    { "collections", "OrderedDict", MAKES_DICT, NULL },
    { "torch._utils", "_rebuild_tensor", MAKES_TENSOR, NULL },
    { "torch._utils", "_rebuild_tensor_v2", MAKES_TENSOR, NULL },
    { "torch._utils", "_rebuild_tensor_v3", MAKES_TYPED, NULL },
    { "torch._utils", "_rebuild_parameter", MAKES_PARAMETER, NULL },
    { "torch._utils", "_rebuild_parameter_with_state", MAKES_PARAMETER, NULL },
    { "torch._tensor", "_rebuild_from_type_v2", MAKES_DERIVED, NULL },
    { "torch.nn.parameter", "Parameter", MAKES_PARAMETER, NULL },
    { "torch.storage", "UntypedStorage", IS_STORAGE, NULL },
    { "torch", "Tensor", IS_NAME, NULL },
    { "torch", "Size", MAKES_SAME, NULL },
    { "torch", "device", MAKES_OTHER, NULL },
    { "torch.serialization", "_get_layout", MAKES_OTHER, NULL },
    { "torch.jit._pickle", "build_intlist", MAKES_SAME, NULL },
    { "torch.jit._pickle", "build_doublelist", MAKES_SAME, NULL },
    { "torch.jit._pickle", "build_boollist", MAKES_SAME, NULL },
    { "torch.jit._pickle", "build_tensorlist", MAKES_SAME, NULL },
    { "torch.jit._pickle", "restore_type_tag", MAKES_SAME, NULL },
    { "_codecs", "encode", MAKES_OTHER, NULL },
    { "argparse", "Namespace", IS_CLASS, NULL }, /* the options of a training run */
    { "numpy", "dtype", MAKES_OTHER, NULL },     /* its best score, now and then */
    { "numpy.core.multiarray", "scalar", MAKES_OTHER, NULL },
    { "numpy._core.multiarray", "scalar", MAKES_OTHER, NULL },
};

static bool equal(const char *text, size_t size, const char *wanted)
{
    return wanted && strlen(wanted) == size && !memcmp(text, wanted, size);
}

static const struct element *find_element(const char *name, size_t size, bool storage)
{
    for (int i = 0; i < COUNT(elements); i++)
        if (equal(name, size, storage ? elements[i].storage : elements[i].dtype))
            return &elements[i];
    return NULL;
}

static const struct global *make(struct pickle *p, enum global_kind kind,
                                 const struct element *element)
{
    struct global *g = pickle_alloc(p, sizeof *g);

    *g = (struct global){ NULL, "", kind, element };
    return g;
}

const struct global *global_find(struct pickle *p, const char *module, size_t module_size,
                                 const char *name, size_t name_size)
{
    bool torch = equal(module, module_size, "torch");
    bool storage = equal(module, module_size, "torch.storage");
    const struct element *element;

    for (int i = 0; i < COUNT(names); i++)
        if (equal(module, module_size, names[i].module) && equal(name, name_size, names[i].name))
            return &names[i];
    if ((torch || storage) && (element = find_element(name, name_size, true)))
        return make(p, IS_STORAGE, element);
    if (torch && (element = find_element(name, name_size, false)))
        return make(p, IS_DTYPE, element);
    if (module_size >= 9 && !memcmp(module, "__torch__", 9) &&
        (module_size == 9 || module[9] == '.'))
        return make(p, IS_CLASS, NULL);
    if (!p->unknown) {
        char *text = pickle_alloc(p, 2 * SHOWN + 2);

        module_size = module_size < SHOWN ? module_size : SHOWN;
        name_size = name_size < SHOWN ? name_size : SHOWN;
        memcpy(text, module, module_size);
        text[module_size] = '.';
        memcpy(text + module_size + 1, name, name_size);
        p->unknown = text;
    }
    return make(p, IS_UNKNOWN, NULL);
}
