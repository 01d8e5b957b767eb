#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""compare_photos.py PROGRAM: pictures as phones, scanners and web sites make them, read by us and by Pillow
with pillow-heif, as TAP.

PROGRAM is build/tests/unit/image.  A line is printed for each picture: what it is, what we say of it, and
the largest difference of the upright RGB pixels, alpha laid on white.  Formats without loss must be equal;
JPEG too, since Pillow's libjpeg decodes as ours.  HEIF and AVIF with colour at half the resolution are
converted by other code (libheif 1.15 repeats a colour sample where libavif and later libheif interpolate), so
pixels of these small pictures differ by 3 levels in the mean at most.

Then a picture in each orientation, as JPEG, PNG, WebP and TIFF, has the same vector with --orient=apply as
the upright one.
"""
import io
import json
import math
import os
import struct
import subprocess
import sys
import tempfile

import numpy as np
import pillow_heif
from PIL import Image, ImageOps, TiffImagePlugin

pillow_heif.register_heif_opener()


def photo(w=97, h=61, mode="RGB"):
    y, x = np.mgrid[0:h, 0:w]
    planes = [127 + 80 * np.sin((x * (c + 1)) / 17.0) * np.cos(y / (9.0 + c)) + 30 * (x > y) for c in range(3)]
    i = Image.fromarray(np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8))
    if mode in ("RGBA", "LA"):
        i = i.convert("L" if mode == "LA" else "RGB")
        i.putalpha(Image.linear_gradient("L").resize((w, h)))
        return i
    return i.quantize(32) if mode == "P" else i.convert(mode)


def saved(i, form, **more):
    b = io.BytesIO()
    i.save(b, form, **more)
    return b.getvalue()


def exif(orientation):
    e = Image.Exif()
    e[0x0112] = orientation
    e[0x010f] = "Phone"
    return e.tobytes()


def tiff16(w, h):
    a = (np.arange(w * h * 3).reshape(h, w, 3) * 37 % 65536).astype("<u2")
    return tiff(w, h, a.tobytes(), 16, 3, 2)


def tiff(w, h, data, bits, samples, photometric, extra=None, orientation=1, planar=1, palette=None, signed=False):
    """An uncompressed TIFF of one strip a plane, written by hand: Pillow does not write all kinds."""
    tags = [(256, 3, [w]), (257, 3, [h]), (258, 3, [bits] * samples), (259, 3, [1]), (262, 3, [photometric]),
            (274, 3, [orientation]), (277, 3, [samples]), (278, 3, [h]), (284, 3, [planar])]
    strips = samples if planar == 2 else 1
    size = len(data) // strips
    tags += [(273, 4, [0] * strips), (279, 4, [size] * strips)]
    if extra is not None:
        tags.append((338, 3, [extra]))
    if signed:
        tags.append((339, 3, [2] * samples))
    if palette is not None:
        tags.append((320, 3, palette))
    tags.sort()
    at, out, more = 8 + 2 + 12 * len(tags) + 4, b"", b""
    room = sum(len(v) * (2 if t == 3 else 4) for _, t, v in tags if len(v) * (2 if t == 3 else 4) > 4)
    for tag, kind, values in tags:
        if tag == 273:
            values = [at + room + k * size for k in range(strips)]
        packed = struct.pack("<%d%s" % (len(values), "H" if kind == 3 else "I"), *values)
        if len(packed) > 4:
            out += struct.pack("<HHII", tag, kind, len(values), at + len(more))
            more += packed
        else:
            out += struct.pack("<HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + out + bytes(4) + more + data


def pictures():
    g, j = photo(), dict(quality=90, subsampling=0)
    for o in range(1, 9):
        yield "phone JPEG, orientation %d" % o, "jpg", saved(g, "JPEG", exif=exif(o), **j)
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    yield "JPEG, orientation in XMP alone", "jpg", saved(g, "JPEG", xmp=xmp, **j)
    yield "phone JPEG, 4:2:0, progressive", "jpg", saved(g, "JPEG", quality=80, progressive=True)
    yield "phone JPEG with an ICC profile", "jpg", saved(g, "JPEG", icc_profile=b"\0" * 300, **j)
    yield "print shop's CMYK JPEG", "jpg", saved(g.convert("CMYK"), "JPEG", **j)
    yield "scanner's grey JPEG", "jpg", saved(g.convert("L"), "JPEG", **j)
    yield "two pictures in one (MPO)", "jpg", saved(g, "MPO", save_all=True, append_images=[g.rotate(180)])
    yield "iPhone HEIC", "heic", saved(g, "HEIF", quality=80)
    yield "iPhone HEIC, EXIF orientation 6", "heic", saved(g, "HEIF", quality=80, exif=exif(6))
    yield "HEIC with alpha", "heic", saved(photo(mode="RGBA"), "HEIF", quality=80)
    yield "HEIC of grey", "heic", saved(g.convert("L"), "HEIF", quality=80)
    yield "HEIC, 4:4:4", "heic", saved(g, "HEIF", quality=90, chroma=444)
    deep = pillow_heif.from_bytes("RGB;16", (40, 30), (np.arange(40 * 30 * 3) * 53 % 65536).astype("<u2").tobytes())
    b = io.BytesIO()
    deep.save(b, quality=90)
    yield "HEIC of 10 or 12 bits", "heic", b.getvalue()
    yield "Android AVIF", "avif", saved(g, "AVIF", quality=80)
    yield "AVIF with alpha", "avif", saved(photo(mode="RGBA"), "AVIF", quality=80)
    yield "AVIF, lossless, 4:4:4", "avif", saved(g, "AVIF", quality=100, subsampling="4:4:4")
    yield "AVIF of grey", "avif", saved(g.convert("L"), "AVIF", quality=80)
    yield "screenshot PNG", "png", saved(g, "PNG")
    yield "screenshot PNG with alpha", "png", saved(photo(mode="RGBA"), "PNG")
    yield "PNG with EXIF, orientation 8", "png", saved(g, "PNG", exif=exif(8))
    yield "PNG, palette with alpha", "png", saved(photo(mode="P"), "PNG", transparency=bytes(range(0, 255, 8)))
    yield "PNG, grey with alpha", "png", saved(photo(mode="LA"), "PNG")
    yield "PNG of one bit", "png", saved(g.convert("1"), "PNG")
    yield "web site's WebP", "webp", saved(g, "WEBP", quality=80)
    yield "WebP with alpha, lossless", "webp", saved(photo(mode="RGBA"), "WEBP", lossless=True, exact=True)
    yield "WebP with EXIF, orientation 3", "webp", saved(g, "WEBP", lossless=True, exif=exif(3))
    yield "animated WebP", "webp", saved(g, "WEBP", save_all=True, append_images=[g.rotate(9)], lossless=True)
    yield "animated GIF", "gif", saved(photo(mode="P"), "GIF", save_all=True, append_images=[photo(mode="P").rotate(9)])
    yield "scanner TIFF, raw", "tif", saved(g, "TIFF")
    yield "scanner TIFF, LZW", "tif", saved(g, "TIFF", compression="tiff_lzw")
    yield "scanner TIFF, deflate, predictor", "tif", saved(g, "TIFF", compression="tiff_adobe_deflate", tiffinfo={317: 2})
    yield "scanner TIFF, JPEG inside", "tif", saved(g, "TIFF", compression="jpeg", quality=90)
    yield "scanner TIFF, PackBits, grey", "tif", saved(g.convert("L"), "TIFF", compression="packbits")
    yield "fax TIFF, group 4", "tif", saved(g.convert("1"), "TIFF", compression="group4")
    yield "TIFF, palette", "tif", saved(photo(mode="P"), "TIFF", compression="tiff_lzw")
    yield "TIFF, CMYK", "tif", saved(g.convert("CMYK"), "TIFF", compression="tiff_lzw")
    yield "TIFF with alpha", "tif", saved(photo(mode="RGBA"), "TIFF", compression="tiff_lzw")
    yield "TIFF, grey with alpha", "tif", saved(photo(mode="LA"), "TIFF")
    yield "TIFF, orientation 6", "tif", tiff(4, 2, bytes(range(24)), 8, 3, 2, orientation=6)
    yield "TIFF, planes apart", "tif", tiff(5, 3, bytes(range(0, 225, 5)), 8, 3, 2, planar=2)
    yield "TIFF, white is 0", "tif", tiff(5, 3, bytes(range(0, 225, 15)), 8, 1, 0)
    yield "TIFF, colours times alpha", "tif", tiff(4, 3, bytes(min(v, 40 + v // 4 * 4 % 200) for v in range(48)), 8, 4, 2, extra=1)
    yield "scanner TIFF of 48 bits", "tif", tiff16(40, 30)
    yield "two pages in one TIFF", "tif", saved(g, "TIFF", save_all=True, append_images=[g.rotate(180)])
    yield "Windows icon", "ico", saved(photo(64, 64, "RGBA"), "ICO", sizes=[(16, 16), (48, 48)])
    yield "Windows icon of bitmaps", "ico", saved(photo(48, 48, "RGBA"), "ICO", bitmap_format="bmp", sizes=[(48, 48)])
    yield "scanner BMP", "bmp", saved(g, "BMP")
    yield "BMP of run-length coding", "bmp", run_length_bmp(photo(mode="P"))
    yield "PNG of 48 bits", "png", png16(40, 30)
    yield "PNG, one colour transparent", "png", saved(g, "PNG", transparency=g.getpixel((20, 20)))
    yield "PNG, palette", "png", saved(photo(mode="P"), "PNG")
    yield "BigTIFF", "tif", saved(g, "TIFF", big_tiff=True)
    yield "TGA, packed", "tga", saved(g, "TGA", compression="tga_rle")


def turned(i, orientation):
    """Stored so that a viewer who heeds the orientation sees i."""
    how = {2: [Image.FLIP_LEFT_RIGHT], 3: [Image.ROTATE_180], 4: [Image.FLIP_TOP_BOTTOM], 5: [Image.TRANSPOSE],
           6: [Image.ROTATE_90], 7: [Image.TRANSVERSE], 8: [Image.ROTATE_270]}
    for t in how.get(orientation, []):
        i = i.transpose(t)
    return i


def compare_vectors(program, folder, count):
    """As many lines as formats: do turned pictures have the upright one's vector?"""
    commands = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(program))))
    model = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clip", "openai-vit.pt")
    status = 0
    for form, ending, options in (("JPEG", "jpg", dict(quality=90, subsampling=0)), ("PNG", "png", {}),
                                  ("WEBP", "webp", dict(lossless=True)), ("TIFF", "tif", {})):
        names = []
        for o in range(1, 9):
            name = os.path.join(folder, "turned%d.%s" % (o, ending))
            e = Image.Exif()
            e[0x0112] = o
            turned(photo(), o).save(name, form, exif=e.tobytes() if form != "TIFF" else e, **options)
            # JPEG loses other things when the picture lies otherwise: upright is what it shows
            upright = os.path.join(folder, "upright%d.png" % o)
            ImageOps.exif_transpose(Image.open(name)).convert("RGB").save(upright)
            assert Image.open(upright).size == photo().size
            names += [name, upright]
        out = subprocess.run([os.path.join(commands, "vlm-embed"), "-m", model, "--orient=apply"] + names,
                             stdout=subprocess.PIPE, text=True).stdout.splitlines()
        vectors = [json.loads(line).get("image_embedding") for line in out]
        good = len(vectors) == 16 and None not in vectors and vectors[::2] == vectors[1::2]
        if form != "JPEG":
            good = good and all(v == vectors[0] for v in vectors)
        status |= not good
        count += 1
        print("%s %d - %s in eight orientations: the vectors of upright pictures" % ("ok" if good else "not ok", count, form))
    return count, status


