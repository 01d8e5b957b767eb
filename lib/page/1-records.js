'use strict';
/* 1-records.js - the records that vlm-page wrote into the page, and their fields
 *
 * The files of this folder follow one another in one script, in the order of their names.
 *
 * head     counts over everything, names of fields, how pictures are stored
 * records  one row a record: [state, picture, heat maps, id or null, hash, record, name of the field
 *          of the first text or null, duplicate_of as the record spells it or null]
 * pictures inline: one base64 JPEG a line; else empty, and pictures lie in sprite sheets
 *
 * Text of a record only ever becomes textContent: it cannot become markup.  Nothing is fetched.
 */
const KEPT = 0, DROPPED = 1, ERROR = 2;
const STATE = ['kept', 'dropped', 'error'];
const BINS = 40, CARD_WIDTH = 230, CARD_HEIGHT = 290, GAP = 8, MOST_CARDS = 200, MOST_BARS = 8, NEAR = 200,
    MOST_FIELDS = 64, MOST_TEXTS = 50, MOST_LETTERS = 1000;

const $ = (id) => document.getElementById(id);
const head = JSON.parse($('head').textContent);
const rows = JSON.parse($('records').textContent).map((r, index) => ({
    index, state: r[0], picture: r[1], heatmaps: r[2], id: r[3], hash: r[4], record: r[5], textField: r[6], of: r[7], key: '',
}));
const pictures = $('pictures').textContent.trim();
const inline = pictures ? pictures.split('\n') : [];
$('records').textContent = $('pictures').textContent = '';
head.texts = [...new Set(head.texts)];

function make(tag, name, text) {
    const e = document.createElement(tag);
    if (name)
        e.className = name;
    if (text !== undefined)
        e.textContent = text;
    return e;
}

function svg(tag, attributes) {
    const e = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const name in attributes)
        e.setAttribute(name, attributes[name]);
    return e;
}

/* A function's value, computed when it is first asked for. */
function once(compute) {
    let value;
    return () => (value === undefined ? value = compute() : value);
}

/* A field of a record, whatever its name: "constructor" is none that a record without it has. */
const field = (row, name) => (Object.hasOwn(row.record, name) ? row.record[name] : undefined);

/* Any value as text.  An object's own toString, which a record can bring, is never called. */
const spelt = (value) => (typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value));

/* Control and direction-changing characters become visible: \u001b, \u202e. */
function visible(text) {
    return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
        (c) => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0'));
}

function copy(text) {
    if (navigator.clipboard && window.isSecureContext)
        return navigator.clipboard.writeText(text).catch(() => copyByHand(text));
    return copyByHand(text);
}

function copyByHand(text) {
    const area = make('textarea');
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
}

/* --- fields --- */

/* A list of scores counts by its greatest: a comparison of vlm-filter holds for a list if it holds
 * for one of its items. */
function number(value) {
    if (Array.isArray(value)) {
        const list = value.map(number).filter((x) => !Number.isNaN(x));
        return list.length ? Math.max(...list) : NaN;
    }
    return typeof value === 'number' && Number.isFinite(value) ? value : NaN;
}

const columns = new Map();
function column(name) {
    if (!columns.has(name)) {
        const list = new Float64Array(rows.length);
        for (const row of rows)
            list[row.index] = number(field(row, name));
        columns.set(name, list);
    }
    return columns.get(name);
}

/* The most common ones: records can bring any number of names. */
function numericFields() {
    const count = new Map();
    for (const row of rows)
        for (const name of Object.keys(row.record))
            if (name !== 'id' && name !== 'cluster' && !Number.isNaN(number(row.record[name])))
                count.set(name, (count.get(name) || 0) + 1);
    const first = ['itm', 'itc', 'sim', 'logprob', 'prob'];
    const rank = (name) => {
        const at = first.findIndex((f) => name === f || name.startsWith(f + '.'));
        return at < 0 ? first.length : at;
    };
    return [...count.keys()].sort((a, b) => rank(a) - rank(b) || count.get(b) - count.get(a)).slice(0, MOST_FIELDS)
        .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

function strings(value) {
    if (typeof value === 'string')
        return [value];
    return Array.isArray(value) ? value.filter((v) => typeof v === 'string') : [];
}

/* The texts of one record with their scores: [{name, text, score}]. */
function textsOf(row) {
    const out = [];
    for (const name of head.texts) {
        const own = field(row, 'itm.' + name), scores = own !== undefined ? own : field(row, 'itm');
        strings(field(row, name)).forEach((text, i) =>
            out.push({ name, text, score: number(Array.isArray(scores) ? scores[i] : scores) }));
    }
    return out;
}

/* The text that a decision names, as vlm-filter --decisions takes it. */
const firstText = (row) => (row.textField === null ? '' : strings(field(row, row.textField))[0] || '');

function nameOf(row) {
    for (const name of head.images) {
        const value = field(row, name);
        if (typeof value === 'string' && !value.startsWith('data:'))
            return value;
    }
    return row.id !== null ? idText(row) : row.hash;
}

/* An id is kept as the record spells it; a text is read without its quotation marks. */
function idText(row) {
    return row.id.startsWith('"') ? JSON.parse(row.id) : row.id;
}

/* The end of a long name tells more than its beginning. */
const shortName = (row) => (nameOf(row).length > 34 ? '…' + nameOf(row).slice(-33) : nameOf(row));

/* What a decision is filed under: records that differ in neither id nor first text share one.  A hash
 * is of the text too. */
const keyOf = (row) => row.key || (row.key = row.id === null ? 'h' + row.hash : 'i' + row.id + (row.textField === null ? '' : '\n' + firstText(row)));

/* Records of one picture: by id, else by the picture's name.  vlm-filter --capfilt makes a record of
 * every text, kept or dropped. */
const pictureKey = (row) => (row.id !== null ? 'i' + row.id : 'n' + nameOf(row));
const samePicture = once(() => {
    const list = new Map();
    for (const row of rows) {
        if (!list.has(pictureKey(row)))
            list.set(pictureKey(row), []);
        list.get(pictureKey(row)).push(row);
    }
    return list;
});

/* A group is a first picture and those that are marked as its duplicates, by its id or its name. */
const groups = once(() => {
    const list = new Map(), byName = new Map();
    if (!rows.some((row) => row.of))
        return list;
    for (const row of rows)
        for (const name of [row.id !== null ? row.id : '', JSON.stringify(nameOf(row))])
            if (name && !byName.has(name))
                byName.set(name, row);
    for (const row of rows) {
        if (!row.of)
            continue;
        if (!list.has(row.of))
            list.set(row.of, byName.has(row.of) ? [byName.get(row.of)] : []);
        list.get(row.of).push(row);
    }
    return list;
});
const groupOf = once(() => {
    const list = new Map();
    for (const group of groups().values())
        for (const row of group)
            list.set(row, group);
    return list;
});

const sameText = once(() => {
    const count = new Map();
    for (const row of rows) {
        const text = firstText(row);
        if (text)
            count.set(text, (count.get(text) || 0) + 1);
    }
    return count;
});

