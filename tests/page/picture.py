#!/usr/bin/env python3
"""picture.py PAGE CHROMIUM PICTURE - the picture of README: the page of `make demo`, seen in a browser.

    python3 tests/page/picture.py build/review.html /usr/bin/chromium tests/page/review.png
"""
import io
import os
import sys

from PIL import Image
from playwright.sync_api import sync_playwright

COLOURS = 64

page_path, chromium, picture = sys.argv[1:]
with sync_playwright() as play:
    browser = play.chromium.launch(executable_path=chromium, args=['--no-sandbox'])
    page = browser.new_context(viewport={'width': 1200, 'height': 760}, color_scheme='light').new_page()
    page.goto('file://' + os.path.abspath(page_path))
    page.wait_for_function('() => window.vlmPage && vlmPage.cardsAlive() > 0')
    page.select_option('#view', 'surprise')
    page.wait_for_function('() => [...document.images].every(i => i.complete)')
    shot = Image.open(io.BytesIO(page.screenshot())).convert('RGB')
    browser.close()
shot.quantize(COLOURS, dither=Image.Dither.NONE).save(picture, optimize=True)
