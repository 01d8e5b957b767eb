/* 2-review.js - what a person decided, kept in the browser and saved as decisions.jsonl */

const store = 'vlm-page ' + head.hash;
let decisions = new Map();
try {
    decisions = new Map(JSON.parse(localStorage.getItem(store) || '[]'));
} catch (e) { /* no storage: the review lasts as long as the page */ }

function remember() {
    try {
        localStorage.setItem(store, JSON.stringify([...decisions]));
    } catch (e) { /* full, or not allowed */ }
    showProgress();
}

function decide(row, keep) {
    if (keep === null)
        decisions.delete(keyOf(row));
    else
        decisions.set(keyOf(row), keep);
    remember();
}

/* One line a decision.  The id stands as the record spells it: a 64-bit number stays itself. */
function decisionLines() {
    const lines = [];
    for (const row of rows) {
        const keep = decisions.get(keyOf(row));
        if (keep === undefined)
            continue;
        const parts = [row.id !== null ? '"id":' + row.id : '"key":' + JSON.stringify(row.hash),
            '"keep":' + keep, '"truth":' + keep];
        const score = active ? column(active)[row.index] : NaN;
        if (!Number.isNaN(score))
            parts.push(JSON.stringify(active) + ':' + score);
        if (firstText(row) && !(firstText(row).endsWith('…') && firstText(row).length > 600)) /* not one that was cut */
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
 * threshold that agrees with most of them. */
function separate(pairs) {
    const yes = pairs.filter((p) => p[1]).length, no = pairs.length - yes;
    if (!yes || !no)
        return null;
    pairs.sort((a, b) => a[0] - b[0]);
    let ranks = 0, right = yes, best = yes, at = pairs[0][0];
    for (let i = 0; i < pairs.length;) {
        let j = i, wanted = 0;
        while (j < pairs.length && pairs[j][0] === pairs[i][0])
            wanted += pairs[j++][1] ? 1 : 0;
        ranks += wanted * (i + j + 1) / 2;
        right += (j - i) - 2 * wanted; /* a threshold above these drops them */
        if (j < pairs.length && right > best) {
            best = right;
            at = pairs[j][0];
        }
        i = j;
    }
    return { auc: (ranks - yes * (yes + 1) / 2) / (yes * no), threshold: at, share: best / pairs.length, count: pairs.length };
}

function agreement(name) {
    const pairs = [];
    for (const row of rows) {
        const truth = decisions.get(keyOf(row)), score = column(name)[row.index];
        if (truth !== undefined && !Number.isNaN(score))
            pairs.push([score, truth]);
    }
    return separate(pairs);
}

function showProgress() {
    const seen = order.length ? order.filter((row) => decisions.has(keyOf(row))).length : 0;
    $('progress').max = Math.max(1, order.length);
    $('progress').value = seen;
    $('decided').textContent = `${seen} of ${order.length} decided, ${decisions.size} in all`;
    const a = active ? agreement(active) : null;
    $('agreement').textContent = a && !$('blind').checked ?
        `You and ${active}: AUC ${a.auc.toFixed(3)} over ${a.count}; best threshold ${short(a.threshold)} agrees in ${(100 * a.share).toFixed(1)} %` : '';
}

