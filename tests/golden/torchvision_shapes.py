# SPDX-License-Identifier: MIT
"""Import this before open_clip.  A torchvision that was built for another torch lacks its compiled operations.  None of
them is called here, but the module registers shapes for each."""
import os, re, sys

import torch

for _folder in sys.path:
    _file = os.path.join(_folder, "torchvision", "_meta_registrations.py")
    if os.path.exists(_file):
        _text = open(_file).read()
        _library = torch.library.Library("torchvision", "FRAGMENT")
        for _name in sorted(set(re.findall(r"torchvision::(\w+)", _text)) | set(re.findall(r'register_meta\("(\w+)"', _text))):
            try:
                _library.define(_name + "(Tensor a) -> Tensor")
            except RuntimeError:
                pass  # it is there
        break
