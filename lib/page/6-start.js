/* 6-start.js - the head of the page, and what its controls do */

// One line for a list of entries; what is no such list stands as it is.
function provenanceLine(text) {
    let list;
    try {
        list = JSON.parse(text);
    } catch (e) { /* it was cut */
        return text;
    }
    const line = (entry) => !entry || !entry.command ? JSON.stringify(entry)
        : [`${entry.command} ${entry.vlm}`, entry.model ? `model ${entry.model}` : 'no model',
            ...(entry.precision ? [`precision ${entry.precision}`] : []), ...(entry.options || [])].join(' ');
    return (Array.isArray(list) ? list : [list]).map(line).join('; ');
}

function listOf(title, counts, say = (name) => name) {
    const box = make('div'), list = make('ul');
    const names = Object.keys(counts).sort((a, b) => counts[b] - counts[a]);
    if (!names.length)
        return null;
    for (const name of names)
        list.append(make('li', '', `${counts[name]} × ${visible(say(name))}`));
    box.append(make('h2', '', title), list);
    return box;
}

/* Names are copied into a terminal at times: no control character of a name may get there. */
const plainName = (name) => name.replace(/[\u0000-\u001f\u007f-\u009f]/g, visible);

function showHead() {
    const { kept, dropped, errors } = head;
    $('counts').textContent = `${kept + dropped + errors} records: ${kept} kept, ${dropped} dropped, ${errors} with errors` +
        (head.sampled ? `; a sample of ${rows.length} is shown` : '');
    const parts = [listOf('Dropped, by reason', head.reasons), listOf('Errors, by code', head.codes), listOf('Provenance', head.provenance, provenanceLine)].filter(Boolean);
    $('about-lists').append(...parts);
    $('about').hidden = !parts.length;
}

for (const name in views) {
    const empty = (name === 'duplicates' && !groups().size) || (name === 'errors' && !head.errors) || (views[name][2] && !active) ||
        (name === 'clusters' && !rows.some((r) => field(r, 'cluster') !== undefined)) || (name === 'dropped' && !head.dropped);
    if (!empty)
        $('view').append(Object.assign(make('option', '', views[name][0]), { value: name }));
}
$('sort').append(Object.assign(make('option', '', 'order of the input'), { value: '' }),
    ...numeric.map((name) => Object.assign(make('option', '', visible(name)), { value: name })));
$('histograms').append(...numeric.map(histogram));
$('view').addEventListener('change', arrange);
$('sort').addEventListener('change', arrange);
$('down').addEventListener('change', arrange);
let waiting = 0;
$('search').addEventListener('input', () => {
    clearTimeout(waiting);
    waiting = setTimeout(arrange, 150);
});
$('limit').addEventListener('input', () => {
    const [least, most] = range(active);
    setLimit(rounded(active, least + Number($('limit').value) / 1000 * (most - least)));
});
$('limit-copy').addEventListener('click', () => copy($('limit-filter').textContent));
$('copy-names').addEventListener('click', () => copy(order.map((row) => plainName(nameOf(row))).join('\n') + '\n'));
$('save').addEventListener('click', save);
$('forget').addEventListener('click', () => {
    if (!decisions.size || confirm(`Forget ${decisions.size} decisions?`)) {
        decisions.clear();
        remember();
        arrange();
    }
});
$('blind').addEventListener('change', () => {
    document.body.classList.toggle('blind', $('blind').checked);
    for (const place of [...cards.keys()])
        redraw(place);
    showProgress();
});
$('grid').addEventListener('scroll', drawSoon, { passive: true });
$('details-close').addEventListener('click', () => $('details').close());
document.title = $('title').textContent = visible(document.title);
new ResizeObserver(layOut).observe($('grid'));
showHead();
if (active)
    choose(active);
arrange();
window.vlmPage = { rows, decisionLines, cardsAlive: () => cards.size, setLimit, choose, wouldKeep };

