/* 3-threshold.js - distributions of scores, and the threshold */

const numeric = numericFields();
let active = numeric.includes(head.score) ? head.score : numeric[0] || null;
const limits = new Map();
const short = (x) => String(Number(x.toPrecision(4)));
const ranges = new Map();
function range(name) {
    if (!ranges.has(name)) {
        let least = Infinity, most = -Infinity;
        for (const x of column(name))
            if (!Number.isNaN(x)) {
                least = Math.min(least, x);
                most = Math.max(most, x);
            }
        ranges.set(name, [least, most > least ? most : least + 1]);
    }
    return ranges.get(name);
}

/* A threshold has as many decimals as tell a thousandth of the range: 0.8123 of scores, 1733000000 of dates. */
function rounded(name, x) {
    const [least, most] = range(name), places = Math.ceil(-Math.log10((most - least) / 1000));
    return Number(x.toFixed(Math.max(0, Math.min(100, places))));
}

/* The shortest number that keeps x and does not keep `under`, the next lower score: the rule was 0.5, likely. */
function between(under, x) {
    for (let places = 0; places < 20; places++)
        for (const near of [Number(x.toFixed(places)), Number((x - 10 ** -places).toFixed(places))])
            if (near <= x && near > under)
                return near;
    return x;
}

function histogram(name) {
    const [least, most] = range(name);
    const count = [new Array(BINS).fill(0), new Array(BINS).fill(0)];
    const list = column(name);
    for (const row of rows) {
        const x = list[row.index];
        if (!Number.isNaN(x) && row.state !== ERROR)
            count[row.state][Math.min(BINS - 1, Math.floor((x - least) / (most - least) * BINS))]++;
    }
    const highest = Math.max(1, ...count[0].map((c, i) => c + count[1][i]));
    const box = make('div', 'histogram');
    box.dataset.field = name;
    const title = make('button', '', visible(name));
    title.type = 'button';
    title.addEventListener('click', () => choose(name));
    const all = count.map((c) => c.reduce((a, b) => a + b, 0));
    const drawing = svg('svg', { viewBox: `0 0 ${BINS} 64`, preserveAspectRatio: 'none', role: 'img',
        'aria-label': `${visible(name)}: ${all[0]} kept and ${all[1]} dropped records between ${short(least)} and ${short(most)}` });
    for (const state of [KEPT, DROPPED]) {
        let path = '';
        for (let i = 0; i < BINS; i++) {
            const below = state === KEPT ? 0 : count[0][i] / highest * 60, high = count[state][i] / highest * 60;
            if (high)
                path += `M${i} ${64 - below}h.9v${-high}h-.9z`;
        }
        drawing.append(svg('path', { d: path, class: 'bar-' + STATE[state] }));
    }
    drawing.append(svg('line', { class: 'line', x1: 0, x2: 0, y1: 0, y2: 64, visibility: 'hidden' }));
    const drag = (event) => {
        const r = drawing.getBoundingClientRect();
        const share = Math.max(0, Math.min(1, (event.clientX - r.left) / r.width));
        if (active !== name)
            choose(name);
        setLimit(rounded(name, least + share * (most - least)));
    };
    drawing.addEventListener('pointerdown', (event) => {
        drawing.setPointerCapture(event.pointerId);
        drag(event);
    });
    drawing.addEventListener('pointermove', (event) => event.buttons && drag(event));
    const ends = make('div', 'ends');
    ends.append(make('span', '', short(least)), make('span', '', short(most)));
    box.append(title, drawing, ends);
    return box;
}

/* The command to copy: a name comes from a record, so nothing of it may reach the shell as more than a
 * name.  vlm-filter takes any name between backquotes, but for one that has a backquote itself. */
function command(name, value) {
    if (name.includes('`') || visible(name) !== name)
        return 'vlm-filter cannot spell this name';
    const plain = /^[A-Za-z_][\w.]*$/.test(name) && !['true', 'false', 'null', 'and', 'or', 'not', 'in'].includes(name);
    return `vlm-filter --keep '${plain ? name : '`' + name.replaceAll("'", "'\\''") + '`'} >= ${value}'`;
}

const judged = (row) => row.state !== ERROR;
const totals = once(() => ({ all: rows.filter(judged).length, now: rows.filter((r) => r.state === KEPT).length }));
function wouldKeep(name, limit) {
    const list = column(name);
    let count = 0;
    for (const row of rows)
        count += judged(row) && list[row.index] >= limit ? 1 : 0;
    return count;
}

function setLimit(value) {
    const [least, most] = range(active);
    limits.set(active, value);
    $('limit').value = Math.round((value - least) / (most - least) * 1000);
    const count = wouldKeep(active, value), { all, now } = totals();
    const change = count - now;
    $('limit-says').textContent = `${visible(active)} ≥ ${value} would keep ${(100 * count / Math.max(1, all)).toFixed(1)} %: ${count} of ${all} (${change < 0 ? '−' : '+'}${Math.abs(change)})` +
        (head.sampled ? ', of this sample' : '');
    $('limit-filter').textContent = command(active, value);
    for (const box of $('histograms').children) {
        const line = box.querySelector('line');
        const mine = limits.get(box.dataset.field);
        const [a, b] = range(box.dataset.field);
        line.setAttribute('visibility', mine === undefined ? 'hidden' : 'visible');
        if (mine !== undefined) {
            const x = (mine - a) / (b - a) * BINS;
            line.setAttribute('x1', x);
            line.setAttribute('x2', x);
        }
    }
    if (['near', 'surprise'].includes($('view').value))
        arrange();
}

/* Where the line stands at first: what best parts the kept from the dropped, else the median. */
function firstLimit(name) {
    const list = column(name), pairs = [];
    for (const row of rows)
        if (judged(row) && !Number.isNaN(list[row.index]))
            pairs.push([list[row.index], row.state === KEPT]);
    const parted = separate(pairs);
    if (parted)
        return between(parted.under, parted.threshold);
    const scores = pairs.map((p) => p[0]).sort((a, b) => a - b), middle = scores[Math.floor(scores.length / 2)];
    return scores.length ? between(scores.findLast((x) => x < middle) ?? -Infinity, middle) : range(name)[0];
}

function choose(name) {
    active = name;
    $('threshold').hidden = false;
    $('limit-name').textContent = visible(name);
    for (const box of $('histograms').children)
        box.classList.toggle('active', box.dataset.field === name);
    setLimit(limits.has(name) ? limits.get(name) : firstLimit(name));
    showProgress();
}

