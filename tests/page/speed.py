#!/usr/bin/env python3
"""speed.py BUILD CHROMIUM [RECORDS [TIMES]] - how fast vlm-page's page opens and scrolls in a browser.

Times of a task are processor time of the page's main thread, and beside it what a clock says: others who compute at
the same time make the second longer, not the first.
"""
import json
import os
import random
import statistics
import subprocess
import sys
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
    records, times = (int(sys.argv[i]) if len(sys.argv) > i else default for i, default in ((3, 20000), (4, 5)))
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
        browser.close()
    load = os.getloadavg()[0]
    print(f'page opens in {statistics.median(opened):.2f} s ({statistics.median(busy):.2f} s of its thread; at most 2 s), median of {times}, load {load:.1f}')
    print(f'longest task while scrolling {statistics.median(worst):.0f} ms of its thread (at most {LONG}); by the clock {statistics.median(late):.0f} of each run were over {LONG} ms; '
          f'{alive} cards alive (at most 200)')


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
