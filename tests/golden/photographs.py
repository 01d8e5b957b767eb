# SPDX-License-Identifier: MIT
"""The photographs of the large tests: $VLM_PHOTOS, or those of some Debian packages."""
import glob, os

PNG = ("astronaut", "camera", "chelsea", "coffee", "coins", "motorcycle_left")


def photographs(most):
    packages = "/usr/lib/python3/dist-packages"
    folders = os.environ.get("VLM_PHOTOS", ":".join([
        "/usr/share/backgrounds/mate/nature", packages + "/skimage/data",
        packages + "/sklearn/datasets/images"])).split(":")
    found = []
    for folder in folders:
        for path in sorted(glob.glob(os.path.join(folder, "*"))):
            stem, ending = os.path.splitext(os.path.basename(path))
            if ending == ".jpg" and os.path.getsize(path) > 20000 or ending == ".png" and stem in PNG:
                found.append(path)
    return found[:most]
