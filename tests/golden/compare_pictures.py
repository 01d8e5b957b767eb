#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""compare_pictures.py PROGRAM COUNT: our PNG, GIF, BMP, TGA, PNM, PSD and ICO against Pillow's, as TAP.

PROGRAM is build/tests/unit/image.  COUNT random pictures of each format are made, of every depth,
palette, transparency, packing and order of rows that the format has, and some with an index behind the
end of the palette.  What Pillow reads, we read, with the same mode and the same pixels, with alpha
dropped and with alpha laid on white.  What Pillow does not read is not compared.
"""
import io
import os
import random
import struct
import subprocess
import sys
import tempfile
import warnings
import zlib

from PIL import Image

warnings.simplefilter("ignore")
r = random.Random(19)


def noise(n, most=256):
    kind = r.random()
    if kind < .4:
        return bytes(r.randrange(most) for _ in range(n))
    few = [r.randrange(most) for _ in range(3)]
    out = bytearray()
    while len(out) < n:
        out += bytes([r.choice(few)]) * r.randint(1, 9)
    return bytes(out[:n])


def picture(mode, w, h):
    if mode == "1":
        return Image.frombytes("L", (w, h), noise(w * h)).point(lambda v: 255 * (v > 127)).convert("1")
    i = Image.frombytes(mode, (w, h), noise(w * h * len(Image.new(mode, (1, 1)).getbands())))
    if mode == "P":
        i.putpalette(noise(768))
    return i


def saved(i, form, **more):
    b = io.BytesIO()
    i.save(b, form, **more)
    return b.getvalue()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(w, h):
    colour, depth = r.choice([(0, 1), (0, 2), (0, 4), (0, 8), (2, 8), (2, 16), (3, 1), (3, 2), (3, 4), (3, 8), (4, 8), (4, 16), (6, 8), (6, 16)])
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    interlaced = r.random() < .4
    rows = b""
    step = max(1, samples * depth // 8)
    for x0, y0, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)) if interlaced else ((0, 0, 1, 1),):
        n = (w - x0 + dx - 1) // dx if w > x0 else 0
        for y in range(y0, h, dy):
            if n:
                rows += bytes([r.randrange(5)]) + noise((n * samples * depth + 7) // 8)
    extra = b""
    if colour == 3:
        extra += chunk(b"PLTE", noise(3 * r.choice([1 << depth, r.randint(1, 1 << depth)])))
        if r.random() < .5:
            extra += chunk(b"tRNS", noise(r.randint(1, 1 << depth)))
    elif colour in (0, 2) and r.random() < .5:
        key = [rows[1] >> (8 - depth) if depth < 8 else rows[1] * (257 if depth == 16 else 1)] * samples
        extra += chunk(b"tRNS", b"".join(struct.pack(">H", k) for k in key))
    if r.random() < .2:
        extra += chunk(b"tEXt", b"Title\0a picture")
    packed = zlib.compress(rows, r.randint(0, 9))
    cut = sorted(r.randint(0, len(packed)) for _ in range(2))
    data = b"".join(chunk(b"IDAT", p) for p in (packed[:cut[0]], packed[cut[0]:cut[1]], packed[cut[1]:]))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, interlaced)) + extra + data + chunk(b"IEND", b"")


def gif(w, h):
    i = picture(r.choice(["P", "L", "1"]), w, h)
    more = {}
    if r.random() < .5:
        more["transparency"] = r.randrange(256)
    if r.random() < .3:
        more.update(save_all=True, append_images=[picture("P", w, h)])
    data = bytearray(saved(i, "GIF", interlace=r.randrange(2), optimize=False, **more))
    if r.random() < .3:  # a larger canvas
        struct.pack_into("<HH", data, 6, w + r.randint(0, 5), h + r.randint(0, 5))
    if r.random() < .2 and data[10] & 0x80 and data[10] & 7 == 7:  # a palette that ends early
        n = r.randint(0, 6)
        data[10] = data[10] & 0xf8 | n
        del data[13 + 3 * (2 << n):13 + 768]
    return bytes(data)


def runs(w, h, four):
    most, out = 16 if four else 256, b""
    for y in range(h):
        x = 0
        while x < w:
            n = min(r.randint(1, 9), w - x)
            if r.random() < .6 or n < 3:
                out += bytes([n, r.randrange(256)])
            else:
                body = noise((n + 1) // 2) if four else noise(n)
                out += bytes([0, n]) + body + bytes(len(body) % 2)
            x += n
        if y + 1 < h or r.random() < .5:
            out += b"\0\0"
        if y + 3 < h and r.random() < .1:
            return out + bytes([0, 2, r.randint(0, 3), 1]) + runs(w, h - y - 2, four)
    return out + b"\0\1"


def dib(w, h, double=False):
    bits = r.choice([1, 4, 8, 16, 24, 32])
    size = r.choice([40, 40, 108, 124]) if not double else 40
    packing, masks = 0, b""
    stride = (w * bits + 31) // 32 * 4
    pixels = b"".join(noise((w * bits + 7) // 8).ljust(stride, b"\0") for _ in range(h))
    if bits in (4, 8) and r.random() < .4 and not double:
        packing = 2 if bits == 4 else 1
        pixels = runs(w, h, bits == 4)
    if bits in (16, 32) and r.random() < .5 and not double:
        packing = 3
        masks = r.choice([(0xf800, 0x7e0, 0x1f, 0), (0x7c00, 0x3e0, 0x1f, 0)] if bits == 16 else
                         [(0xff0000, 0xff00, 0xff, 0), (0xff, 0xff00, 0xff0000, 0xff000000), (0xff0000, 0xff00, 0xff, 0xff000000), (0, 0, 0, 0)])
        masks = struct.pack("<4I", *masks)
    colours = 0 if bits > 8 else r.choice([0, 1 << bits, r.randint(1, 1 << bits)])
    count = colours or (1 << bits if bits <= 8 else 0)
    palette = b"".join(bytes([v, v, v, 0]) for v in range(count)) if bits == 8 and r.random() < .2 else noise(4 * count)
    down = r.random() < .3 and not packing and not double
    head = struct.pack("<IiiHHIIiiII", size, w, -h if down else h * (1 + double), 1, bits, packing, len(pixels), 0, 0, colours, 0)
    if size > 40:
        head = (head + masks).ljust(size, b"\0")
    elif packing == 3:
        head += masks[:12]
    return head + palette, pixels, bits


def bmp(w, h):
    if r.random() < .15:
        return saved(picture(r.choice(["1", "L", "P", "RGB", "RGBA"]), w, h), "BMP")
    head, pixels, _ = dib(w, h)
    return b"BM" + struct.pack("<IHHI", 14 + len(head + pixels), 0, 0, 14 + len(head)) + head + pixels


def ico(w, h):
    entries = []
    for _ in range(r.randint(1, 3)):
        if r.random() < .4:
            i = picture(r.choice(["RGB", "RGBA", "P", "L"]), w, h)
            entries.append((saved(i, "PNG"), r.choice([0, 8, 24, 32]), w, h))
        else:
            ww, hh = r.randint(1, w), r.randint(1, h)
            head, pixels, bits = dib(ww, hh, True)
            entries.append((head + pixels + noise((ww + 31) // 32 * 4 * hh), bits, ww, hh))
    at, out, bodies = 6 + 16 * len(entries), struct.pack("<HHH", 0, 1, len(entries)), b""
    for body, bits, ww, hh in entries:
        out += struct.pack("<BBBBHHII", ww, hh, r.choice([0, 16]), 0, 1, r.choice([bits, bits, 0]), len(body), at + len(bodies))
        bodies += body
    return out + bodies


def tga(w, h):
    kind, depth = r.choice([(1, 8), (2, 16), (2, 24), (2, 32), (3, 8), (3, 16)])
    packed = r.random() < .5
    first, count, bits = (r.randint(0, 9), r.choice([256, r.randint(1, 200)]), r.choice([16, 24, 32])) if kind == 1 else (0, 0, 0)
    n = depth // 8
    if packed:
        data, left = b"", w * h
        while left > 0:
            run = min(left, r.randint(1, 128))
            data += bytes([run + 127]) + noise(n) if r.random() < .5 else bytes([run - 1]) + noise(n * run)
            left -= run
    else:
        data = noise(w * h * n)
    alpha = {16: 1, 32: 8}.get(depth, 0) if kind == 2 else 0
    head = struct.pack("<BBBHHBHHHHBB", 3, kind == 1, kind + 8 * packed, first, count, bits, 0, 0, w, h, depth, r.choice([0, 0x20, 0x10, 0x30]) | alpha)
    out = head + b"id." + noise(count * bits // 8) + data
    if r.random() < .3:
        extension = bytes(494) + bytes([r.choice([0, 3])])
        out += extension + struct.pack("<II", len(out), 0) + b"TRUEVISION-XFILE.\0"
    return out


def pnm(w, h):
    kind = r.randint(1, 6)
    most = 1 if kind in (1, 4) else r.choice([255, 255, 1, 15, 100, 254] + ([1000, 65535] if kind in (3, 6) else []))
    n = w * h * (3 if kind % 3 == 0 else 1)
    out = b"P%d\n# a picture\n%d %d\n" % (kind, w, h) + (b"" if kind in (1, 4) else b"%d\n" % most)
    values = [r.randint(0, most) for _ in range(n)]
    if kind == 4:
        return out + noise((w + 7) // 8 * h)
    if kind <= 3:
        return out + b" ".join(b"%d" % v for v in values) + b"\n"
    return out + b"".join(struct.pack(">H" if most > 255 else ">B", v) for v in values)


def psd(w, h):
    kind, channels = r.choice([(1, 1), (8, 1), (2, 1), (3, 3), (3, 4), (3, 5), (4, 4), (4, 5)])
    palette = noise(768) if kind == 2 else b""
    out = b"8BPS" + struct.pack(">H6xHIIHH", 1, channels, h, w, 8, kind)
    out += b"".join(struct.pack(">I", len(b)) + b for b in (palette, b"", b""))
    rows = [noise(w) for _ in range(channels * h)]
    if channels == 5 or r.random() < .5:  # Pillow misplaces the rows of five packed channels
        return out + b"\0\0" + b"".join(rows)
    packed = []
    for row in rows:
        p, x = b"", 0
        while x < w:
            n = min(r.randint(1, 128), w - x)
            if row[x:x + n] == row[x:x + 1] * n and n > 1:
                p += bytes([257 - n]) + row[x:x + 1]
            else:
                p += bytes([n - 1]) + row[x:x + n]
            x += n
        packed.append(p)
    return out + b"\0\1" + b"".join(struct.pack(">H", len(p)) for p in packed) + b"".join(packed)


def wanted(data):
    """Pillow's answer, None where it has none."""
    try:
        i = Image.open(io.BytesIO(data))
        i.load()
    except Exception:
        return None
    mode = {"I;16": "I16", "I": "I16"}.get(i.mode, i.mode)
    rgb = i.convert("RGB")
    laid = rgb
    if "A" in i.getbands() or i.info.get("transparency") is not None:
        laid = Image.alpha_composite(Image.new("RGBA", i.size, "white"), i.convert("RGBA")).convert("RGB")
    if mode == "I16":
        return None  # Pillow clips, we take the high byte
    return "%s %d %d 1 %08x %08x" % (mode, *i.size, zlib.crc32(rgb.tobytes()), zlib.crc32(laid.tobytes()))


def main():
    program, count = sys.argv[1], int(sys.argv[2])
    status = 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "picture")
        p = subprocess.Popen([program, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        makers = (png, gif, bmp, ico, tga, pnm, psd)
        for t, make in enumerate(makers):
            bad = read = 0
            for n in range(count):
                data = make(r.randint(1, 40), r.randint(1, 30))
                want = wanted(data)
                if want is None:
                    continue
                open(path, "wb").write(data)
                p.stdin.write(path + "\n")
                p.stdin.flush()
                got = p.stdout.readline().strip()
                read += 1
                if got != want:
                    bad += 1
                    status = 1
                    if bad <= 3:
                        print("# picture %d: wanted %s\n#   got %s" % (n, want, got))
                        if os.environ.get("KEEP"):
                            open("%s/%s-%d" % (os.environ["KEEP"], make.__name__, n), "wb").write(data)
            print("%s %d - %s: %d differences in %d pictures that Pillow reads, of %d" %
                  ("not ok" if bad or not read else "ok", t + 1, make.__name__, bad, read, count))
    print("1..%d" % len(makers))
    sys.exit(status)


main()
