#!/usr/bin/env python3
"""Position tables resized by torch -> position.safetensors"""
import os
import torch
from safetensors.torch import save_file

g = torch.Generator().manual_seed(3)
out = {}
for a, b in [(14, 24), (24, 14), (24, 30), (3, 7), (7, 3), (5, 5), (2, 1)]:
    table = torch.randn(1 + a * a, 6, generator=g)
    grid = table[1:].reshape(1, a, a, 6).permute(0, 3, 1, 2)
    grid = torch.nn.functional.interpolate(grid, size=(b, b), mode="bicubic", align_corners=False)
    out[f"{a}.{b}.from"] = table
    out[f"{a}.{b}.to"] = torch.cat([table[:1], grid.permute(0, 2, 3, 1).reshape(-1, 6)])
    grid = table[1:].reshape(1, a, a, 6).permute(0, 3, 1, 2)
    grid = torch.nn.functional.interpolate(grid, size=(b, b), mode="bicubic", align_corners=True)
    out[f"{a}.{b}.corners"] = torch.cat([table[:1], grid.permute(0, 2, 3, 1).reshape(-1, 6)])
save_file(out, os.path.join(os.path.dirname(os.path.abspath(__file__)), "position.safetensors"))
