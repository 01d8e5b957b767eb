#!/usr/bin/env python3
"""browser.py BUILD CHROMIUM [RECORDS] - vlm-page's page in a real browser, as TAP.

Makes pictures and records, writes the page, opens it from disk and looks: what it asks for, how many cards are
alive, whether its threshold counts as vlm-filter does, whether decisions change what they name and nothing else,
whether hostile text stays inert, what an accessibility checker finds.
"""
import json
import os
import random
import subprocess
import sys
import tempfile
import time

from axe_playwright_python.sync_playwright import Axe
from PIL import Image, ImageDraw
from playwright.sync_api import sync_playwright

BUILD, CHROMIUM = os.path.abspath(sys.argv[1]), sys.argv[2]
MANY = int(sys.argv[3]) if len(sys.argv) > 3 else 20000
HOSTILE = ['<script>window.hacked = 1</script>', '"><img src=x onerror="window.hacked = 1">', "'\"&<>", '\u202eright to left\u202c',
           '\u001b[31mred\u001b[0m', '</script><script>window.hacked = 1</script>', '<!--', '\u05e9\u05dc\u05d5\u05dd', '\u2028\u2029']
count = 0


def ok(good, name, why=''):
    global count
    count += 1
    print(f"{'ok' if good else 'not ok'} {count} - {name}", flush=True)
    if not good:
        print(f'# {why}')


def run(*words, **more):
    return subprocess.run([os.path.join(BUILD, words[0]), *words[1:]], check=True, stdout=subprocess.PIPE, **more).stdout.decode()


def pictures(folder, many):
    draw = random.Random(1)
    for i in range(many):
        image = Image.new('RGB', (160, 120), tuple(draw.randrange(256) for _ in range(3)))
        ImageDraw.Draw(image).ellipse((20, 20, 20 + draw.randrange(40, 130), 110), fill=tuple(draw.randrange(256) for _ in range(3)))
        image.save(f'{folder}/{i}.jpg')


def records(many):
    draw = random.Random(2)
    for i in range(many):
        r = {'id': i, 'image': f'{i % 200}.jpg', 'text': f'picture number {i}', 'itm': round(draw.random(), 5), 'itc': round(draw.uniform(-0.1, 0.5), 5)}
        if i < len(HOSTILE):
            r['text'] = r['note'] = HOSTILE[i]
        if i % 50 == 49:
            r = {'id': i, 'image': 'gone.jpg', 'error': {'stage': 'read', 'code': 'not_found', 'message': 'gone.jpg: <b>no such file</b>'}}
        yield json.dumps(r) + '\n'


def opened(browser, path, **more):
    context = browser.new_context(viewport={'width': 1280, 'height': 900}, accept_downloads=True, **more)
    page = context.new_page()
    page.problems, page.asked = [], []
    page.on('console', lambda m: page.problems.append(m.text) if m.type == 'error' else None)
    page.on('pageerror', lambda e: page.problems.append(str(e)))
    page.on('request', lambda r: page.asked.append(r.url))
    begin = time.time()
    page.goto('file://' + os.path.abspath(path))
    page.wait_for_function('window.vlmPage && vlmPage.cardsAlive() > 0')
    page.seconds = time.time() - begin
    return page


def small(browser):
    with open('scored.jsonl', 'w') as f:
        f.writelines(records(400))
    run('vlm-filter', '--keep', 'itm >= 0.5', '--dropped', 'd.jsonl', '-o', 'k.jsonl', 'scored.jsonl')
    run('vlm-page', '--dropped', 'd.jsonl', '-o', 'page.html', 'k.jsonl')
    page = opened(browser, 'page.html')
    ok(len(page.asked) == 1, 'nothing but the page is asked for', page.asked[:5])
    ok(not page.problems, 'no error in the console', page.problems[:5])
    ok(page.evaluate('window.hacked') is None, 'hostile texts run nothing')
    texts = page.evaluate('vlmPage.rows.map(r => r.record.text)')
    ok(all(h in texts for h in HOSTILE), 'and come as they were')
    ok('\\u202e' in page.inner_text('#cards') or '\\u001b' in page.inner_text('#cards'), 'characters that change the direction are spelt out')
    for limit in (0.2, 0.5, 0.81234, 0.977):
        says = page.evaluate('limit => { vlmPage.setLimit(limit); return document.getElementById("limit-says").textContent }', limit)
        rule = page.inner_text('#limit-filter').split("'")[1]
        kept = sum('"error"' not in line for line in run('vlm-filter', '--keep', rule, 'scored.jsonl').splitlines())
        ok(f': {kept} of ' in says, f"{rule}: the page counts as vlm-filter does", f'{says}; vlm-filter: {kept}')
    box = page.locator('.histogram[data-field=itm] svg').bounding_box()
    before = page.inner_text('#limit-says')
    page.mouse.move(box['x'] + 20, box['y'] + 20)
    page.mouse.down()
    page.mouse.move(box['x'] + box['width'] * 0.75, box['y'] + 20, steps=4)
    page.mouse.up()
    rule = page.inner_text('#limit-filter').split("'")[1]
    kept = sum('"error"' not in line for line in run('vlm-filter', '--keep', rule, 'scored.jsonl').splitlines())
    ok(page.inner_text('#limit-says') != before and f': {kept} of ' in page.inner_text('#limit-says'), 'a dragged threshold counts as vlm-filter does')
    return page


