#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Pillow and NumPy at the work of jpeg.c beside this file, one thread, processor time.

    jpeg.py FILE...
"""
import statistics, sys, time

import numpy as np
import PIL
from PIL import Image

MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


def milliseconds(run):
    rounds = []
    for _ in range(15):
        start = time.process_time()
        for _ in range(10):
            run()
        rounds.append((time.process_time() - start) * 100)
    return statistics.median(rounds)


for name in sys.argv[1:]:
    def decode():
        return Image.open(name).convert("RGB")

    def prepare():
        image = decode()
        w, h = image.size
        w, h = (224, 224 * h // w) if w <= h else (224 * w // h, 224)
        left, top = round((w - 224) / 2), round((h - 224) / 2)
        image = image.resize((w, h), Image.BICUBIC).crop((left, top, left + 224, top + 224))
        a = np.asarray(image, np.float32) / np.float32(255)
        return np.ascontiguousarray(((a - MEAN) / STD).transpose(2, 0, 1))

    d, a = milliseconds(decode), milliseconds(prepare)
    print("%s: Pillow %s: decode %.2f ms, prepare %.2f ms, all %.2f ms, %.0f images/s" % (name, PIL.__version__, d, a - d, a, 1e3 / a))
