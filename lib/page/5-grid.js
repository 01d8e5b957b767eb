/* 5-grid.js - the grid of cards: only those in view are alive */

const cards = new Map(); /* place in `order` -> element */
let current = 0, across = 1, wide = CARD_WIDTH;

function layOut() {
    const width = $('grid').clientWidth - 2 * GAP;
    across = Math.max(1, Math.floor((width + GAP) / (CARD_WIDTH + GAP)));
    wide = Math.floor((width - (across - 1) * GAP) / across);
    $('cards').style.height = Math.ceil(order.length / across) * (CARD_HEIGHT + GAP) + GAP + 'px';
    for (const [place, card] of cards)
        put(card, place);
    draw();
}

function put(card, place) {
    card.style.width = wide + 'px';
    card.style.height = CARD_HEIGHT + 'px';
    card.style.transform = `translate(${GAP + (place % across) * (wide + GAP)}px, ${GAP + Math.floor(place / across) * (CARD_HEIGHT + GAP)}px)`;
}

function draw() {
    const grid = $('grid'), step = CARD_HEIGHT + GAP;
    const first = Math.max(0, Math.floor(grid.scrollTop / step) - 1) * across;
    const rowsShown = Math.ceil(grid.clientHeight / step) + 3;
    const last = Math.min(order.length, first + Math.min(MOST_CARDS, rowsShown * across));
    for (const [place, card] of cards)
        if (place < first || place >= last) {
            card.remove();
            cards.delete(place);
        }
    for (let place = first; place < last; place++)
        if (!cards.has(place)) {
            const card = makeCard(order[place], place);
            cards.set(place, card);
            put(card, place);
            $('cards').append(card);
        }
}

function redraw(place) {
    const old = cards.get(place);
    if (!old)
        return;
    const card = makeCard(order[place], place);
    put(card, place);
    old.replaceWith(card);
    cards.set(place, card);
}

/* A picture by its number: an inline JPEG, or a square of a sprite sheet. */
function pictureOf(which, alt) {
    if (which < 0)
        return make('span', '', 'no picture');
    const size = head.sizes[which];
    const img = make('img');
    img.alt = alt;
    img.decoding = 'async';
    if (inline.length) {
        img.src = 'data:image/jpeg;base64,' + inline[which];
        return img;
    }
    const { across: n, side, folder } = head.sprites;
    const tile = make('span', 'tile'), sheet = Math.floor(which / (n * n)), at = which % (n * n);
    img.src = `${folder}/${String(sheet).padStart(4, '0')}.jpg`;
    tile.style.width = size[0] + 'px';
    tile.style.height = size[1] + 'px';
    img.style.left = -(at % n) * side + 'px';
    img.style.top = -Math.floor(at / n) * side + 'px';
    tile.append(img);
    return tile;
}

function bar(name, value) {
    const [least, most] = numeric.includes(name) ? range(name) : [0, 1];
    const b = make('div', 'bar');
    const line = svg('svg', { viewBox: '0 0 100 6', preserveAspectRatio: 'none', 'aria-hidden': 'true' });
    const low = least >= 0 && most <= 1 ? 0 : least, high = least >= 0 && most <= 1 ? 1 : most;
    line.append(svg('rect', { width: Math.max(0, Math.min(100, (value - low) / (high - low) * 100)), height: 6, class: 'bar-kept' }));
    b.append(make('span', '', name), line, make('span', '', short(value)));
    return b;
}

function words(row) {
    const box = make('div', 'words');
    const add = (text, field, fell) => {
        const p = make('p');
        p.dir = 'auto';
        p.append(make('span', 'what', field + ' '), make(fell ? 's' : 'span', '', visible(text)));
        box.append(p);
    };
    const mine = textsOf(row);
    for (const t of mine) {
        add(t.text, row.record.source && t.field === 'text' ? String(row.record.source) : t.field, false);
        if (mine.length > 1 && !Number.isNaN(t.score))
            box.append(bar('itm', t.score));
    }
    if (row.record.source)
        for (const other of samePicture.get(pictureKey(row)))
            if (other !== row && other.record.source)
                for (const t of textsOf(other))
                    add(t.text, String(other.record.source), other.state === DROPPED);
    for (const name of numeric) {
        const value = number(row.record[name]);
        if (!Number.isNaN(value) && !(mine.length > 1 && name.startsWith('itm')))
            box.append(bar(name, value));
    }
    if (typeof row.record.reason === 'string')
        box.append(make('p', 'why', visible(row.record.reason)));
    if (row.state === ERROR)
        box.append(make('p', 'why', visible(`${errorCode(row)}: ${row.record.error.message || ''}`)));
    return box;
}

