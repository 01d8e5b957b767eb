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

/* Cards are made for at most BUDGET milliseconds of a frame, those in view first; the rest follows in the next
 * frames, so that no task grows with the window. */
const BUDGET = 6;
let frame = 0;
function draw() {
    const grid = $('grid'), step = CARD_HEIGHT + GAP, begun = performance.now();
    const top = Math.floor(grid.scrollTop / step), shown = Math.ceil(grid.clientHeight / step) + 1;
    const first = Math.max(0, top - 1) * across;
    const last = Math.min(order.length, first + Math.min(MOST_CARDS, (shown + 2) * across));
    frame = 0;
    for (const [place, card] of cards)
        if (place < first || place >= last) {
            card.remove();
            cards.delete(place);
        }
    const wanted = [current];
    for (let place = top * across; place < last; place++)
        wanted.push(place);
    for (let place = first; place < top * across; place++)
        wanted.push(place);
    for (const place of wanted) {
        if (place < first || place >= last || cards.has(place))
            continue;
        if (performance.now() - begun > BUDGET)
            return drawSoon();
        addCard(place);
    }
}

function drawSoon() {
    if (!frame)
        frame = requestAnimationFrame(draw);
}

function addCard(place) {
    const card = makeCard(order[place], place);
    put(card, place);
    $('cards').insertBefore(card, cardBehind(place)); /* read aloud in their order */
    cards.set(place, card);
}

function cardBehind(place) {
    let next = Infinity;
    for (const other of cards.keys())
        if (other > place && other < next)
            next = other;
    return cards.get(next) || null;
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
    const low = least >= 0 && most <= 1 ? 0 : least, high = least >= 0 && most <= 1 ? 1 : most;
    const b = make('div', 'bar'), line = make('span', 'gauge'), fill = make('i');
    fill.style.width = Math.max(0, Math.min(100, (value - low) / (high - low) * 100)) + '%';
    line.append(fill);
    b.append(make('span', '', visible(name)), line, make('span', '', short(value)));
    return b;
}

/* The beginning of a long text, which Enter shows whole; never half of a character. */
const beginning = (text) => (text.length <= MOST_LETTERS ? text : text.slice(0, MOST_LETTERS).replace(/[\ud800-\udbff]$/, '') + '…');

/* What fell is struck through.  Of a record's own text and those of others the blind mode shows the first alone. */
function textLine(what, text, fell, own) {
    const p = make('p', own ? 'own' : 'other');
    p.dir = 'auto';
    p.append(make('span', 'what', visible(what) + ' '), make(fell ? 's' : 'span', '', visible(beginning(text))));
    return p;
}

const errorMessage = (row) => {
    const error = field(row, 'error');
    return error && typeof error === 'object' ? `${errorCode(row)}: ${Object.hasOwn(error, 'message') ? spelt(error.message) : ''}` : spelt(error);
};

function words(row) {
    const box = make('div', 'words');
    const mine = textsOf(row), source = spelt(field(row, 'source'));
    box.setAttribute('role', 'group');
    box.setAttribute('aria-label', 'Texts and scores');
    const others = source ? samePicture().get(pictureKey(row)).slice(0, MOST_TEXTS) : [];
    for (const t of mine.slice(0, MOST_TEXTS)) {
        box.append(textLine(source && t.name === 'text' ? source : t.name, t.text, row.state === DROPPED, true));
        if (mine.length > 1 && !Number.isNaN(t.score))
            box.append(bar('itm', t.score));
    }
    if (mine.length > MOST_TEXTS)
        box.append(make('p', 'own', `and ${mine.length - MOST_TEXTS} more`));
    for (const other of others)
        if (other !== row && field(other, 'source'))
            for (const t of textsOf(other))
                box.append(textLine(spelt(field(other, 'source')), t.text, other.state === DROPPED, false));
    let bars = 0;
    for (const name of numeric) {
        const value = number(field(row, name));
        if (!Number.isNaN(value) && !(mine.length > 1 && name.startsWith('itm')) && bars++ < MOST_BARS)
            box.append(bar(name, value));
    }
    const reason = field(row, 'reason');
    if (typeof reason === 'string')
        box.append(make('p', 'why', visible(reason)));
    if (row.state === ERROR)
        box.append(make('p', 'why', visible(errorMessage(row))));
    return box;
}

/* What a card shows in place of its picture, and back. */
function showPicture(card, which, alt) {
    card.firstChild.firstChild.replaceWith(pictureOf(which, alt));
}

let flickering = null;
function flicker(card, row, list) {
    const other = list[0] === row ? list[1] : list[0];
    let turn = false;
    clearInterval(flickering);
    const swap = () => {
        turn = !turn;
        showPicture(card, (turn ? other : row).picture, visible(nameOf(turn ? other : row)));
        if (!card.isConnected)
            clearInterval(flickering);
    };
    swap();
    if (!matchMedia('(prefers-reduced-motion: reduce)').matches)
        flickering = setInterval(swap, 500);
}

function button(text, act) {
    const b = make('button', '', text);
    b.type = 'button';
    b.addEventListener('click', act);
    return b;
}

function groupLine(row, card) {
    const list = groupOf().get(row), line = make('div', 'group');
    const sim = number(field(row, 'duplicate_sim'));
    line.append(make('span', '', `group of ${list.length}` + (Number.isNaN(sim) ? '' : `, cosine ${short(sim)}`)),
        button('flicker', () => flicker(card, row, list)),
        button('this stays', () => {
            decide(list.filter(judged), (other) => other === row);
            for (const at of cards.keys())
                if (list.includes(order[at]))
                    redraw(at);
        }));
    return line;
}

