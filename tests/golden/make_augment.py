#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Pictures through the operations of BLIP's RandomAugment -> augment.safetensors

    VLM_BLIP_REPO=CHECKOUT make_augment.py      CHECKOUT: salesforce/BLIP

Needs opencv-python-headless 4.10.0.84 or older: later ones warp in float32.  IMAGE is a picture,
[height, width, 3]; IMAGE/OPERATION/ARGUMENT what becomes of it.

AutoContrast gets the picture as int32: of uint8 the original negates the darkest level within a
byte, and all of a channel that has no black turns white.
"""
import os
import sys
import warnings

import cv2
import numpy as np
from safetensors.numpy import save_file

sys.path.insert(0, os.environ["VLM_BLIP_REPO"])
from transform import randaugment as ra  # noqa: E402

warnings.simplefilter("error")
random = np.random.RandomState(5)
rows, columns = np.mgrid[0:16, 0:16]
smooth = np.stack([rows * 9 + 20, columns * 8 + 40, (rows + columns) * 5], axis=-1)
flat = np.full((5, 4, 3), 77)
flat[2, 2, 1] = 90
images = {
    "noise": random.randint(3, 250, (11, 13, 3)),
    "smooth": smooth + random.randint(0, 6, smooth.shape),
    "square": random.randint(0, 256, (16, 16, 3)) * (columns[:16, :16, None] > 5),
    "flat": flat,
}
fill = ra.replace_value


def cases(image):
    yield "autocontrast", 0, ra.autocontrast_func(image.astype(np.int32))
    yield "equalize", 0, ra.equalize_func(image)
    for magnitude in (0, 2, 5, 10):
        (factor,) = ra.arg_dict["Brightness"](magnitude)
        yield "brightness", factor, ra.brightness_func(image, factor)
        yield "sharpness", factor, ra.sharpness_func(image, factor)
    for sign in (1, -1):
        for magnitude in (5, 10):
            slope, offset, degree = (sign * magnitude / 10 * most for most in (0.3, 10.0, 30))
            yield "shear_x", slope, ra.shear_x_func(image, slope, fill)
            yield "shear_y", slope, ra.shear_y_func(image, slope, fill)
            yield "translate_x", offset, ra.translate_x_func(image, offset, fill)
            yield "translate_y", offset, ra.translate_y_func(image, offset, fill)
            yield "rotate", degree, ra.rotate_func(image, degree, fill)


out = {}
for name, image in images.items():
    image = out[name] = np.ascontiguousarray(image.astype(np.uint8))
    for operation, argument, result in cases(image):
        out[f"{name}/{operation}/{argument!r}"] = np.ascontiguousarray(result.astype(np.uint8))
save_file(out, os.path.join(os.path.dirname(os.path.abspath(__file__)), "augment.safetensors"))
print(len(out), "tensors of OpenCV", cv2.__version__)
