#!/usr/bin/env python3
"""speed.py BUILD CHROMIUM [RECORDS [TIMES [IN_TAR]]] - how fast vlm-page's page opens and scrolls in a browser, and
what a page of many records (100000; 0: none) out of a tar takes, for which it needs 3 GiB in TMPDIR.

Times of a task are processor time of the page's main thread, and beside it what a clock says: others who compute at
the same time make the second longer, not the first.
"""
import io
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time

from PIL import Image, ImageDraw
from playwright.sync_api import sync_playwright

PICTURES, STEPS, LONG = 200, 60, 50


def visit(page, path):
    """Opens a page; seconds until cards are there."""
    begin = time.time()
    page.goto('file://' + os.path.abspath(path))
    page.wait_for_function('() => window.vlmPage && vlmPage.cardsAlive() > 0')
    return time.time() - begin


def tasks(trace):
    """(processor time, time) in ms of each task of the main thread that was busiest."""
    names = {(e['pid'], e['tid']): e['args']['name'] for e in trace if e.get('name') == 'thread_name'}
    threads = {}
    for e in trace:
        if e.get('name') == 'RunTask' and e.get('ph') == 'X' and names.get((e['pid'], e['tid'])) == 'CrRendererMain':
            threads.setdefault(e['pid'], []).append((e.get('tdur', 0) / 1000, e['dur'] / 1000))
    return max(threads.values(), key=lambda list: sum(t[0] for t in list), default=[])


def traced(browser, page, act):
    browser.start_tracing(page=page, categories=['toplevel', 'disabled-by-default-devtools.timeline'])
    result = act()
    return result, tasks(json.loads(browser.stop_tracing())['traceEvents'])


def scroll(browser, page):
    """Through the grid in steps of two screens: (most cards alive, tasks)."""
    def act():
        cards = 0
        for i in range(STEPS):
            page.evaluate(f'document.getElementById("grid").scrollTop = {i * 1700}')
            page.wait_for_timeout(40)
            cards = max(cards, page.locator('.card').count())
        return cards
    return traced(browser, page, act)


def main():
    build, chromium = os.path.abspath(sys.argv[1]), sys.argv[2]
    records, times, in_tar = (int(sys.argv[i]) if len(sys.argv) > i else default for i, default in ((3, 20000), (4, 5), (5, 100000)))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        os.chdir(folder)
        pictures()
        made = write(build, records)
        print(f'vlm-page, {records} records: {made:.1f} s, {os.path.getsize("many.html") / 2**20:.1f} MiB and {len(os.listdir("many.sprites")) if os.path.isdir("many.sprites") else 0} sheets')
        browser = play.chromium.launch(executable_path=chromium, args=['--no-sandbox'])
        opened, busy, worst, late, alive = [], [], [], [], 0
        for _ in range(times):
            page = browser.new_context(viewport={'width': 1280, 'height': 900}).new_page()
            seconds, list = traced(browser, page, lambda: visit(page, 'many.html'))
            opened.append(seconds)
            busy.append(sum(t[0] for t in list) / 1000)
            cards, list = scroll(browser, page)
            alive = max(alive, cards)
            worst.append(max(t[0] for t in list))
            late.append(sum(t[1] > LONG for t in list))
            page.context.close()
        if in_tar:
            make_tar(in_tar)
            measured(build, in_tar)
            page = browser.new_context(viewport={'width': 1280, 'height': 900}).new_page()
            print(f'it opens in {visit(page, "many.html"):.2f} s')
            measured(build, in_tar, '--sample', '1000')
        browser.close()
    load = os.getloadavg()[0]
    print(f'page opens in {statistics.median(opened):.2f} s ({statistics.median(busy):.2f} s of its thread; at most 2 s), median of {times}, load {load:.1f}')
    print(f'longest task while scrolling {statistics.median(worst):.0f} ms of its thread (at most {LONG}); by the clock {statistics.median(late):.0f} of each run were over {LONG} ms; '
          f'{alive} cards alive (at most 200)')


def make_tar(records):
    """Samples of a picture of 256 x 256 pixels, as a crawl leaves them, and a record."""
    draw, files = random.Random(4), []
    for _ in range(PICTURES):
        noise = Image.effect_noise((64, 64), 90).resize((256, 256), Image.BICUBIC).convert('RGB')
        image, out = Image.blend(noise, Image.new('RGB', (256, 256), tuple(draw.randrange(256) for _ in range(3))), 0.5), io.BytesIO()
        image.save(out, 'JPEG', quality=90)
        files.append(out.getvalue())
    with tarfile.open('many.tar', 'w') as tar:
        for i in range(records):
            record = {'text': f'picture number {i} with some words', 'itm': round(draw.random(), 5), 'itc': round(draw.uniform(-0.1, 0.5), 5)}
            for name, data in ((f'{i:06d}.jpg', files[i % PICTURES]), (f'{i:06d}.json', json.dumps(record).encode())):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))


def measured(build, records, *options):
    """A page of the tar: its time, and the most memory of the process, as the kernel counts it from exec on."""
    shutil.rmtree('many.sprites', ignore_errors=True)
    begin, most = time.time(), 0
    process = subprocess.Popen([os.path.join(build, 'vlm-page'), '-q', *options, '-o', 'many.html', 'many.tar'])
    while process.poll() is None:
        with open(f'/proc/{process.pid}/status') as f:
            most = max([most] + [int(line.split()[1]) for line in f if line.startswith('VmHWM:')])
        time.sleep(0.05)
    seconds = time.time() - begin
    sheets = [entry.stat().st_size for entry in os.scandir('many.sprites')] if os.path.isdir('many.sprites') else []
    print(f'{" ".join(["vlm-page", *options])}, {records} records of a tar of {os.path.getsize("many.tar") / 2**30:.2f} GiB: {seconds:.1f} s, {most / 1024:.0f} MiB of memory, '
          f'a page of {os.path.getsize("many.html") / 2**20:.1f} MiB' + (f' and {len(sheets)} sheets of {sum(sheets) / 2**20:.0f} MiB' if sheets else ''))


def pictures():
    draw = random.Random(1)
    for i in range(PICTURES):
        image = Image.new('RGB', (160, 120), tuple(draw.randrange(256) for _ in range(3)))
        ImageDraw.Draw(image).ellipse((20, 20, 20 + draw.randrange(40, 130), 110), fill=tuple(draw.randrange(256) for _ in range(3)))
        image.save(f'{i}.jpg')


def write(build, records):
    """Records of the pictures, and their page; seconds that vlm-page took."""
    draw = random.Random(2)
    with open('many.jsonl', 'w') as f:
        for i in range(records):
            r = {'id': i, 'image': f'{i % PICTURES}.jpg', 'text': f'picture number {i}', 'itm': round(draw.random(), 5), 'itc': round(draw.uniform(-0.1, 0.5), 5)}
            f.write(json.dumps(r) + '\n')
    begin = time.time()
    subprocess.run([os.path.join(build, 'vlm-page'), '-q', '-o', 'many.html', 'many.jsonl'], check=True)
    return time.time() - begin


if __name__ == '__main__':
    main()