/* What a screen reader says of a card; in blind mode not what the filter did with it. */
function cardLabel(row) {
    const keep = decisions.get(keyOf(row)), says = [visible(firstText(row).slice(0, 200)) || 'no text', visible(shortName(row))];
    if (!$('blind').checked)
        says.push(STATE[row.state]);
    if (keep !== undefined)
        says.push(keep ? 'you keep it' : 'you drop it');
    return says.join(', ');
}

/* The marked card alone takes the focus, and after it its texts, which the arrows then scroll. */
function mark(card, isCurrent) {
    const box = card.querySelector('.words');
    card.classList.toggle('current', isCurrent);
    card.tabIndex = isCurrent ? 0 : -1;
    if (isCurrent)
        box.tabIndex = 0;
    else
        box.removeAttribute('tabindex');
}

function makeCard(row, place) {
    const card = make('li', 'card'), picture = make('div', 'picture');
    picture.append(pictureOf(row.picture, visible(nameOf(row))), make('span', 'state ' + STATE[row.state], STATE[row.state]));
    card.append(picture);
    if (row.heatmaps.length) {
        let at = -1; /* of the heat map that is shown; -1: the picture */
        card.dataset.heatmap = '1';
        card.showHeatmap = (next) => {
            at = next;
            showPicture(card, at < 0 ? row.picture : row.heatmaps[at], visible(nameOf(row)) + (at < 0 ? '' : `, heat map ${at + 1}`));
        };
        card.nextHeatmap = () => card.showHeatmap(at + 1 < row.heatmaps.length ? at + 1 : -1);
        picture.addEventListener('pointerenter', () => card.showHeatmap(0));
        picture.addEventListener('pointerleave', () => card.showHeatmap(-1));
    }
    if (groups().size && groupOf().has(row) && groupOf().get(row).length > 1)
        card.append(groupLine(row, card));
    const name = make('div', 'name', visible(shortName(row)));
    name.title = visible(nameOf(row));
    card.append(words(row), name);
    const keep = decisions.get(keyOf(row));
    card.classList.toggle('keep', keep === true);
    card.classList.toggle('reject', keep === false);
    mark(card, place === current);
    card.setAttribute('aria-setsize', order.length);
    card.setAttribute('aria-posinset', place + 1);
    card.setAttribute('aria-label', cardLabel(row));
    card.addEventListener('pointerdown', () => go(place, false));
    card.addEventListener('click', (event) => event.target.closest('button') || card.focus({ preventScroll: true }));
    card.addEventListener('dblclick', () => showDetails(row));
    return card;
}

/* --- all of one record --- */

function showDetails(row) {
    const box = $('details-fields'), blind = $('blind').checked;
    $('details-name').textContent = visible(nameOf(row));
    $('details-pictures').replaceChildren(...[row.picture, ...row.heatmaps].map((which, i) =>
        pictureOf(which, i ? `heat map ${i}` : visible(nameOf(row)))));
    box.replaceChildren();
    for (const name of Object.keys(row.record)) {
        if (blind && !head.texts.includes(name))
            continue;
        const value = make('dd', '', visible(spelt(row.record[name])));
        value.dir = 'auto';
        box.append(make('dt', '', visible(name)), value);
    }
    $('details').showModal();
}

/* --- moving and deciding --- */

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
        if (card)
            mark(card, at === current);
    }
    if (focus && cards.has(current))
        cards.get(current).focus({ preventScroll: true });
}

function decideCurrent(keep) {
    if (!order.length)
        return;
    if (judged(order[current]))
        decide([order[current]], () => keep);
    else
        $('decided').textContent = 'a record with an error has no decision: it is neither kept nor dropped';
    redraw(current);
    go(keep === null ? current : current + 1, true);
}

function pageRows() {
    return Math.max(1, Math.floor($('grid').clientHeight / (CARD_HEIGHT + GAP))) * across;
}

const moves = {
    ArrowLeft: () => -1, ArrowRight: () => 1, ArrowUp: () => -across, ArrowDown: () => across,
    PageUp: () => -pageRows(), PageDown: pageRows, Home: () => -order.length, End: () => order.length,
};
const acts = {
    p: () => decideCurrent(true),
    x: () => decideCurrent(false),
    u: () => decideCurrent(null),
    h: () => cards.has(current) && cards.get(current).nextHeatmap && cards.get(current).nextHeatmap(),
};

document.addEventListener('keydown', (event) => {
    const typing = event.target.matches('input[type=search], select, input[type=range]') || $('details').open;
    const key = event.key.toLowerCase();
    const scrolls = event.target.matches('.words') && /^(ArrowUp|ArrowDown|Page|Home|End)/.test(event.key);
    if (typing || scrolls || event.ctrlKey || event.metaKey || event.altKey)
        return;
    if (Object.hasOwn(moves, event.key))
        go(current + moves[event.key](), true);
    else if (Object.hasOwn(acts, key))
        acts[key]();
    else if (event.key === 'Enter' && order.length && !event.target.matches('button, summary, input'))
        showDetails(order[current]);
    else
        return;
    event.preventDefault();
});

/* On paper: the cards from the first one in view, as many as may be alive.  A page cannot print what is not there. */
let wasOpen = false;
addEventListener('beforeprint', () => {
    const first = Math.floor($('grid').scrollTop / (CARD_HEIGHT + GAP)) * across;
    wasOpen = $('about').open;
    $('about').open = true;
    for (const [place, card] of cards)
        if (place < first) {
            card.remove();
            cards.delete(place);
        }
    for (let place = first; place < Math.min(order.length, first + MOST_CARDS); place++)
        if (!cards.has(place))
            addCard(place);
    $('printed').textContent = `${Math.min(order.length - first, MOST_CARDS)} of ${order.length} are printed, from number ${first + 1}`;
});
addEventListener('afterprint', () => {
    $('about').open = wasOpen;
    draw();
});