def run_length_bmp(i):
    """Of 8 bits, each row in runs and, where pixels differ, one by one; Pillow does not write it."""
    palette = (i.getpalette() + [0] * 768)[:768]
    colours = b"".join(bytes((palette[3 * k + 2], palette[3 * k + 1], palette[3 * k], 0)) for k in range(256))
    rows, data = np.asarray(i), bytearray()
    for row in rows[::-1]:
        x = 0
        while x < len(row):
            n = 1
            while x + n < len(row) and n < 255 and row[x + n] == row[x]:
                n += 1
            data += bytes((n, row[x]))
            x += n
        data += b"\0\0"
    data += b"\0\1"
    at = 14 + 40 + 1024
    return (b"BM" + struct.pack("<IHHI", at + len(data), 0, 0, at) +
            struct.pack("<IiiHHIIiiII", 40, i.width, i.height, 1, 8, 1, len(data), 2835, 2835, 256, 0) + colours + bytes(data))


def png16(w, h):
    import zlib
    a = (np.arange(w * h * 3).reshape(h, w * 3) * 37 % 65536).astype(">u2")
    raw = b"".join(b"\0" + row.tobytes() for row in a)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 16, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


def main():
    program, loss, status, count = sys.argv[1], {"heic": 24, "avif": 24}, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        p = subprocess.Popen([program, "-", "rgb"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for count, (what, ending, data) in enumerate(pictures(), 1):
            path = os.path.join(folder, "%d.%s" % (count, ending))
            open(path, "wb").write(data)
            p.stdin.write(path + "\n")
            p.stdin.flush()
            said = p.stdout.readline().split()
            i = ImageOps.exif_transpose(Image.open(path))
            if "A" in i.getbands() or i.info.get("transparency") is not None:
                i = Image.alpha_composite(Image.new("RGBA", i.size, "white"), i.convert("RGBA"))
            want = np.asarray(i.convert("RGB")).astype(int)
            worst = mean = math.inf
            if len(said) == 6:
                got = np.frombuffer(open(path + ".rgb", "rb").read(), np.uint8).astype(int)
                if got.size == want.size:
                    worst = np.abs(got.reshape(want.shape) - want).max()
                    mean = np.abs(got.reshape(want.shape) - want).mean()
            good = worst <= loss.get(ending, 0) and mean <= 3
            status |= not good
            print("%s %d - %s: %s; largest difference %s, mean %.2f" %
                  ("ok" if good else "not ok", count, what, " ".join(said[:4]), worst, mean))
        count, differ = compare_vectors(program, folder, count)
    print("1..%d" % count)
    sys.exit(status | differ)


if __name__ == "__main__":
    main()
