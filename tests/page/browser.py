#!/usr/bin/env python3
"""browser.py BUILD CHROMIUM [RECORDS] - vlm-page's page in a real browser, as TAP.

Makes pictures and records, writes the page, opens it from disk and looks: what it asks for, how many cards are
alive, whether its threshold counts as vlm-filter does, whether decisions change what they name and nothing else,
whether hostile text stays inert, what an accessibility checker finds, and how it opens and scrolls with many.
"""
import json
import os
import random
import re
import subprocess
import sys
import tempfile

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

import speed

HERE = os.path.dirname(os.path.abspath(__file__))
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
    speed.visit(page, path)
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
    page.wait_for_function('() => window.vlmPage && vlmPage.cardsAlive() > 0')
    ok(page.evaluate('vlmPage.decisionLines()') == text, 'a reload keeps the review')
    page.check('#blind')
    ok(page.locator('.bar:visible, .state:visible, .why:visible').count() == 0, 'blind: no scores, no reasons')
    page.uncheck('#blind')
    told = json.loads(run('vlm-eval', '--task', 'itm', 'decisions.jsonl'))
    ok(f"AUC {told['auc'] / 100 if told['auc'] > 1 else told['auc']:.3f}" in page.inner_text('#agreement'), 'the AUC is vlm-eval\'s', (told, page.inner_text('#agreement')))


# Every field that the page reads, with what could break out of it: markup, shell, objects that are no texts, names that
# every object has.
def broken():
    trap = {'toString': 1, 'valueOf': 2, 'toJSON': 3}
    values = [*HOSTILE, trap, [trap], None, True, [], 1e308, -0.0, '__proto__', {'__proto__': {'hacked': 1}}]
    fields = ['id', 'image', 'text', 'caption', 'source', 'reason', 'error', 'cluster', 'duplicate_of', 'duplicate_sim', 'itm', 'itc', 'heatmap', 'url']
    for field in fields:
        for value in values:
            yield {'id': 'x', 'image': '0.jpg', 'text': 'a', 'itm': 0.5, 'source': 'web', 'cluster': 1, 'duplicate_of': 'x', field: value}
    yield {'error': {'code': trap, 'message': trap, 'stage': '<b>'}, 'text': 'b'}
    yield {'error': {'code': HOSTILE[0], 'message': HOSTILE[1]}, 'image': HOSTILE[1]}
    for name in [*HOSTILE, '__proto__', 'constructor', 'toString', "x'; touch pwned; '", '$(touch pwned)', '`touch pwned`', 'a\nb', 'not', 'x"y', '-1']:
        yield {'text': name, name: 1.5}


