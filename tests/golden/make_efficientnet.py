#!/usr/bin/env python3
"""A small EfficientNet-Lite by PyPI's efficientnet_lite_pytorch -> efficientnet.safetensors

It has every kind of block: filters of 3 and 5, strides of 1 and 2 over even and odd sides, with and
without the sum.  The statistics of the batch norms are those of random pictures, so that ReLU6 cuts
on both sides.
"""
import os

import torch
from efficientnet_lite_pytorch import model as package
from efficientnet_lite_pytorch import utils
from safetensors.torch import save_file

HEAD = 24


def make(side):
    blocks, params = utils.efficientnet_lite(width_coefficient=0.1, depth_coefficient=0.5, image_size=side)
    model = package.EfficientNet(blocks, params)
    model._conv_head = torch.nn.Conv2d(model._conv_head.in_channels, HEAD, 1, bias=False)
    model._bn1 = torch.nn.BatchNorm2d(HEAD, eps=model._bn1.eps)
    return model


torch.manual_seed(5)
out, weights = {}, None
for side in (40, 56):
    model = make(side)
    if weights:
        model.load_state_dict(weights)
    else:
        for p in model.parameters():
            if p.dim() == 1:
                p.data.uniform_(0.5, 3)
        model.train()
        with torch.no_grad():
            for _ in range(40):
                model.extract_features(torch.randn(8, 3, side, side))
        weights = model.state_dict()
    model.eval()
    pixels = torch.randn(2, 3, side, side)
    with torch.no_grad():
        x = model.extract_features(pixels).flatten(2).transpose(1, 2)
    out[f"pixels.{side}"] = pixels
    out[f"tokens.{side}"] = torch.cat([x.mean(1, keepdim=True), x], 1).contiguous()
for name, x in weights.items():
    if "num_batches_tracked" not in name and not name.startswith("_fc"):
        out[name] = x.clone()
save_file(out, os.path.join(os.path.dirname(os.path.abspath(__file__)), "efficientnet.safetensors"))
