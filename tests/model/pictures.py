# SPDX-License-Identifier: MIT
"""Pictures: drawn once with their transparency, then laid on grounds as the web shows them."""
import hashlib
import os
import random
import resource
import subprocess

from PIL import Image, ImageChops, ImageFilter, ImageOps, ImageStat

SIDE = 128      # the longer side of every picture
DRAWN = 384     # of an SVG before its margins are cut
SECONDS = 30    # of processor time: the few SVGs that take longer never end
MEMORY = 3 << 30


def limit():
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def draw_svg(svg, png):
    """False if it cannot be drawn."""
    size = ["-a", "-w", str(DRAWN), "-h", str(DRAWN)]
    done = subprocess.run(["rsvg-convert", *size, "-o", png + ".part", svg], preexec_fn=limit,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if done.returncode != 0:
        if os.path.exists(png + ".part"):
            os.remove(png + ".part")
        return False
    os.rename(png + ".part", png)
    return True


def shrink(image, side=None):
    scale = (side or SIDE) / max(image.size)
    if scale >= 1:
        return image
    return image.resize([max(1, round(n * scale)) for n in image.size], Image.LANCZOS)


def trim(image):
    """Without wide transparent margins; None if nothing can be seen."""
    box = image.getchannel("A").point(lambda a: 255 if a > 8 else 0).getbbox()
    if not box or min(box[2] - box[0], box[3] - box[1]) < 3:
        return None
    margin = max(box[2] - box[0], box[3] - box[1]) // 32
    return image.crop((max(0, box[0] - margin), max(0, box[1] - margin),
                       min(image.width, box[2] + margin), min(image.height, box[3] + margin)))


def load(path, cut, dark=False):
    """RGBA, at most SIDE long, and RGB with the colours under transparent pixels as they are in the
    file; `dark`: black.  None if nothing can be seen."""
    image = Image.open(path).convert("RGBA")
    if dark:
        nothing = image.getchannel("A").point(lambda a: 255 if a == 0 else 0)
        image.paste((0, 0, 0, 0), mask=nothing)
    if cut:
        image = trim(image)
        if not image:
            return None
    under = shrink(image.convert("RGB"))
    image = shrink(image)
    return image, under


def digest(image):
    return hashlib.sha256(repr(image.size).encode() + image.tobytes()).hexdigest()


def generator(*what):
    return random.Random(hashlib.sha256("|".join(map(str, what)).encode()).digest())


def colour(r, kind):
    """white, light, dark or any"""
    if kind == "white":
        return (255, 255, 255)
    low, high = {"light": (200, 255), "dark": (0, 70), "any": (0, 255)}[kind]
    return tuple(r.randint(low, high) for _ in range(3))


def gradient(r, size):
    """From one colour to another, up, down, or aslant."""
    a, b = colour(r, "any"), colour(r, "any")
    angle = r.choice([0, 90, 180, 270, 45])
    ramp = Image.linear_gradient("L").rotate(angle).resize(size)
    return Image.composite(Image.new("RGB", size, a), Image.new("RGB", size, b), ramp)


def ground(r, kind, size):
    return gradient(r, size) if kind == "gradient" else Image.new("RGB", size, colour(r, kind))


def contrast(image, back):
    """How far what is seen stands off the ground, 0 to 255, over what is not transparent."""
    seen = image.getchannel("A").point(lambda a: 255 if a > 127 else 0)
    if not seen.getbbox():
        return 0
    apart = ImageChops.difference(image.convert("RGB"), back).convert("L")
    stat = ImageStat.Stat(apart, seen)
    return stat.mean[0] + stat.stddev[0]


def square(image, under, r):
    """A square canvas with some room around; not all pictures fill theirs."""
    side = round(max(image.size) * r.uniform(1, 1.2))
    at = ((side - image.width) // 2, (side - image.height) // 2)
    wide, below = Image.new("RGBA", (side, side)), Image.new("RGB", (side, side))
    wide.paste(image, at)
    below.paste(under, at)
    return shrink(wide), shrink(below)


KINDS = (["white"] * 5 + ["light"] * 3 + ["dark"] * 2 + ["any"] * 2 + ["gradient"] * 2 +
         ["dropped"] * 3)


STYLES = ["grey", "posterised", "flat", "outline", "shaded", "tinted", "small"]


def redrawn(image, r):
    """RGB in a style that it was not drawn in."""
    style = r.choice(STYLES)
    if style == "grey":
        return ImageOps.grayscale(image).convert("RGB")
    if style == "posterised":
        return ImageOps.posterize(image, r.randint(1, 3))
    if style == "flat":
        return image.filter(ImageFilter.MedianFilter(5)).quantize(r.randint(4, 8)).convert("RGB")
    if style == "outline":
        edges = ImageOps.invert(ImageOps.grayscale(image).filter(ImageFilter.FIND_EDGES))
        return ImageOps.autocontrast(edges.filter(ImageFilter.MinFilter(3))).convert("RGB")
    if style == "shaded":
        return ImageChops.multiply(image, ImageOps.autocontrast(
            gradient(r, image.size).point(lambda v: 128 + v // 2)))
    if style == "tinted":
        return Image.blend(image, Image.new("RGB", image.size, colour(r, "any")), r.uniform(.15, .4))
    small = max(24, max(image.size) // r.randint(4, 8))
    return shrink(image, small).resize(image.size, Image.BICUBIC)


def compose(image, under, r, kind=None, room=True):
    """On a ground that it can be seen on.  "dropped" forgets the transparency, as programs do that
    convert to RGB: what lies under it appears, most often black."""
    if room and r.random() < 0.5:
        image, under = square(image, under, r)
    if image.getchannel("A").getextrema()[0] == 255:
        return under
    for _ in range(8):
        kind = kind or r.choice(KINDS)
        if kind == "dropped":
            hidden = Image.new("RGB", image.size, under.getpixel((0, 0)))
            if contrast(image, hidden) >= 60:
                return under
        else:
            back = ground(r, kind, image.size)
            if contrast(image, back) >= 60:
                return flatten(image, back)
        kind = None
    return flatten(image, Image.new("RGB", image.size, (255, 255, 255)))


def flatten(image, back):
    return Image.alpha_composite(back.convert("RGBA"), image).convert("RGB")
