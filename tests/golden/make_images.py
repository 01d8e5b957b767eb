#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tiny pictures of every kind, and what Pillow, torchvision, open_clip and transformers make of them.

    VLM_CLIP_REPO=CHECKOUT make_images.py [TESTS]        CHECKOUT: openai/CLIP;  TESTS: .../tests

writes (all pictures are ours, made from a formula and a pseudo-random generator)

    TESTS/golden/images/*       good files;  NAME.rgb: the bytes of a JPEG, for builds without libjpeg
    TESTS/golden/images.txt     the expectations, one a line, fields separated by spaces:
        decode  FILE MODE WIDTH HEIGHT CRC            of Pillow's convert("RGB")
        near    FILE MODE WIDTH HEIGHT 4 x R,G,B      of the quarters' means; HEIF and AVIF by pillow-heif, whose
                                                      releases decode and convert with other rounding
        resize  CHANNELS SEED W H w h FILTER CRC      of random pixels; FILTER as in enum resampling
        window  CHANNELS SEED W H w h FILTER LEFT TOP CW CH CRC
        prepare KIND FILE|SEED:WxH RESIZE WIDTH HEIGHT FILL CRC V V V V V V
                                                      of the float32 bytes; and six floats of them
        broken  CODE FILE                             in TESTS/command/broken
    TESTS/command/broken/*      files that must be refused, named by what is wrong
    TESTS/command/good/*        five files that must not

CRC is zlib's CRC-32.  Random pixels come from x' = 1664525 x + 1013904223 mod 2^32, x = SEED at
first, a byte is x' >> 24; with 2 or 4 channels the last one is 0 or 255 where its byte is below 64
or above 191.
"""
import io, os, random, shutil, struct, sys, zlib

import numpy as np
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(HERE)
GOLDEN, BROKEN, GOOD = (os.path.join(TESTS, *p) for p in (("golden", "images"), ("command", "broken"), ("command", "good")))
FILTERS = [Image.NEAREST, Image.BILINEAR, Image.BICUBIC, Image.LANCZOS]
lines = []


def crc(array):
    return "%08x" % zlib.crc32(np.ascontiguousarray(array).tobytes())


def noise(seed, height, width, channels):
    x, out = seed, bytearray()
    for _ in range(height * width * channels):
        x = (1664525 * x + 1013904223) & 0xFFFFFFFF
        out.append(x >> 24)
    a = np.frombuffer(bytes(out), np.uint8).reshape(height, width, channels).copy()
    if channels in (2, 4):
        alpha = a[..., -1]
        alpha[alpha < 64] = 0
        alpha[alpha > 191] = 255
    return a


def picture(width, height, channels=3, phase=0):
    """Waves and a hard edge, like a small photograph."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [127 + 90 * np.sin((x * (c + 1) + phase) / 5.0) * np.cos(y / (3.0 + c)) + 37 * (x > y) for c in range(channels)]
    a = np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)
    return Image.fromarray(a[..., 0] if channels == 1 else a)


# ---- formats that Pillow does not write -------------------------------------------------------

def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, depth, colour, rows, extra=b"", interlace=0):
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)) +
            extra + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def png16(a):
    return b"".join(b"\0" + row.astype(">u2").tobytes() for row in a)


def adam7(a):
    out = b""
    for x0, y0, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)):
        part = a[y0::dy, x0::dx]
        if part.size:
            out += b"".join(b"\0" + row.tobytes() for row in part)
    return out


def psd(a, channels=3, mode=3, packed=False):
    height, width, _ = a.shape
    out = b"8BPS" + struct.pack(">H6xHIIHH", 1, channels, height, width, 8, mode) + struct.pack(">III", 0, 0, 0)
    rows = [a[y, :, c].tobytes() for c in range(channels) for y in range(height)]
    if not packed:
        return out + b"\0\0" + b"".join(rows)
    rows = [b"".join(struct.pack("B", len(r[i:i + 128]) - 1) + r[i:i + 128] for i in range(0, len(r), 128)) for r in rows]
    return out + b"\0\1" + b"".join(struct.pack(">H", len(r)) for r in rows) + b"".join(rows)


def gif_blocks(data, bits=2):
    return bytes([bits]) + b"".join(bytes([len(data[i:i + 255])]) + data[i:i + 255] for i in range(0, len(data), 255)) + b"\0"


def gif_codes(numbers, bits):
    """Every colour as a code of its own, the table cleared before it grows out of bits + 1."""
    value = shift = 0
    clear, since = 1 << bits, 0
    codes = [clear]
    for n in numbers:
        if since == clear - 2:
            codes.append(clear)
            since = 0
        codes.append(n)
        since += 1
    for c in codes + [clear + 1]:
        value |= c << shift
        shift += bits + 1
    return value.to_bytes((shift + 7) // 8, "little")


def gif_frame(left, top, a, bits, transparent=None, interlaced=False):
    control = b"" if transparent is None else b"\x21\xf9\x04\x01\0\0" + bytes([transparent]) + b"\0"
    height, width = a.shape
    order = [y for first, step in ((0, 8), (4, 8), (2, 4), (1, 2)) for y in range(first, height, step)] if interlaced else range(height)
    numbers = [int(v) for y in order for v in a[y]]
    return (control + b"," + struct.pack("<HHHHB", left, top, width, height, 0x40 if interlaced else 0) +
            gif_blocks(gif_codes(numbers, bits), bits))


def gif(width, height, palette, frames, bits=3):
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80 | (bits - 1), 0, 0) + palette + b"".join(frames) + b";"


# ---- good files -------------------------------------------------------------------------------

def encoded(image, **options):
    f = io.BytesIO()
    image.save(f, **options)
    return f.getvalue()


def good_files():
    rgb, grey, rgba, la = (picture(37, 23, c) for c in (3, 1, 4, 2))
    files = {
        "rgb.jpg": encoded(rgb, format="JPEG", quality=90),
        "rgb-444.jpg": encoded(rgb, format="JPEG", quality=80, subsampling=0),
        "rgb-422.jpg": encoded(rgb, format="JPEG", quality=80, subsampling=1),
        "grey.jpg": encoded(grey, format="JPEG"),
        "progressive.jpg": encoded(rgb, format="JPEG", progressive=True),
        "restart.jpg": encoded(rgb, format="JPEG", restart_marker_blocks=2),
        "keep-rgb.jpg": encoded(rgb, format="JPEG", keep_rgb=True),
        "cmyk.jpg": encoded(rgba.convert("RGBA").convert("RGB").convert("CMYK"), format="JPEG", quality=95),
        "inks.jpg": encoded(Image.merge("CMYK", rgba.split()), format="JPEG", quality=95),
        "rgb.png": encoded(rgb, format="PNG"),
        "rgba.png": encoded(rgba, format="PNG"),
        "grey.png": encoded(grey, format="PNG"),
        "grey-alpha.png": encoded(la, format="PNG"),
        "palette.png": encoded(rgb.quantize(50), format="PNG"),
        "palette-16.png": encoded(rgb.quantize(13), format="PNG", bits=4),
        "palette-alpha.png": encoded(rgb.quantize(7), format="PNG", transparency=b"\0\x80\xff\x10"),
        "bits.png": encoded(grey.convert("1"), format="PNG"),
        "colour-key.png": encoded(rgb, format="PNG", transparency=rgb.getpixel((3, 3))),
        "grey-16.png": png(19, 11, 16, 0, png16(noise(5, 11, 38, 1)[..., 0].astype(np.uint16)[:, ::2] * 256 + noise(5, 11, 38, 1)[:, 1::2, 0])),
        "rgb-16.png": png(9, 7, 16, 2, png16((noise(6, 7, 27, 1)[..., 0].astype(np.uint16) * 256 + noise(7, 7, 27, 1)[..., 0]))),
        "grey-alpha-16.png": png(9, 7, 16, 4, png16((noise(8, 7, 18, 1)[..., 0].astype(np.uint16) * 256 + noise(9, 7, 18, 1)[..., 0]))),
        "grey-4.png": png(6, 5, 4, 0, b"".join(b"\0" + noise(s, 1, 3, 1).tobytes() for s in range(5))),
        "grey-2.png": png(8, 5, 2, 0, b"".join(b"\0" + noise(s, 1, 2, 1).tobytes() for s in range(5))),
        "interlaced.png": png(37, 23, 8, 2, adam7(np.asarray(rgb)), interlace=1),
        "palette.gif": encoded(rgb.quantize(200), format="GIF"),
        "grey.gif": encoded(grey, format="GIF", optimize=False),
        "transparent.gif": encoded(rgb.quantize(20), format="GIF", transparency=3),
        "animated.gif": encoded(rgb.quantize(20), format="GIF", save_all=True, append_images=[picture(37, 23, 3, 9).quantize(20)], duration=40),
        "offset.gif": gif(20, 15, noise(3, 8, 1, 3).tobytes(), [gif_frame(5, 3, noise(4, 9, 11, 1)[..., 0] & 7, 3, 6)]),
        "beyond.gif": gif(4, 4, noise(3, 8, 1, 3).tobytes(), [gif_frame(2, 1, noise(4, 9, 11, 1)[..., 0] & 7, 3)]),
        "interlaced.gif": gif(11, 19, noise(3, 8, 1, 3).tobytes(), [gif_frame(0, 0, noise(4, 19, 11, 1)[..., 0] & 7, 3, None, True)]),
        "rgb.bmp": encoded(rgb, format="BMP"),
        "palette.bmp": encoded(rgb.quantize(9), format="BMP"),
        "grey.bmp": encoded(grey, format="BMP"),
        "bits.bmp": encoded(grey.convert("1"), format="BMP"),
        "rgba.bmp": encoded(rgba, format="BMP"),
        "rgb.tga": encoded(rgb, format="TGA"),
        "rgba.tga": encoded(rgba, format="TGA", compression="tga_rle"),
        "grey.tga": encoded(grey, format="TGA"),
        "grey-alpha.tga": encoded(la, format="TGA"),
        "palette.tga": encoded(rgb.quantize(9), format="TGA"),
        "packed.tga": encoded(picture(40, 3).quantize(3).convert("RGB"), format="TGA", compression="tga_rle"),
        "rgb.psd": psd(np.asarray(picture(15, 8))),
        "packed.psd": psd(np.asarray(picture(15, 8)), packed=True),
        "lossy.webp": encoded(rgb, format="WEBP", quality=80),
        "lossless.webp": encoded(rgb, format="WEBP", lossless=True),
        "alpha.webp": encoded(rgba, format="WEBP", quality=80),
        "animated.webp": encoded(rgba, format="WEBP", save_all=True, append_images=[picture(37, 23, 4, 9)], duration=40, lossless=True),
        "grey.pgm": encoded(grey, format="PPM"),
        "rgb.ppm": encoded(rgb, format="PPM"),
        "bits.pbm": encoded(grey.convert("1"), format="PPM"),
        "plain.pbm": b"P1\n# a comment\n5 3\n10101\n0 1 1 1 0 #end\n11111\n",
        "plain.pgm": b"P2 # a\n4 2 # comment\n10\n0 1 2 3\n 4 5 9 10\n",
        "plain.ppm": b"P3\n2 2\n255\n1 2 3  255 254 253\n0 0 0 128 127 126\n",
        "of-100.pgm": b"P5 4 2 100\n" + bytes([0, 1, 50, 99, 100, 33, 13, 87]),
        "of-65535.ppm": b"P6\n3 2\n65535\n" + noise(2, 1, 36, 1).tobytes(),
    }
    files.update(more_files())
    for name, data in files.items():
        open(os.path.join(GOLDEN, name), "wb").write(data)
    return files


def bmp(width, height, bits, palette, pixels, packing=0):
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, packing, len(pixels), 0, 0, len(palette) // 4, 0) + palette
    return b"BM" + struct.pack("<IHHI", 14 + len(head + pixels), 0, 0, 14 + len(head)) + head + pixels


def more_files():
    """Formats and kinds that came later than the first release."""
    from compare_photos import exif, tiff
    rgb, grey, rgba, la = (picture(19, 13, c) for c in (3, 1, 4, 2))
    planes = np.asarray(rgb).transpose(2, 0, 1).tobytes()
    return {
        "icon.ico": encoded(rgba.resize((16, 16)), format="ICO", sizes=[(16, 16)]),
        "bitmap.ico": encoded(rgb.resize((16, 16)).quantize(16), format="ICO", bitmap_format="bmp", sizes=[(16, 16)]),
        "runs-8.bmp": bmp(6, 3, 8, noise(3, 1, 32, 1).tobytes(), b"\4\1\2\2\0\0\0\3\5\6\7\0\3\4\0\0\1\7\0\2\2\0\3\3\0\1", 1),
        "runs-4.bmp": bmp(7, 2, 4, noise(4, 1, 40, 1).tobytes(), b"\5\x12\2\x34\0\0\0\5\x12\x34\x50\0\2\x67\0\1", 2),
        "short-palette.bmp": bmp(4, 3, 8, b"\1\2\3\0", bytes([0, 1, 200, 0] * 3)),
        "short-palette.png": png(4, 3, 8, 3, b"\0\0\1\2\xff" * 3, chunk(b"PLTE", b"\1\2\3\4\5\6")),
        "key-grey.png": png(4, 3, 8, 0, b"\0\7\1\7\xff" * 3, chunk(b"tRNS", b"\0\7")),
        "turned.png": encoded(rgb, format="PNG", exif=exif(8)),
        "stored.png": encoded(rgb, format="PNG"),
        "upright.png": encoded(rgb.transpose(Image.Transpose.ROTATE_90), format="PNG"),
        "grey.psd": psd(np.asarray(grey)[..., None], 1, 1),
        "alpha.psd": psd(np.asarray(rgba), 4, 3, True),
        "inks.psd": psd(np.asarray(rgba), 4, 4),
        "rgb.tif": encoded(rgb, format="TIFF", compression="tiff_lzw"),
        "palette.tif": encoded(rgb.quantize(9), format="TIFF", compression="packbits"),
        "fax.tif": encoded(grey.convert("1"), format="TIFF", compression="group4"),
        "inks.tif": encoded(Image.merge("CMYK", rgba.split()), format="TIFF", compression="tiff_adobe_deflate"),
        "alpha.tif": encoded(rgba, format="TIFF", compression="tiff_lzw"),
        "grey-alpha.tif": encoded(la, format="TIFF"),
        "planes.tif": tiff(19, 13, planes, 8, 3, 2, planar=2),
        "turned.tif": tiff(19, 13, np.asarray(rgb).tobytes(), 8, 3, 2, orientation=6),
        "big.tif": encoded(rgb, format="TIFF", big_tiff=True),
        "white-0.tif": tiff(19, 13, np.asarray(grey).tobytes(), 8, 1, 0),
    }


def near_files():
    import pillow_heif
    pillow_heif.register_heif_opener()
    quarters = np.zeros((32, 32, 4), np.uint8)
    for k, colour in enumerate(((200, 30, 40, 255), (30, 190, 60, 0), (40, 60, 210, 255), (240, 240, 230, 100))):
        quarters[16 * (k // 2):, 16 * (k % 2):] = colour
    rgba = Image.fromarray(quarters)
    files = {"rgb.heic": encoded(rgba.convert("RGB"), format="HEIF", quality=90), "alpha.heic": encoded(rgba, format="HEIF", quality=90),
             "rgb.avif": encoded(rgba.convert("RGB"), format="AVIF", quality=90), "alpha.avif": encoded(rgba, format="AVIF", quality=90)}
    for name, data in files.items():
        open(os.path.join(GOLDEN, name), "wb").write(data)
        image = Image.open(io.BytesIO(data))
        a = np.asarray(image.convert("RGB")).astype(float)
        means = [a[y:y + 16, x:x + 16].mean((0, 1)) for y in (0, 16) for x in (0, 16)]
        lines.append("near %s %s %d %d %s" % (name, image.mode, *image.size, " ".join(",".join("%.0f" % v for v in m) for m in means)))


def rgb_of(data):
    image = Image.open(io.BytesIO(data))
    if image.mode.startswith("I;16"): # Pillow would clip: the high byte is our choice
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB"), "I16"
    return image.convert("RGB"), image.mode


def decodes(files):
    for name, data in sorted(files.items()):
        image, mode = rgb_of(data)
        mode = {"1": "1", "RGBX": "RGB", "I": "L", "PA": "P"}.get(mode, mode)
        lines.append("decode %s %s %d %d %s" % (name, mode, *image.size, crc(image)))
        if name.endswith(".jpg"):
            open(os.path.join(GOLDEN, name[:-4] + ".rgb"), "wb").write(image.tobytes())


# ---- resizing ---------------------------------------------------------------------------------

def resizes():
    dice = random.Random(7)
    for i in range(200):
        channels = dice.choice([1, 2, 3, 3, 4])
        W, H = dice.randint(1, 70), dice.randint(1, 70)
        w, h = (n if dice.random() < 0.1 else dice.randint(1, 90) for n in (W, H))
        if i % 8 == 0: # around the change of order: H - h against 2 (W - w)
            W, H = dice.randint(20, 40), dice.randint(60, 90)
            w = W - dice.randint(1, 15)
            h = H - 2 * (W - w) - dice.randint(-1, 1)
        filter = dice.choice([0, 1, 2, 2, 2, 3])
        a = noise(i + 1, H, W, channels)
        r = np.asarray(Image.fromarray(a[..., 0] if channels == 1 else a).resize((w, h), FILTERS[filter]))
        lines.append("resize %d %d %d %d %d %d %d %s" % (channels, i + 1, W, H, w, h, filter, crc(r)))
        cw, ch = dice.randint(1, w), dice.randint(1, h)
        left, top = dice.randint(0, w - cw), dice.randint(0, h - ch)
        if i % 4 == 0:
            part = r.reshape(h, w, channels)[top:top + ch, left:left + cw]
            lines.append("window %d %d %d %d %d %d %d %d %d %d %d %s" % (channels, i + 1, W, H, w, h, filter, left, top, cw, ch, crc(part)))


# ---- preprocessing ----------------------------------------------------------------------------

def prepares(files):
    import torchvision.transforms as T
    from open_clip.transform import image_transform
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    sys.path.insert(0, os.environ["VLM_CLIP_REPO"])
    from clip.clip import _transform
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)

    def original(resize, width, height, fill):
        if resize == width == height:
            return _transform(width)
        return T.Compose([T.Resize(resize, T.InterpolationMode.BICUBIC), T.CenterCrop((height, width)), lambda i: i.convert("RGB"),
                          T.ToTensor(), T.Normalize(mean, std)])

    def plain(image):
        """transformers 5 would lay what is transparent on white; the releases before it do this."""
        image = image.convert("RGB")
        image.info.pop("transparency", None)
        return image

    kinds = {
        "openai": original,
        "squash": lambda r, w, h, f: image_transform((h, w), False, mean, std, "squash", "bicubic"),
        "longest": lambda r, w, h, f: image_transform((h, w), False, mean, std, "longest", "bicubic", f),
        "ratio": lambda r, w, h, f: image_transform((h, w), False, mean, std, "shortest", "bicubic"),
        "bilinear": lambda r, w, h, f: image_transform((h, w), False, (.5, .5, .5), (.5, .5, .5), "shortest", "bilinear"),
        "hf": lambda r, w, h, f: lambda i: CLIPImageProcessorPil(size={"shortest_edge": r}, crop_size={"height": h, "width": w})(plain(i))["pixel_values"][0],
        "blip": lambda r, w, h, f: lambda i: BlipImageProcessorPil(size={"height": h, "width": w})(plain(i))["pixel_values"][0],
    }

    def row(kind, source, resize, width, height, fill=0):
        if ":" in source:
            seed, size = source.split(":")
            w, h = map(int, size.split("x"))
            image = Image.fromarray(noise(int(seed), h, w, 3))
        else:
            image = Image.open(io.BytesIO(files[source]))
        out = np.ascontiguousarray(np.asarray(kinds[kind](resize, width, height, fill)(image), np.float32))
        assert out.shape == (3, height, width), out.shape
        few = out.reshape(-1)[:: max(1, out.size // 6)][:6]
        lines.append("prepare %s %s %d %d %d %d %s %s" % (kind, source, resize, width, height, fill, crc(out), " ".join("%.9g" % v for v in few)))

    dice = random.Random(11)
    for i in range(60):
        kind = list(kinds)[i % len(kinds)]
        size = "%d:%dx%d" % (i + 1, dice.randint(1, 90), dice.randint(1, 90))
        n = dice.choice([16, 17, 24])
        if kind in ("squash", "longest", "blip", "ratio"):
            row(kind, size, n, n, n if i % 3 and kind != "ratio" else n + 5, dice.choice([0, 127]) if kind == "longest" else 0)
        elif kind == "bilinear":
            row(kind, size, n, n, n)
        else: # the crop as large as the resized, smaller, larger
            crop = n + dice.choice([0, 0, -3, -4, 5])
            row(kind, size, n, crop, crop)
    for w, h in ((40, 23), (23, 40), (39, 24), (16, 200), (200, 16), (3, 200), (1, 1), (16, 16)):
        for kind in kinds:
            if kind != "ratio" and (kind, w) != ("longest", 3): # open_clip would make it 0 pixels wide
                row(kind, "%d:%dx%d" % (w + h, w, h), 16, 16, 16)
    for name in sorted(files):
        if name not in ("grey-16.png", "of-65535.ppm", "rgba.bmp"):
            row("openai", name, 16, 16, 16)
            row("hf", name, 16, 16, 16)


# ---- broken files -----------------------------------------------------------------------------

def broken(name, code, data):
    open(os.path.join(BROKEN, name), "wb").write(data)
    lines.append("broken %s %s" % (code, name))


def put(data, at, more):
    return data[:at] + more + data[at + len(more):]


def broken_files(f):
    from compare_photos import tiff
    jpg, prog, image, anim = f["rgb.jpg"], f["progressive.jpg"], f["rgb.png"], f["palette.gif"]
    frame = jpg.index(b"\xff\xc0")
    broken("empty.jpg", "empty", b"")
    broken("text.jpg", "unknown_format", b"This is not a picture but a text.\n" * 9)
    broken("page.jpg", "unknown_format", b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head></html>\n")
    broken("zeros.jpg", "unknown_format", bytes(200))
    broken("wrong-magic.jpg", "unknown_format", put(jpg, 0, b"\0"))
    broken("jxl.jpg", "unsupported", b"\xff\x0a" + bytes(30))
    broken("jp2.jpg", "unsupported", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(30))
    broken("pam.ppm", "unsupported", b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 1\nMAXVAL 1\nENDHDR\n\0")
    broken("truncated.tif", "truncated", f["rgb.tif"][:-9])
    broken("no-page.tif", "truncated", f["rgb.tif"][:8])
    broken("signed.tif", "unsupported", tiff(4, 4, bytes(range(120, 136)), 8, 1, 1, signed=True))
    broken("truncated.ico", "truncated", f["icon.ico"][:-30])
    broken("no-picture.ico", "corrupt", b"\0\0\1\0\0\0")
    broken("truncated-runs.bmp", "truncated", f["runs-8.bmp"][:-8])
    broken("early-end.bmp", "corrupt", bmp(9, 9, 8, bytes(8), b"\4\1\0\1", 1))
    broken("more-than-deflate.png", "truncated", png(9000, 9000, 8, 2, b"\0" * 99))
    broken("more-than-codes.gif", "truncated", gif(65535, 2730, bytes(24), [gif_frame(0, 0, np.zeros((1, 1), np.uint8), 3)]))
    broken("only-magic.jpg", "truncated", jpg[:4])
    broken("truncated-header.jpg", "truncated", jpg[:frame - 20])
    broken("truncated-frame.jpg", "truncated", jpg[:frame + 5])
    broken("truncated-middle.jpg", "truncated", jpg[:-len(jpg) // 4])
    broken("truncated-progressive.jpg", "truncated", prog[:-len(prog) // 5])
    broken("no-frame.jpg", "corrupt", jpg[:2] + jpg[jpg.index(b"\xff\xda"):])
    broken("bad-table.jpg", "corrupt", put(jpg, jpg.index(b"\xff\xc4") + 5, b"\xff" * 16))
    broken("no-table.jpg", "corrupt", put(jpg, jpg.index(b"\xff\xda") + 6, b"\x33"))
    broken("bad-segment.jpg", "corrupt", put(jpg, 4, b"\0\1"))
    broken("12-bit.jpg", "unsupported", put(jpg, frame + 4, b"\x0c"))
    broken("two-channels.jpg", "unsupported", put(jpg, frame + 9, b"\2"))
    broken("zero-height.jpg", "zero_sized", put(jpg, frame + 5, b"\0\0"))
    broken("zero-width.jpg", "zero_sized", put(jpg, frame + 7, b"\0\0"))
    broken("huge.jpg", "too_large", put(jpg, frame + 5, b"\xff\xdc\xff\xdc"))
    broken("truncated-header.png", "truncated", image[:20])
    broken("truncated-middle.png", "truncated", image[:len(image) // 2])
    broken("no-end.png", "truncated", image[:-12])
    broken("wrong-sum.png", "corrupt", put(image, len(image) // 2, bytes([image[len(image) // 2] ^ 255])))
    broken("wrong-magic.png", "unknown_format", put(image, 1, b"PMG"))
    broken("line-ends.png", "unknown_format", image.replace(b"\r\n", b"\n"))
    broken("zero-width.png", "zero_sized", png(0, 5, 8, 2, b"\0"))
    broken("huge.png", "too_large", png(100000, 100000, 8, 2, b"\0"))
    broken("too-few-pixels.png", "corrupt", png(20, 20, 8, 2, b"\0" * 99))
    broken("bad-colour.png", "corrupt", png(20, 20, 8, 5, b"\0" * 420))
    broken("no-palette.png", "corrupt", png(20, 20, 8, 3, b"\0" * 420))
    broken("bad-deflate.png", "corrupt", image[:33] + chunk(b"IDAT", b"\x78\x9c" + b"\xff" * 50) + chunk(b"IEND", b""))
    broken("truncated-header.gif", "truncated", anim[:11])
    broken("truncated-palette.gif", "truncated", anim[:100])
    broken("truncated-middle.gif", "truncated", anim[:-len(anim) // 5])
    broken("no-picture.gif", "corrupt", anim[:13 + 768] + b";")
    broken("bad-code.gif", "corrupt", gif(9, 9, bytes(24), [b"," + struct.pack("<HHHHB", 0, 0, 9, 9, 0) + gif_blocks(b"\xff" * 40, 3)]))
    broken("zero-sized.gif", "zero_sized", gif(0, 0, bytes(24), [gif_frame(0, 0, np.zeros((0, 0), np.uint8), 3)]))
    broken("truncated-header.bmp", "truncated", f["rgb.bmp"][:40])
    broken("truncated-middle.bmp", "truncated", f["rgb.bmp"][:-500])
    broken("run-length.bmp", "corrupt", put(f["palette.bmp"], 30, b"\1"))
    broken("huge.bmp", "too_large", put(f["rgb.bmp"], 18, struct.pack("<ii", 70000, 70000)))
    broken("truncated.ppm", "truncated", f["rgb.ppm"][:-100])
    broken("truncated-plain.ppm", "truncated", b"P3 3 3 255 1 2 3")
    broken("letters.pgm", "corrupt", b"P2 2 2 255 1 2 x 4")
    broken("zero-most.pgm", "corrupt", b"P5 2 2 0 " + bytes(4))
    broken("huge.pgm", "too_large", b"P5 99999999 99999999 255 ")
    broken("truncated.tga", "truncated", f["rgb.tga"][:-800])
    broken("truncated-packed.tga", "truncated", f["packed.tga"][:60])
    broken("truncated.psd", "truncated", f["rgb.psd"][:-40])
    broken("lab.psd", "unsupported", psd(np.zeros((3, 3, 3), np.uint8), 3, 9))
    broken("truncated-header.webp", "truncated", f["lossy.webp"][:24])
    broken("truncated-middle.webp", "truncated", f["lossy.webp"][:-60])
    broken("bad-start.webp", "corrupt", put(f["lossy.webp"], 23, b"\0\0\0"))
    broken("bad-data.webp", "corrupt", put(f["lossless.webp"], 25, b"\xff" * 60))


def main():
    for folder in (GOLDEN, BROKEN, GOOD):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
    files = good_files()
    decodes(files)
    near_files()
    resizes()
    prepares(files)
    broken_files(files)
    for name in ("rgb.jpg", "grey.png", "palette.gif", "rgb.ppm", "rgb.bmp"):
        shutil.copy(os.path.join(GOLDEN, name), GOOD)
    open(os.path.join(GOLDEN + ".txt"), "w").write("\n".join(lines) + "\n")


main()