let flickering = null;
function flicker(box, row, list) {
    const other = list[0] === row ? list[1] : list[0];
    let turn = false;
    clearInterval(flickering);
    const swap = () => {
        turn = !turn;
        box.querySelector('img, .tile, span:not(.state)').replaceWith(pictureOf((turn ? other : row).picture, nameOf(turn ? other : row)));
        if (!box.isConnected)
            clearInterval(flickering);
    };
    swap();
    if (!matchMedia('(prefers-reduced-motion: reduce)').matches)
        flickering = setInterval(swap, 500);
}

function groupLine(row, place, picture) {
    const list = groupOf.get(row), line = make('div', 'group');
    const sim = number(row.record.duplicate_sim);
    line.append(make('span', '', `group of ${list.length}` + (Number.isNaN(sim) ? '' : `, cosine ${short(sim)}`)));
    const compare = make('button', '', 'flicker'), stay = make('button', '', 'this stays');
    compare.type = stay.type = 'button';
    compare.addEventListener('click', () => flicker(picture, row, list));
    stay.addEventListener('click', () => {
        for (const other of list)
            decide(other, other === row);
        for (const at of cards.keys())
            if (list.includes(order[at]))
                redraw(at);
    });
    line.append(compare, stay);
    return line;
}

function makeCard(row, place) {
    const card = make('li', 'card');
    const picture = make('div', 'picture');
    picture.append(pictureOf(row.picture, nameOf(row)), make('span', 'state ' + STATE[row.state], STATE[row.state]));
    card.append(picture);
    if (row.heat.length) {
        card.dataset.heat = '1';
        const show = (heat) => picture.firstChild.replaceWith(pictureOf(heat ? row.heat[0] : row.picture, nameOf(row) + (heat ? ', heat map' : '')));
        picture.addEventListener('pointerenter', () => show(true));
        picture.addEventListener('pointerleave', () => show(false));
        card.showHeat = show;
    }
    if (groupOf.has(row) && groupOf.get(row).length > 1)
        card.append(groupLine(row, place, picture));
    const name = make('div', 'name', visible(shortName(row)));
    name.title = visible(nameOf(row));
    card.append(words(row), name);
    const keep = decisions.get(keyOf(row));
    card.classList.toggle('keep', keep === true);
    card.classList.toggle('reject', keep === false);
    card.classList.toggle('current', place === current);
    card.setAttribute('aria-setsize', order.length);
    card.setAttribute('aria-posinset', place + 1);
    card.tabIndex = place === current ? 0 : -1;
    if (keep !== undefined)
        card.setAttribute('aria-description', keep ? 'you keep it' : 'you drop it');
    card.addEventListener('pointerdown', () => go(place, false));
    return card;
}

function go(place, focus) {
    if (!order.length)
        return;
    const before = current;
    current = Math.max(0, Math.min(order.length - 1, place));
    const grid = $('grid'), top = Math.floor(current / across) * (CARD_HEIGHT + GAP);
    if (top < grid.scrollTop)
        grid.scrollTop = top;
    else if (top + CARD_HEIGHT + 2 * GAP > grid.scrollTop + grid.clientHeight)
        grid.scrollTop = top + CARD_HEIGHT + 2 * GAP - grid.clientHeight;
    draw();
    for (const at of [before, current]) {
        const card = cards.get(at);
        if (card) {
            card.classList.toggle('current', at === current);
            card.tabIndex = at === current ? 0 : -1;
        }
    }
    if (focus && cards.has(current))
        cards.get(current).focus({ preventScroll: true });
}

function judge(keep) {
    if (!order.length)
        return;
    decide(order[current], keep);
    redraw(current);
    go(keep === null ? current : current + 1, true);
}

document.addEventListener('keydown', (event) => {
    const typing = event.target.matches('input[type=search], select, input[type=range]');
    if (typing || event.ctrlKey || event.metaKey || event.altKey)
        return;
    const page = Math.max(1, Math.floor($('grid').clientHeight / (CARD_HEIGHT + GAP))) * across;
    const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across, PageUp: -page, PageDown: page,
        Home: -order.length, End: order.length };
    const key = event.key.toLowerCase();
    if (event.key in moves)
        go(current + moves[event.key], true);
    else if (key === 'p')
        judge(true);
    else if (key === 'x')
        judge(false);
    else if (key === 'u')
        judge(null);
    else if (key === 'h' && cards.has(current) && cards.get(current).showHeat) {
        const card = cards.get(current);
        card.heatOn = !card.heatOn;
        card.showHeat(card.heatOn);
    } else
        return;
    event.preventDefault();
});

