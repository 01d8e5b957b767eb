'use strict';
/* 1-records.js - the records that vlm-page wrote into the page, and their fields
 *
 * The files of this folder follow one another in one script, in the order of their names.
 *
 * head     counts over everything, names of fields, how pictures are stored
 * records  one row a record: [state, picture, heat maps, id or null, hash, record]
 * pictures inline: one base64 JPEG a line; else empty, and pictures lie in sprite sheets
 *
 * Text of a record only ever becomes textContent: it cannot become markup.  Nothing is fetched.
 */
const KEPT = 0, DROPPED = 1, ERROR = 2;
const STATE = ['kept', 'dropped', 'error'];
const BINS = 40, CARD_WIDTH = 230, CARD_HEIGHT = 290, GAP = 8, MOST_CARDS = 200, NEAR = 200;

const $ = (id) => document.getElementById(id);
const head = JSON.parse($('head').textContent);
const rows = JSON.parse($('records').textContent).map((r, index) => ({
    index, state: r[0], picture: r[1], heat: r[2], id: r[3], hash: r[4], record: r[5],
}));
const pictures = $('pictures').textContent.trim();
const inline = pictures ? pictures.split('\n') : [];
$('records').textContent = $('pictures').textContent = '';

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

/* Control and direction-changing characters become visible: \u001b, \u202e. */
function visible(text) {
    return String(text).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
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
            list[row.index] = number(row.record[name]);
        columns.set(name, list);
    }
    return columns.get(name);
}

function numericFields() {
    const count = new Map();
    for (const row of rows)
        for (const name in row.record)
            if (!Number.isNaN(number(row.record[name])))
                count.set(name, (count.get(name) || 0) + 1);
    const first = ['itm', 'itc', 'sim', 'logprob', 'prob'];
    const rank = (name) => {
        const at = first.findIndex((f) => name === f || name.startsWith(f + '.'));
        return at < 0 ? first.length : at;
    };
    return [...count.keys()].filter((name) => name !== 'id' && name !== 'cluster')
        .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

function strings(value) {
    if (typeof value === 'string')
        return [value];
    return Array.isArray(value) ? value.filter((v) => typeof v === 'string') : [];
}

/* The texts of one record with their scores: [{field, text, score}]. */
function textsOf(row) {
    const out = [];
    for (const field of head.texts) {
        const value = row.record[field];
        const scores = row.record['itm.' + field] !== undefined ? row.record['itm.' + field] : row.record.itm;
        strings(value).forEach((text, i) =>
            out.push({ field, text, score: number(Array.isArray(scores) ? scores[i] : scores) }));
    }
    return out;
}

const firstText = (row) => {
    for (const field of head.texts) {
        const list = strings(row.record[field]);
        if (list.length)
            return list[0];
    }
    return '';
};

function nameOf(row) {
    for (const field of head.images)
        if (typeof row.record[field] === 'string' && !row.record[field].startsWith('data:'))
            return row.record[field];
    return row.id !== null ? row.id : row.hash;
}

/* The end of a long name tells more than its beginning. */
const shortName = (row) => (nameOf(row).length > 34 ? '…' + nameOf(row).slice(-33) : nameOf(row));

const keyOf = (row) => (row.id !== null ? 'i' + row.id : 'h' + row.hash) + '\n' + firstText(row);

/* Records of one picture: by id, else by the picture's name.  vlm-filter --capfilt makes a record of
 * every text, kept or dropped. */
const pictureKey = (row) => (row.id !== null ? 'i' + row.id : 'n' + nameOf(row));
const samePicture = new Map();
for (const row of rows) {
    if (!samePicture.has(pictureKey(row)))
        samePicture.set(pictureKey(row), []);
    samePicture.get(pictureKey(row)).push(row);
}

/* A group is a first picture and those that are marked as its duplicates. */
const byName = new Map();
for (const row of rows)
    for (const name of [row.id !== null ? 'i' + row.id : '', 'n' + nameOf(row)])
        if (name && !byName.has(name))
            byName.set(name, row);
const groups = new Map();
for (const row of rows) {
    const of = row.record.duplicate_of;
    if (of === undefined || of === null)
        continue;
    const key = JSON.stringify(of);
    if (!groups.has(key)) {
        const first = byName.get('i' + key) || byName.get('n' + of);
        groups.set(key, first ? [first] : []);
    }
    groups.get(key).push(row);
}
const groupOf = new Map();
for (const list of groups.values())
    for (const row of list)
        groupOf.set(row, list);

const sameText = new Map();
for (const row of rows) {
    const text = firstText(row);
    if (text)
        sameText.set(text, (sameText.get(text) || 0) + 1);
}