def review(page, browser):
    page.select_option('#view', 'kept')
    page.locator('.card').first.click()
    keys = 'xpxxpxpxxx'
    chosen = []
    for key in keys:
        chosen.append(page.evaluate('document.querySelector(".card.current .name").textContent + document.querySelector(".card.current .words").textContent'))
        page.keyboard.press(key)
    ok(len(set(chosen)) == len(keys), 'every key moves to the next record', chosen)
    page.keyboard.press('x')
    page.keyboard.press('ArrowLeft')
    page.keyboard.press('u')
    ok('10 in all' in page.inner_text('#decided'), 'U takes the last one back', page.inner_text('#decided'))
    with page.expect_download() as download:
        page.click('#save')
    download.value.save_as('decisions.jsonl')
    lines = [json.loads(line) for line in open('decisions.jsonl')]
    ok([line['keep'] for line in lines] == [k == 'p' for k in keys], 'ten decisions, in order', lines)
    rule = ['vlm-filter', '--keep', 'itm >= 0.5', 'scored.jsonl']
    plain, decided = (set(run(*rule, *more).splitlines()) for more in ((), ('--decisions', 'decisions.jsonl')))
    gone = {json.loads(line)['id'] for line in plain - decided}
    ok(gone == {line['id'] for line in lines if not line['keep']} and not decided - plain, 'applied, they change these records and no other', gone)
    text = page.evaluate('vlmPage.decisionLines()')
    page.reload()
    page.wait_for_function('window.vlmPage && vlmPage.cardsAlive() > 0')
    ok(page.evaluate('vlmPage.decisionLines()') == text, 'a reload keeps the review')
    page.check('#blind')
    ok(page.locator('.bar:visible, .state:visible, .why:visible').count() == 0, 'blind: no scores, no reasons')
    page.uncheck('#blind')
    told = json.loads(run('vlm-eval', '--task', 'itm', 'decisions.jsonl'))
    ok(f"AUC {told['auc'] / 100 if told['auc'] > 1 else told['auc']:.3f}" in page.inner_text('#agreement'), 'the AUC is vlm-eval\'s', (told, page.inner_text('#agreement')))


def accessible(browser):
    for scheme, width in (('light', 1280), ('dark', 1280), ('light', 420)):
        context = browser.new_context(viewport={'width': width, 'height': 900}, color_scheme=scheme)
        page = context.new_page()
        page.goto('file://' + os.path.abspath('page.html'))
        page.wait_for_function('window.vlmPage && vlmPage.cardsAlive() > 0')
        found = Axe().run(page).response['violations']
        ok(not found, f'axe finds nothing, {scheme}, {width} wide', [(v['id'], [n['html'][:120] for n in v['nodes'][:3]]) for v in found])
        context.close()


def large(browser):
    with open('many.jsonl', 'w') as f:
        f.writelines(records(MANY))
    begin = time.time()
    run('vlm-page', '-o', 'many.html', 'many.jsonl')
    made = time.time() - begin
    page = opened(browser, 'many.html')
    print(f'# {MANY} records: page made in {made:.1f} s, {os.path.getsize("many.html") / 2**20:.1f} MiB, open in {page.seconds:.2f} s')
    page.evaluate('''() => { window.tasks = []; new PerformanceObserver(l => l.getEntries().forEach(e => tasks.push(e.duration)))
        .observe({ type: 'longtask' }) }''')
    most = 0
    for i in range(60):
        page.evaluate(f'document.getElementById("grid").scrollTop = {i * 1700}')
        page.wait_for_timeout(30)
        most = max(most, page.evaluate('vlmPage.cardsAlive()'), page.locator('.card').count())
    tasks = page.evaluate('tasks')
    ok(most <= 200, f'at most 200 cards are alive ({most})')
    print(f'# while scrolling: {len(tasks)} tasks over 50 ms {[round(t) for t in tasks]}')
    sheets = {url for url in page.asked if '.sprites/' in url}
    ok(all('.sprites/' in url or url.endswith('many.html') for url in page.asked), 'nothing but the page and its sheets is asked for')
    ok(os.path.isdir('many.sprites') == bool(sheets), 'sheets are used where there are any')


with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
    os.chdir(folder)
    pictures('.', 200)
    browser = play.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox'])
    review(small(browser), browser)
    accessible(browser)
    large(browser)
    browser.close()
print(f'1..{count}')