def hostile(browser):
    with open('hostile.jsonl', 'w') as f:
        f.writelines(json.dumps(r) + '\n' for r in broken())
    title = '</h1><script>window.hacked = 1</script>\u202e'
    run('vlm-page', '--title', title, '--score', '</script><script>window.hacked = 1</script>', '--dropped', 'hostile.jsonl', '-o', 'hostile.html', 'hostile.jsonl')
    page = opened(browser, 'hostile.html')
    ok(page.inner_text('#title') == title.replace('\u202e', '\\u202e'), 'a title stands as it was given', page.inner_text('#title'))
    views = page.evaluate('[...document.getElementById("view").options].map(o => o.value)')
    for view in views:
        page.select_option('#view', view)
        for _ in range(2):
            page.keyboard.press('Escape')
            page.evaluate('document.getElementById("grid").scrollTop += 600')
    page.select_option('#view', 'all')
    for query in ('constructor:x', '__proto__:x', 'toString:1', '<script>', 'text:"', 'itm>=x', "'", '\\', '(['):
        page.fill('#search', query)
        page.wait_for_timeout(200)
    page.fill('#search', '')
    page.wait_for_timeout(200)
    for _ in range(len(HOSTILE)):
        page.locator('.card.current').dblclick(position={'x': 20, 'y': 20})
        page.keyboard.press('Escape')
        page.keyboard.press('ArrowRight')
    ok(len(page.asked) == 1 and not page.problems and page.evaluate('window.hacked || ({}).hacked') is None,
       f'hostile values in every field: nothing runs, nothing is asked for, no error ({len(views)} lists)', (page.asked[:3], page.problems[:3]))
    names = page.evaluate('[...document.querySelectorAll(".histogram")].map(h => h.dataset.field)')
    wrong = []
    for name in names:
        command = page.evaluate('name => { vlmPage.choose(name); vlmPage.setLimit(1); return [document.getElementById("limit-filter").textContent, vlmPage.wouldKeep(name, 1)] }', name)
        if not command[0].startswith('vlm-filter --'):
            continue
        got = subprocess.run(['sh', '-c', command[0] + ' -q hostile.jsonl | wc -l'], env={**os.environ, 'PATH': BUILD + ':' + os.environ['PATH']},
                             stdout=subprocess.PIPE).stdout.decode().strip()
        if got != str(command[1] // 2): # the file is there twice
            wrong.append((command, got))
    ok(len(names) > 8 and not wrong and not os.path.exists('pwned'), f'{len(names)} names of fields: the command to copy is one command', wrong)


def by_keys(browser):
    """Groups, heat maps, all fields, the blind mode, paper."""
    with open('groups.jsonl', 'w') as f:
        for i in range(40):
            r = {'image': f'{i}.jpg', 'text': f'text {i}', 'itm': i / 40, 'caption': 'c', 'secret': 0.125}
            if i % 4 in (1, 2):
                r |= {'duplicate_of': f'{i - i % 4}.jpg', 'duplicate_sim': 0.97}
            if i == 0:
                r |= {'heatmap': ['50.jpg', '51.jpg']}
            f.write(json.dumps(r) + '\n')
    for more, name in (([], 'inline'), (['--inline', '0'], 'in sheets')):
        run('vlm-page', *more, '-o', 'groups.html', 'groups.jsonl')
        page = opened(browser, 'groups.html')
        picture = '() => { const i = document.querySelector(".card.current img"); return [i.complete && i.naturalWidth > 0, i.src, i.style.left, i.style.top] }'
        page.keyboard.press('Home')
        page.wait_for_function('() => { const i = document.querySelector(".card.current img"); return i.complete && i.naturalWidth > 0 }')
        seen = [page.evaluate(picture)]
        for _ in range(3):
            page.keyboard.press('h')
            page.wait_for_timeout(50)
            seen.append(page.evaluate(picture))
        ok(seen[0] == seen[3] and len({str(s) for s in seen}) == 3, f'{name}: H shows each heat map, then the picture', seen)
    page.select_option('#view', 'duplicates')
    ok(page.inner_text('#shown').startswith('30 of 40'), 'groups: the first and its duplicates', page.inner_text('#shown'))
    ok('group of 3, cosine 0.97' in page.inner_text('#cards'), 'with their cosine')
    page.locator('.card').nth(1).get_by_text('flicker').click()
    first = page.locator('.card').nth(1).locator('img').get_attribute('style')
    changed = page.wait_for_function('first => document.querySelectorAll(".card")[1].querySelector("img").getAttribute("style") !== first', arg=first)
    ok(changed.json_value(), 'two pictures flicker')
    page.locator('.card').nth(1).get_by_text('this stays').click()
    ok([json.loads(line)['keep'] for line in page.evaluate('vlmPage.decisionLines()').splitlines()] == [False, True, False], 'one stays, the others go')
    page.keyboard.press('Home')
    page.keyboard.press('Enter')
    ok(page.locator('#details').is_visible() and 'secret' in page.inner_text('#details-fields'), 'Enter shows all fields')
    page.keyboard.press('x')
    page.keyboard.press('Escape')
    ok(not page.locator('#details').is_visible() and page.evaluate('document.activeElement.classList.contains("current")'), 'Escape goes back to the card')
    ok('kept' in page.locator('.card.current').get_attribute('aria-label'), 'a card says what it is')
    page.check('#blind')
    said = page.evaluate('[...document.querySelectorAll(".card")].map(c => c.getAttribute("aria-label") + " " + c.innerText).join()')
    page.locator('.card.current').dblclick(position={'x': 20, 'y': 20})
    said += page.inner_text('#details')
    page.keyboard.press('Escape')
    ok('kept' not in said and 'itm' not in said and '0.125' not in said, 'blind: nothing of it is said or shown', said[:300])
    page.uncheck('#blind')
    page.select_option('#view', 'all')
    page.locator('.card').nth(2).locator('.words').click()
    page.keyboard.press('ArrowRight')
    ok(page.locator('.card.current').get_attribute('aria-posinset') == '4', 'after a click on a text the arrows still move')
    paper = page.pdf()
    ok(paper.count(b'/Type /Page\n') > 2 and page.inner_text('#printed', timeout=1000) is not None, f'prints {paper.count(b"/Type /Page" + chr(10).encode())} pages of 40 cards')
    page.evaluate('dispatchEvent(new Event("beforeprint"))')
    ok(page.evaluate('vlmPage.cardsAlive()') == 40, 'all 40 cards are on paper', page.evaluate('vlmPage.cardsAlive()'))
    page.evaluate('dispatchEvent(new Event("afterprint"))')
    ok(not page.problems, 'no error in the console', page.problems[:3])


def long_texts(browser):
    """Records of one id that differ in the end of a long text, in a NUL, in an empty text; forty captions; an error; dates; an id that is a text."""
    first = 'wörd ' * 600
    texts = [first + 'A', first + 'B', 'a\0b', 'a\0c', '', ['x' * 1500, 'y' * 1500], ['x' * 1500 + 'z', 'y' * 1500], 'data: five']
    lines = [json.dumps({'id': 'one', 'text': text, 'when': 1733000000 + 1000 * i, 'itm': i / 10}) for i, text in enumerate(texts)]
    lines.append(json.dumps({'id': 'many', 'text': 't', 'captions': [f'caption {i} {"w" * 60}' for i in range(60)], 'itm.captions': [i / 60 for i in range(60)], 'itm': 0.9}))
    lines.append(json.dumps({'id': 'bad', 'error': {'stage': 'read', 'code': 'not_found', 'message': 'no'}}))
    with open('long.jsonl', 'w') as f:
        f.writelines(line + '\n' for line in lines)
    run('vlm-page', '-q', '-o', 'long.html', 'long.jsonl')
    page = opened(browser, 'long.html')
    wrong = []
    for i in range(len(texts)):
        page.keyboard.press('Home')
        for key in ['ArrowRight'] * i + ['x']:
            page.keyboard.press(key)
        with open('decisions.jsonl', 'w') as f:
            f.write(page.evaluate('vlmPage.decisionLines()'))
        left = run('vlm-filter', '-q', '--decisions', 'decisions.jsonl', 'long.jsonl').splitlines()
        if [line for line in lines if line not in left] != [lines[i]]:
            wrong.append((i, len(left)))
        page.keyboard.press('ArrowLeft')
        page.keyboard.press('u')
    ok(not wrong, 'a decision on a long, strange or empty text drops that record alone', wrong)
    page.keyboard.press('Home')
    ok(page.locator('.card').first.locator('.words').evaluate('e => e.textContent.length < 1500 && e.textContent.includes("…")'), 'a card has the beginning of a long text')
    page.keyboard.press('Enter')
    ok(first + 'A' in page.locator('#details-fields').evaluate('e => e.textContent'), 'all fields have all of it')
    page.keyboard.press('Escape')
    page.keyboard.press('Tab')
    page.keyboard.press('PageDown')
    page.wait_for_function('() => document.querySelector(".card.current .words").scrollTop > 0')
    ok(page.evaluate('document.activeElement.matches(".card.current .words")'), 'Tab goes to the text, where the keys scroll')
    page.fill('#search', '"caption 59"')
    page.wait_for_function('() => order.length === 1')
    card = page.locator('.card').first
    ok(card.locator('.own').count() == 1 + 50 and 'and 11 more' in card.inner_text() and card.locator('.bar').count() >= 50, 'sixty captions: fifty, their scores as bars, and how many more')
    ok(card.locator('.name').inner_text() == 'many', 'a name is an id without its quotation marks', card.locator('.name').inner_text())
    page.select_option('#view', 'errors')
    page.fill('#search', '')
    page.wait_for_function('() => order.length === 1')
    page.keyboard.press('Escape')
    page.locator('.card').first.click()
    page.keyboard.press('x')
    ok('no decision' in page.inner_text('#decided') and not page.evaluate('vlmPage.decisionLines()'), 'an error cannot be decided, and the page says so')
    says = page.evaluate('vlmPage.choose("when"), vlmPage.setLimit(1733003500), document.getElementById("limit-filter").textContent')
    kept = len(run('vlm-filter', '-q', '--keep', says.split("'")[1], 'long.jsonl').splitlines())
    ok(kept == page.evaluate('vlmPage.wouldKeep("when", limits.get("when"))') == 4, 'a threshold of large numbers is fine enough', (says, kept))
    ok(not page.problems, 'no error in the console', page.problems[:3])


def where_to_look(browser):
    """Each list against a plain computation."""
    draw = random.Random(3)
    made = [{'id': i, 'image': f'{i}.jpg', 'text': f'text {i % 35}' if i % 3 else f'own {i}', 'itm': round(draw.random(), 4), 'itc': round(draw.random(), 4), 'cluster': i * 7 % 4}
           for i in range(90)]
    made[5]['cluster'] = 'b'
    made[6]['cluster'] = 'a'
    dropped = {i for i in range(90) if made[i]['itm'] < 0.5 or i % 10 == 0}
    for name, want in (('k.jsonl', False), ('d.jsonl', True)):
        with open(name, 'w') as f:
            f.writelines(json.dumps(r) + '\n' for r in made if (r['id'] in dropped) == want)
    with open('d.jsonl', 'a') as f:
        f.write(json.dumps({'id': 'r', 'text': 'fell', 'reason': 'not: itc > 0.2', 'provenance': [{'command': 'vlm-itm', 'vlm': '0.1.0', 'model': 'abc'}]}) + '\n')
        for name in ('a.jpg', 'b\u001b[31m.jpg'):
            f.write(json.dumps({'image': name, 'error': {'stage': 'read', 'code': 'not_found', 'message': 'gone'}}) + '\n')
    run('vlm-page', '-q', '--dropped', 'd.jsonl', '-o', 'look.html', 'k.jsonl')
    page = opened(browser, 'look.html')
    ok(page.inner_text('#counts') == f'93 records: {90 - len(dropped)} kept, {len(dropped) + 1} dropped, 2 with errors', 'the head counts', page.inner_text('#counts'))
    lists = page.evaluate('document.getElementById("about-lists").textContent')
    ok(all(line in lists for line in ('1 × not: itc > 0.2', '2 × not_found', '1 × vlm-itm 0.1.0 model abc')), 'reasons, errors and provenance', lists)
    bars = page.evaluate("""[...document.querySelectorAll('.histogram[data-field=itm] path')].map(p => [p.getAttribute('class'), getComputedStyle(p).fill,
        [...p.getAttribute('d').matchAll(/v-([0-9.]+)/g)].reduce((sum, m) => sum + Number(m[1]), 0)])""")
    share = bars[0][2] / (bars[0][2] + bars[1][2])
    ok(bars[0][0] == 'bar-kept' and bars[1][0] == 'bar-dropped' and bars[0][1] != bars[1][1] and abs(share - (90 - len(dropped)) / 90) < 1e-6,
       'a histogram has kept and dropped in two colours, as many as there are', bars)
    page.fill('#search', 'fell')
    page.wait_for_function('() => order.length === 1')
    card = page.locator('.card').first
    ok(card.locator('s').inner_text() == 'fell' and card.locator('.why').inner_text() == 'not: itc > 0.2' and 'no picture' in card.inner_text(),
       'what fell is struck through, with its reason; no picture', card.inner_text())
    page.fill('#search', '')
    page.wait_for_function('() => order.length > 1')
    page.select_option('#view', 'errors')
    page.evaluate('void (copy = (text) => { window.copied = text })')
    page.click('#copy-names')
    ok(page.evaluate('copied') == 'a.jpg\nb\\u001b[31m.jpg\n', 'names of the errors are copied, without control characters', page.evaluate('copied'))
    page.select_option('#view', 'all')
    page.evaluate('vlmPage.setLimit(0.6)')

    def shown(view):
        page.select_option('#view', view)
        return page.evaluate('order.map(r => r.record.id).filter(id => Number.isInteger(id))')

    def in_turn(a, b):
        return [x for i in range(max(len(a), len(b))) for x in (a[i:i + 1] + b[i:i + 1])]

    seen = [r for r in made if r['id'] not in dropped] + [r for r in made if r['id'] in dropped]  # the order of the page
    near = [sorted((r for r in seen if (r['itm'] >= 0.6) == above), key=lambda r: abs(r['itm'] - 0.6)) for above in (False, True)]
    ok(shown('near') == [r['id'] for r in in_turn(*near)], 'nearest to the threshold, from both sides in turn', shown('near')[:6])
    best = sorted((r for r in seen if r['id'] in dropped), key=lambda r: -r['itm'])
    worst = sorted((r for r in seen if r['id'] not in dropped), key=lambda r: r['itm'])
    ok(shown('surprise') == [r['id'] for r in in_turn(best, worst)], 'the best that were dropped, the worst that were kept')
    ranks = {name: {r['id']: k for k, r in enumerate(sorted(seen, key=lambda r: r[name]))} for name in ('itm', 'itc')}
    apart = sorted(seen, key=lambda r: -abs(ranks['itm'][r['id']] - ranks['itc'][r['id']]))
    found = shown('disagree')
    ok([abs(ranks['itm'][i] - ranks['itc'][i]) for i in found] == [abs(ranks['itm'][r['id']] - ranks['itc'][r['id']]) for r in apart] and sorted(found) == list(range(90)),
       'scores that disagree most in rank')
    texts = [made[i]['text'] for i in shown('same')]
    many = [text for text in texts if texts.count(text) > 1]
    counts = [texts.count(text) for text in texts]
    ok(texts and texts == many and counts == sorted(counts, reverse=True) and len(texts) == sum([r['text'] for r in made].count(r['text']) > 1 for r in made),
       'one text on many pictures, the most first')
    clusters = [made[i]['cluster'] for i in shown('clusters')]
    ok(clusters == sorted((c for c in clusters if c not in ('a', 'b'))) + ['a', 'b'], 'clusters in order', clusters[-4:])
    page.select_option('#view', 'all')
    page.select_option('#sort', 'itc')
    ok(page.evaluate('order.map(r => r.record.itc).filter(x => x !== undefined)') == sorted((r['itc'] for r in made), reverse=True), 'sorted by a score')
    page.fill('#search', 'itm>0.5 text:"text 1" cluster:2')
    page.wait_for_function('() => order.length < 90')
    ok(page.evaluate('order.map(r => r.record.id)') == [r['id'] for r in sorted(made, key=lambda r: -r['itc']) if r['itm'] > 0.5 and 'text 1' in r['text'] and r['cluster'] == 2],
       'filtered by fields and a text')
    page.fill('#search', '')
    page.wait_for_function('() => order.length === 93')
    page.evaluate('limits.clear(), vlmPage.choose("itm")')
    says = page.inner_text('#limit-filter')
    limit = float(says.split('>= ')[1].rstrip("'"))
    right = lambda limit: sum((r['itm'] >= limit) == (r['id'] not in dropped) for r in made)
    ok(right(limit) == max(right(r['itm']) for r in made), 'the threshold begins where it parts the kept from the dropped best', says)


def many_names(browser):
    """Numeric fields by the thousand: as many histograms as a browser bears."""
    with open('names.jsonl', 'w') as f:
        f.writelines(json.dumps({'id': i, 'text': 't', 'itm': i / 2000, f'count of {i}': 1}) + '\n' for i in range(2000))
    run('vlm-page', '-o', 'names.html', 'names.jsonl')
    page = opened(browser, 'names.html')
    names = page.evaluate('[...document.querySelectorAll(".histogram")].map(h => h.dataset.field)')
    ok(len(names) == 64 and names[0] == 'itm', f'2,001 numeric fields: {len(names)} histograms, scores first', names[:3])


def without_ids(browser):
    with open('nameless.jsonl', 'w') as f:
        f.writelines(json.dumps({'image': f'{i % 7}.jpg', 'text': ['same', 'other'][i % 2], 'itm': i / 100}) + '\n' for i in range(100))
    rule = ['vlm-filter', '--keep', 'itm >= 0.5']
    run(*rule, '--dropped', 'd.jsonl', '-o', 'k.jsonl', 'nameless.jsonl')
    run('vlm-page', '--dropped', 'd.jsonl', '-o', 'nameless.html', 'k.jsonl')
    page = opened(browser, 'nameless.html')
    for view, key in (('kept', 'x'), ('dropped', 'p')):
        page.select_option('#view', view)
        page.keyboard.press('Home')
        for _ in range(5):
            page.keyboard.press(key)
    with open('decisions.jsonl', 'w') as f:
        f.write(page.evaluate('vlmPage.decisionLines()'))
    plain, decided = (run(*rule, *more, 'nameless.jsonl').splitlines() for more in ((), ('--decisions', 'decisions.jsonl')))
    ok(len(set(plain) - set(decided)) == 5 and len(set(decided) - set(plain)) == 5, 'records without an id: ten decisions change ten',
       (len(set(plain) - set(decided)), len(set(decided) - set(plain))))


def full_store(browser):
    page = opened(browser, 'nameless.html')
    ok(not page.locator('#unkept').is_visible(), 'the browser keeps the review')
    page.evaluate('void (Storage.prototype.setItem = () => { throw new Error("full") })')
    page.keyboard.press('Home')
    page.keyboard.press('p')
    page.wait_for_timeout(400)
    ok(page.locator('#unkept').is_visible(), 'and says so when it does not')


def accessible(browser):
    with open('states.jsonl', 'w') as f:
        for i in range(30):
            r = {'id': i, 'image': f'{i}.jpg', 'text': 'long words ' * 40, 'caption': 'c', 'itm': i / 30, 'cluster': i % 3, 'heatmap': '50.jpg',
                 'provenance': [{'command': 'vlm-itm', 'vlm': '0.1.0', 'model': 'a'}]}
            r |= {'duplicate_of': i - 1, 'duplicate_sim': 0.97} if i % 2 else {}
            r |= {'error': {'stage': 'read', 'code': 'not_found', 'message': 'gone'}} if i > 25 else {}
            f.write(json.dumps(r) + '\n')
    run('vlm-page', '-q', '-o', 'states.html', 'states.jsonl')
    for scheme, width in (('light', 1280), ('dark', 1280), ('light', 420)):
        page = opened(browser, 'states.html', color_scheme=scheme)
        page.set_viewport_size({'width': width, 'height': 900})
        found = {}

        def look(state):
            for v in Axe().run(page).response['violations']:
                found.setdefault(v['id'], (state, [n['html'][:120] for n in v['nodes'][:3]]))

        page.locator('.card').first.click()
        for key in 'px':
            page.keyboard.press(key)
        page.locator('#about summary').click()
        look('review, with counts')
        page.check('#blind')
        look('blind')
        page.uncheck('#blind')
        for view in ('duplicates', 'errors'):
            page.select_option('#view', view)
            look(view)
        page.locator('.card.current').dblclick(position={'x': 20, 'y': 20})
        look('all fields')
        ok(not found, f'axe finds nothing in review, blind, groups, errors, all fields: {scheme}, {width} wide', found)
        page.context.close()


def demo(browser):
    """The page that `make demo` ends with."""
    said = subprocess.run(['sh', os.path.join(HERE, '..', 'demo')], env={**os.environ, 'BUILD': BUILD}, check=True, stdout=subprocess.PIPE).stdout.decode()
    where = re.search(r'^It lies in (.*): open it in a browser', said, re.M)
    page = opened(browser, where.group(1))
    page.wait_for_function('() => [...document.images].every(i => i.complete && i.naturalWidth > 0)')
    counts = [int(n) for n in re.findall(r'\d+', page.inner_text('#counts'))]
    ok(counts[1] == int(re.search(r'wc -l < clean.jsonl\n(\d+)', said).group(1)) and counts[2] > 0 and counts[3] == 0 and page.locator('.card img').count() > 0,
       'make demo ends with a page of what it kept and dropped', (said[-2000:], counts))


def large(browser):
    speed.write(BUILD, MANY)
    page = opened(browser, 'many.html')
    cards = 0
    for sort in ('', 'itm'):
        page.select_option('#sort', sort)
        alive, _ = speed.scroll(browser, page)
        cards = max(cards, alive)
    ok(0 < cards <= 200, f'at most 200 cards are alive ({cards})')
    sheets = {url for url in page.asked if '.sprites/' in url}
    ok(all('.sprites/' in url or url.endswith('many.html') for url in page.asked), 'nothing but the page and its sheets is asked for')
    ok(os.path.isdir('many.sprites') == bool(sheets), 'sheets are used where there are any')


with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
    os.chdir(folder)
    speed.pictures()
    browser = play.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox'])
    review(small(browser), browser)
    without_ids(browser)
    full_store(browser)
    long_texts(browser)
    where_to_look(browser)
    many_names(browser)
    by_keys(browser)
    hostile(browser)
    accessible(browser)
    demo(browser)
    large(browser)
    browser.close()
print(f'1..{count}')
