/* 2-review.js - what a person decided, kept in the browser and saved as decisions.jsonl */

const store = 'vlm-page ' + head.hash;
const decisions = new Map(); /* key of records -> keep */
try {
    for (const [index, keep] of JSON.parse(localStorage.getItem(store) || '[]'))
        if (rows[index])
            decisions.set(keyOf(rows[index]), keep === 1);
} catch (e) { /* no storage: the review lasts as long as the page */ }

/* Few bytes a decision: a browser keeps some mebibytes.  The store's name stands for the records, so a
 * place among them does for a key. */
function kept() {
    const list = [], seen = new Set();
    if (decisions.size)
        for (const row of rows)
            if (decisions.has(keyOf(row)) && !seen.has(keyOf(row))) {
                seen.add(keyOf(row));
                list.push([row.index, decisions.get(keyOf(row)) ? 1 : 0]);
            }
    return list;
}

let storing = 0;
function keepInBrowser() {
    clearTimeout(storing);
    storing = 0;
    try {
        localStorage.setItem(store, JSON.stringify(kept()));
        $('unkept').hidden = true;
    } catch (e) { /* full, or not allowed */
        $('unkept').hidden = false;
    }
}

function remember() {
    if (!storing)
        storing = setTimeout(keepInBrowser, 200);
    showProgress();
}
addEventListener('pagehide', () => storing && keepInBrowser());

/* keep: true, false, or null to take a decision back. */
function decide(list, keep) {
    for (const row of list)
        if (keep(row) === null)
            decisions.delete(keyOf(row));
        else
            decisions.set(keyOf(row), keep(row));
    remember();
}

/* itm is what vlm-eval --task=itm reads; beside it the score that is looked at. */
function scoresOf(row) {
    return ['itm', active].filter((name, i, list) => name && list.indexOf(name) === i && !Number.isNaN(number(field(row, name))) &&
        !['id', 'key', 'keep', 'truth', 'text'].includes(name));
}

/* One line a decision.  The id stands as the record spells it: a 64-bit number stays itself. */
function decisionLines() {
    const lines = [];
    for (const row of decisions.size ? rows : []) {
        const keep = decisions.get(keyOf(row));
        if (keep === undefined)
            continue;
        const parts = [row.id !== null ? '"id":' + row.id : '"key":' + JSON.stringify(row.hash),
            '"keep":' + keep, '"truth":' + keep];
        for (const name of scoresOf(row))
            parts.push(JSON.stringify(name) + ':' + number(field(row, name)));
        if (row.textField !== null)
            parts.push('"text":' + JSON.stringify(firstText(row)));
        lines.push('{' + parts.join(',') + '}\n');
    }
    return lines.join('');
}

function save() {
    const link = make('a');
    link.href = URL.createObjectURL(new Blob([decisionLines()], { type: 'application/x-ndjson' }));
    link.download = 'decisions.jsonl';
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/* Of [score, wanted] pairs: the area under the ROC curve by ranks, ties counted half, and the
 * threshold that agrees with most of them, with the next lower score. */
function separate(pairs) {
    const yes = pairs.filter((p) => p[1]).length, no = pairs.length - yes;
    if (!yes || !no)
        return null;
    pairs.sort((a, b) => a[0] - b[0]);
    let ranks = 0, right = yes, best = yes, at = pairs[0][0], under = -Infinity;
    for (let i = 0; i < pairs.length;) {
        let j = i, wanted = 0;
        while (j < pairs.length && pairs[j][0] === pairs[i][0])
            wanted += pairs[j++][1] ? 1 : 0;
        ranks += wanted * (i + j + 1) / 2;
        right += (j - i) - 2 * wanted; /* a threshold above these drops them */
        if (j < pairs.length && right > best) {
            best = right;
            at = pairs[j][0];
            under = pairs[i][0];
        }
        i = j;
    }
    return { auc: (ranks - yes * (yes + 1) / 2) / (yes * no), threshold: at, under, share: best / pairs.length, count: pairs.length };
}

function agreement(name) {
    const pairs = [], scores = column(name);
    for (const row of decisions.size ? rows : []) {
        const truth = decisions.get(keyOf(row)), score = scores[row.index];
        if (truth !== undefined && !Number.isNaN(score))
            pairs.push([score, truth]);
    }
    return separate(pairs);
}

function showProgress() {
    const seen = decisions.size ? order.reduce((sum, row) => sum + decisions.has(keyOf(row)), 0) : 0;
    $('progress').max = Math.max(1, order.length);
    $('progress').value = seen;
    $('decided').textContent = `${seen} of ${order.length} decided, ${decisions.size} in all`;
    const a = active ? agreement(active) : null;
    $('agreement').textContent = a && !$('blind').checked ?
        `You and ${visible(active)}: AUC ${a.auc.toFixed(3)} over ${a.count}; best threshold ${between(a.under, a.threshold)} agrees in ${(100 * a.share).toFixed(1)} %` : '';
}

