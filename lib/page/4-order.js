/* 4-order.js - which records are shown, in which order */

let order = [];

/* Words that all must stand in a text or a name; field:value and field>=1 look at one field. */
function matcher(query) {
    const tests = [];
    for (const word of query.match(/[^\s"]*"[^"]*"|\S+/g) || []) {
        const compare = /^([\w.]+)(>=|<=|>|<)(-?[\d.]+(?:e-?\d+)?)$/i.exec(word), one = /^([\w.]+):(.*)$/.exec(word);
        if (compare) {
            const list = column(compare[1]), limit = Number(compare[3]);
            tests.push({ '>=': (r) => list[r.index] >= limit, '<=': (r) => list[r.index] <= limit,
                '>': (r) => list[r.index] > limit, '<': (r) => list[r.index] < limit }[compare[2]]);
        } else if (one) {
            const want = one[2].replace(/"/g, '').toLowerCase();
            tests.push((r) => Object.hasOwn(r.record, one[1]) && spelt(r.record[one[1]]).toLowerCase().includes(want));
        } else {
            const want = word.replace(/"/g, '').toLowerCase();
            tests.push((r) => nameOf(r).toLowerCase().includes(want) || textsOf(r).some((t) => t.text.toLowerCase().includes(want)));
        }
    }
    return (row) => tests.every((t) => t(row));
}

function byNumber(list, name, down) {
    const values = column(name).map((x) => (Number.isNaN(x) ? -Infinity : x)), sign = down ? -1 : 1;
    return list.sort((a, b) => {
        const x = values[a.index], y = values[b.index];
        return x === y ? a.index - b.index : x < y ? -sign : sign;
    });
}

function rankShare(name) {
    const values = column(name), list = rows.filter((r) => !Number.isNaN(values[r.index]));
    byNumber(list, name, false);
    const share = new Float64Array(rows.length).fill(NaN);
    list.forEach((row, i) => { share[row.index] = i / Math.max(1, list.length - 1); });
    return share;
}

/* An error's code, as the filters write it; a record can bring any other value. */
function errorCode(row) {
    const error = field(row, 'error');
    return error && typeof error === 'object' && Object.hasOwn(error, 'code') ? spelt(error.code) : '';
}

/* Numbers before other values, which are compared as texts. */
function byCluster(a, b) {
    if (typeof a === 'number' && typeof b === 'number')
        return a - b;
    if (typeof a === 'number' || typeof b === 'number')
        return typeof a === 'number' ? -1 : 1;
    return spelt(a) < spelt(b) ? -1 : spelt(a) > spelt(b) ? 1 : 0;
}

/* The two scores whose ranks are compared: itm and itc, else the first two numeric fields. */
function disagree() {
    const one = numeric.find((n) => n === 'itm' || n.startsWith('itm.')) || numeric[0];
    const two = numeric.find((n) => n === 'itc' || n === 'sim' || n.startsWith('itc.')) || numeric.find((n) => n !== one);
    if (!one || !two)
        return [];
    const a = rankShare(one), b = rankShare(two);
    return rows.filter((r) => judged(r) && !Number.isNaN(a[r.index]) && !Number.isNaN(b[r.index]))
        .sort((r, s) => Math.abs(a[s.index] - b[s.index]) - Math.abs(a[r.index] - b[r.index]) || r.index - s.index);
}

/* One of each list in turn: the first of both lists come first. */
function inTurn(one, two) {
    const out = [];
    for (let i = 0; i < Math.max(one.length, two.length); i++)
        out.push(...[one[i], two[i]].filter(Boolean));
    return out;
}

const views = {
    all: ['all records', () => rows.slice()],
    kept: ['kept', () => rows.filter((r) => r.state === KEPT)],
    dropped: ['dropped', () => rows.filter((r) => r.state === DROPPED)],
    near: ['nearest to the threshold', () => {
        const values = column(active), limit = limits.get(active);
        const side = (above) => rows.filter((r) => judged(r) && (above ? values[r.index] >= limit : values[r.index] < limit))
            .sort((a, b) => Math.abs(values[a.index] - limit) - Math.abs(values[b.index] - limit)).slice(0, NEAR);
        return inTurn(side(false), side(true));
    }, true],
    surprise: ['surprises: best dropped, worst kept', () => {
        const good = (r) => !Number.isNaN(column(active)[r.index]);
        const dropped = byNumber(rows.filter((r) => r.state === DROPPED && good(r)), active, true).slice(0, NEAR);
        const kept = byNumber(rows.filter((r) => r.state === KEPT && good(r)), active, false).slice(0, NEAR);
        return inTurn(dropped, kept);
    }, true],
    disagree: ['scores that disagree most', disagree],
    same: ['one text on many pictures', () => rows.filter((r) => sameText().get(firstText(r)) > 1)
        .sort((a, b) => sameText().get(firstText(b)) - sameText().get(firstText(a)) || (firstText(a) < firstText(b) ? -1 : firstText(a) > firstText(b) ? 1 : a.index - b.index))],
    duplicates: ['near duplicates, by group', () => [...groups().values()].flat()],
    clusters: ['clusters', () => rows.filter((r) => field(r, 'cluster') !== undefined)
        .sort((a, b) => byCluster(field(a, 'cluster'), field(b, 'cluster')) || a.index - b.index)],
    errors: ['errors', () => rows.filter((r) => r.state === ERROR)
        .sort((a, b) => (errorCode(a) < errorCode(b) ? -1 : errorCode(a) > errorCode(b) ? 1 : a.index - b.index))],
    open: ['not yet decided', () => rows.filter((r) => judged(r) && !decisions.has(keyOf(r)))],
    decided: ['decided', () => rows.filter((r) => decisions.has(keyOf(r)))],
};
const own = ['near', 'surprise', 'disagree', 'same', 'duplicates', 'clusters', 'errors']; /* have an order */

function arrange() {
    const view = $('view').value, search = $('search').value.trim();
    let list = views[view][1]();
    if (search)
        list = list.filter(matcher(search));
    $('sort').disabled = $('down').disabled = own.includes(view);
    if (!own.includes(view) && $('sort').value)
        byNumber(list, $('sort').value, $('down').checked);
    order = list;
    current = Math.max(0, Math.min(current, order.length - 1));
    $('shown').textContent = `${order.length} of ${rows.length} shown`;
    $('grid').scrollTop = 0;
    current = 0;
    for (const card of cards.values())
        card.remove();
    cards.clear();
    layOut();
    showProgress();
}

