// The waterfall of one trace. The server sends columns (shares of the trace's length); only rows in view are drawn.
import { $, $$, copy, el, onMain, say, svg, toast, typing } from './dom.js';
import { bind } from './keys.js';
import { go } from './nav.js';
import { Rows } from './rows.js';
import { withParams } from './time.js';

const ROW = 26, ROW_NARROW = 46, INDENT = 14, DEEPEST = 22, FOLD = 5;
const narrow = matchMedia('(max-width: 860px)');
let t = null;

/** 3.42 s, 18 ms, 310 µs: three digits, as everywhere. */
export function duration(ns) {
  const sign = ns < 0 ? '−' : '', n = Math.abs(ns);
  const [value, unit] = n >= 60e9 ? [n / 60e9, 'min'] : n >= 1e9 ? [n / 1e9, 's'] : n >= 1e6 ? [n / 1e6, 'ms'] : n >= 1e3 ? [n / 1e3, 'µs'] : [n, 'ns'];
  const text = unit === 's' || unit === 'min' ? value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2) : String(+value.toPrecision(3));
  return n === 0 ? '0' : `${sign}${text} ${unit}`;
}

class Waterfall {
  constructor(box, data, colours) {
    Object.assign(this, { box, data, colours, count: data.span.length, closed: new Set(), opened: new Set(), at: 0, path: true, hits: new Set() });
    const url = new URL(location.href).searchParams;
    this.from = +url.get('t0') || 0;
    this.to = +url.get('t1') || 1;
    this.path = url.get('cp') !== '0';
    this.children = Array.from({ length: this.count }, () => []);
    this.tops = [];
    data.parent.forEach((parent, i) => (parent < 0 ? this.tops : this.children[parent]).push(i));
    this.open = new Set(data.open ?? []);
    this.last = new Set([this.tops.at(-1), ...this.children.map(list => list.at(-1))]);
    $('[data-cp]').checked = this.path;
    this.collect();
    this.rows = new Rows(box, { height: narrow.matches ? ROW_NARROW : ROW, count: this.shown.length, draw: (index, node) => this.draw(index, node), make: () => this.make() });
    this.axis();
    this.mini();
  }

  /** The rows to show: indexes of spans, or {fold: [...]} for a run of equal leaves. */
  collect() {
    this.shown = [];
    const walk = [...this.tops].reverse();
    while (walk.length) {
      const item = walk.pop();
      this.shown.push(item);
      if (typeof item !== 'number' || this.closed.has(item)) continue;
      walk.push(...this.runs(item).reverse());
    }
    this.place = new Map();
    this.shown.forEach((item, i) => { if (typeof item === 'number') this.place.set(item, i); else for (const one of item.fold) this.place.set(one, i); });
  }

  runs(parent) {
    const { service, name, outcome } = this.data, list = this.children[parent], out = [];
    for (let i = 0; i < list.length;) {
      let j = i + 1;
      const same = k => service[k] === service[list[i]] && name[k] === name[list[i]] && outcome[k] === outcome[list[i]] && !this.children[k].length;
      if (same(list[i])) while (j < list.length && same(list[j])) j++;
      if (j - i >= FOLD && !this.opened.has(list[i])) out.push({ fold: list.slice(i, j) }); else out.push(...list.slice(i, j));
      i = j;
    }
    return out;
  }

  refresh() { this.collect(); this.rows.setCount(this.shown.length); }
  make() {
    const node = el('div', { class: 'r', role: 'treeitem' }, el('div', { class: 't' }), el('div', { class: 'd' }));
    return node;
  }

  guides(item, depth) {
    const levels = Math.min(depth, DEEPEST), width = 2 + levels * INDENT;
    const box = svg('svg', { class: 'g', width, height: ROW, 'aria-hidden': 'true' });
    let at = item, path = '';
    for (let level = levels; level > 0; level--) {
      const x = 11.5 + (level - 1) * INDENT, ends = this.last.has(at);
      if (level === levels) path += `M${x} 0V${ends ? 13 : 26}M${x} 13.5h7.5`; else if (!ends) path += `M${x} 0V26`;
      at = this.data.parent[at];
      if (at < 0) break;
    }
    if (this.children[item].length && !this.closed.has(item)) path += `M${11.5 + levels * INDENT} 19V26`;
    if (path) box.append(svg('path', { d: path }));
    return box;
  }

  draw(index, node) {
    const entry = this.shown[index], fold = typeof entry !== 'number', item = fold ? entry.fold[0] : entry;
    const d = this.data, depth = d.depth[item], colour = this.colours[d.service[item]];
    node.className = `vs-row r ${colour}${this.hits.has(item) ? ' hit' : ''}${index === this.at ? ' cur' : ''}`;
    node.dataset.index = index;
    node.setAttribute('aria-level', depth + 1);
    node.setAttribute('aria-selected', String(!fold && $('#span-panel')?.dataset.span === String(item)));
    if (this.children[item].length) node.setAttribute('aria-expanded', String(!this.closed.has(item))); else node.removeAttribute('aria-expanded');
    const [tree, time] = node.children, hidden = this.closed.has(item) ? this.below(item) : 0;
    const outcome = d.outcomes[d.outcome[item]];
    tree.replaceChildren(
      this.guides(item, depth),
      el('span', { class: `svc ${colour}` }, d.services[d.service[item]]),
      el('span', { class: 'op ell', title: d.name[item] + (d.notes[item] ? ` (${d.notes[item]})` : '') }, d.name[item]),
      fold ? el('span', { class: 'tag' }, `× ${entry.fold.length}`) : hidden ? el('span', { class: 'tag' }, `+${hidden}`) : d.peer[item] ? el('span', { class: 'op t3 peer' }, `→ ${d.peer[item]}`) : d.origin?.[item] ? el('span', { class: 'op t3 peer' }, d.origin[item].replace('AWS::', '')) : '',
      d.notes[item] ? el('span', { class: 'tag odd', title: d.notes[item] }, this.open.has(item) ? 'in progress' : d.notes[item].split(', ')[0]) : '',
      outcome === 'ok' ? '' : el('span', { class: `st st-${outcome}` }, svg('svg', { viewBox: '0 0 12 12', 'aria-hidden': 'true' }, svg('use', { href: `#s-${outcome}` })), d.status[item]),
    );
    time.replaceChildren(this.bar(fold ? entry.fold : [item]));
  }

  below(item) {
    let sum = 0;
    const walk = [...this.children[item]];
    while (walk.length) { const one = walk.pop(); sum++; walk.push(...this.children[one]); }
    return sum;
  }

  x(share) { return ((share - this.from) / (this.to - this.from)) * 100; }

  bar(items) {
    const d = this.data, first = items[0];
    const box = svg('svg', { 'aria-label': `${duration(d.ns[first])} from ${duration(d.x[first] * d.duration)}` });
    for (const { x } of this.ticks ?? []) box.append(svg('line', { class: 'gl', x1: `${x}%`, x2: `${x}%`, y1: 0, y2: ROW }));
    const clip = (x, w) => { const a = Math.max(0, this.x(x)), b = Math.min(100, this.x(x + w)); return b >= a && b >= 0 && a <= 100 ? [a, Math.max(b - a, 0.12)] : null; };
    let right = 0, sum = 0;
    for (const item of items) {
      sum += d.ns[item];
      const open = this.open.has(item), place = clip(d.x[item], open ? 1 - d.x[item] : d.w[item]);  // without an end: up to the right edge
      if (!place) continue;
      right = Math.max(right, place[0] + place[1]);
      box.append(svg('rect', { class: open ? 'bar-t bar-o' : 'bar-t', x: `${place[0]}%`, width: `${place[1]}%`, y: 8.5, height: 9, rx: 1.5 }));
      if (this.path) for (const [x, w] of d.critical[item]) { const part = clip(x, w); if (part) box.append(svg('rect', { class: 'bar-w', x: `${part[0]}%`, width: `${part[1]}%`, y: 8, height: 10 })); }
    }
    const over = right > 96 && this.x(d.x[first]) > 12;
    box.append(svg('text', over ? { x: `${Math.max(0, this.x(d.x[first]))}%`, dx: -6, y: 15, 'text-anchor': 'end' } : { x: `${Math.min(right, 100)}%`, dx: 6, y: 15 }, this.open.has(first) ? 'in progress' : duration(sum)));
    return box;
  }

  axis() {
    const length = (this.to - this.from) * this.data.duration, rough = length / 7, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map(m => m * power).find(s => s >= rough), start = this.from * this.data.duration;
    this.ticks = [];
    for (let at = Math.ceil(start / step) * step; at < start + length; at += step) this.ticks.push({ x: (((at - start) / length) * 100).toFixed(2), text: at ? duration(Math.round(at)) : '0' });
    $('[data-axis]').replaceChildren(...this.ticks.flatMap(({ x, text }) => [svg('text', { class: 'ax', x: `${x}%`, dx: 4, y: 18 }, text), svg('line', { class: 'gl', x1: `${x}%`, x2: `${x}%`, y1: 0, y2: 28 })]));
    this.rows?.redraw();
  }

  /** All spans as hairlines, the view as a band; a long trace shows its longest spans. */
  mini() {
    const d = this.data, all = [...Array(this.count).keys()];
    const drawn = this.count > 400 ? all.sort((a, b) => d.w[b] - d.w[a]).slice(0, 400).sort((a, b) => a - b) : all;
    const step = Math.min(2, 34 / Math.max(1, drawn.length));
    const box = $('[data-mini]');
    box.replaceChildren(...drawn.map((item, i) => svg('rect', { class: `f-svc ${this.colours[d.service[item]]}`, x: `${d.x[item] * 100}%`, width: `${Math.max(d.w[item] * 100, 0.15)}%`, y: (i * step).toFixed(2), height: Math.max(step * 0.8, 0.5).toFixed(2) })),
      svg('rect', { class: 'brush', x: `${this.from * 100}%`, width: `${(this.to - this.from) * 100}%`, height: 36 }));
    $('[data-mini-label]').textContent = this.from > 0 || this.to < 1 ? `${duration(Math.round((this.to - this.from) * d.duration))} shown, double click for all` : 'Drag to zoom';
  }

  band() {
    const band = $('[data-mini] .brush');
    band.setAttribute('x', `${this.from * 100}%`);
    band.setAttribute('width', `${(this.to - this.from) * 100}%`);
  }

  zoom(from, to) {
    if (to - from < 1e-6) return;
    Object.assign(this, { from: Math.max(0, from), to: Math.min(1, to) });
    remember({ t0: this.from > 0 ? this.from.toFixed(6) : null, t1: this.to < 1 ? this.to.toFixed(6) : null });
    this.axis();
    this.mini();
  }

  select(index, open = true) {
    this.at = Math.max(0, Math.min(this.shown.length - 1, index));
    this.rows.scrollTo(this.at);
    this.rows.redraw();
    const entry = this.shown[this.at];
    if (open && typeof entry === 'number') panel(this.data, entry);
  }

  reveal(item) {
    for (let up = this.data.parent[item]; up >= 0; up = this.data.parent[up]) this.closed.delete(up);
    this.refresh();
    const index = this.place.get(item), entry = this.shown[index];
    if (typeof entry !== 'number') { this.opened.add(entry.fold[0]); this.refresh(); }
    this.at = this.place.get(item);
    this.rows.scrollTo(this.at, 'center');
    this.rows.redraw();
  }

  toggle(index) {
    const entry = this.shown[index];
    if (typeof entry !== 'number') this.opened.add(entry.fold[0]);
    else if (this.closed.has(entry)) this.closed.delete(entry);
    else if (this.children[entry].length) this.closed.add(entry);
    else return false;
    this.refresh();
  }

  key(name) {
    const entry = this.shown[this.at], open = typeof entry === 'number' && this.children[entry].length && !this.closed.has(entry);
    if (name === 'ArrowDown') this.select(this.at + 1);
    else if (name === 'ArrowUp') this.select(this.at - 1);
    else if (name === 'Home') this.select(0);
    else if (name === 'End') this.select(this.shown.length - 1);
    else if (name === 'ArrowRight') { if (open || typeof entry === 'number' && !this.children[entry].length) this.select(this.at + 1); else this.toggle(this.at); }
    else if (name === 'ArrowLeft') { if (open) this.toggle(this.at); else if (typeof entry === 'number' && this.data.parent[entry] >= 0) this.select(this.place.get(this.data.parent[entry])); }
    else if (name === 'Enter') this.select(this.at);
    else return false;
    return true;
  }

  next(wanted) {
    const now = typeof this.shown[this.at] === 'number' ? this.shown[this.at] : this.shown[this.at]?.fold[0] ?? -1;
    const all = [...Array(this.count).keys()].filter(wanted);
    const found = all.find(i => i > now) ?? all[0];
    if (found === undefined) return;
    this.reveal(found);
    panel(this.data, found);
  }
}

function remember(changes) { history.replaceState(history.state, '', withParams(changes)); }

/** The panel of a span comes from the server; the waterfall stays as it is. */
let fetching = null;
async function panel(data, item) {
  fetching?.abort();
  fetching = new AbortController();
  const keep = new URL(location.href).searchParams, wanted = new URLSearchParams();
  for (const name of ['tab', 'q', 'view', 'from', 'to', 'tz', 'account']) if (keep.get(name)) wanted.set(name, keep.get(name));
  remember({ span: data.span[item], closed: null });
  try {
    const response = await fetch(`/traces/${data.id}/spans/${item}?${wanted}`, { signal: fetching.signal });
    if (!response.ok) return;
    const next = new DOMParser().parseFromString(await response.text(), 'text/html').querySelector('#span-panel');
    const old = $('#span-panel');
    if (old) old.replaceWith(next); else { $('.split').classList.add('s'); $('.split').append(next); }
    t?.rows.redraw();
    say(`${data.services[data.service[item]]} ${data.name[item]}`);
  } catch (error) { if (error.name !== 'AbortError') throw error; }
}

narrow.addEventListener('change', () => { if (t) { t.rows.height = narrow.matches ? ROW_NARROW : ROW; t.refresh(); } });

onMain(() => {
  const box = $('[data-wf]'), text = $('#trace-data')?.textContent;
  if (!box || !text) { t = null; return; }
  if (t?.box === box && t.text === text) { t.rows.redraw(); return; }
  t?.rows.close();
  for (const old of $$('.vs-pad', box)) old.remove();
  t = new Waterfall(box, JSON.parse(text), JSON.parse($('#trace-colours').textContent));
  t.text = text;
  const chosen = $('#span-panel')?.dataset.span;
  if (chosen !== undefined) t.reveal(+chosen);
});

document.addEventListener('click', event => {
  const row = event.target.closest?.('[data-wf] .r:not(.hd)');
  if (row && t) {
    const index = +row.dataset.index, entry = t.shown[index];
    if (typeof entry !== 'number' || event.target.closest('.g, .tag:not(.odd)')) { t.toggle(index); return; }
    t.select(index);
  }
  if (event.target.closest?.('[data-next-error]')) t ? t.next(i => t.data.outcome[i] > 0) : null;
  if (event.target.closest?.('[data-copy-span]')) { copy($('#span-panel [data-copy-text]').textContent); toast('Span id copied'); }
  if (event.target.closest?.('[data-copy-crumb]')) { copy($('.top [data-copy-text]').textContent); toast('Trace id copied'); }
});
document.addEventListener('change', event => {
  if (!event.target.matches('[data-cp]') || !t) return;
  t.path = event.target.checked;
  remember({ cp: t.path ? null : '0' });
  t.rows.redraw();
});
document.addEventListener('keydown', event => {
  if (!t || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  if (!event.target.closest?.('[data-wf]') && event.target !== document.body) return;
  if (t.key(event.key)) { event.preventDefault(); event.stopPropagation(); }
}, true);

document.addEventListener('input', event => {
  if (!event.target.matches('[data-find]') || !t) return;
  const words = event.target.value.trim().toLowerCase(), d = t.data;
  t.hits = new Set(words ? [...Array(t.count).keys()].filter(i => `${d.services[d.service[i]]} ${d.name[i]} ${d.peer[i]} ${d.span[i]}`.toLowerCase().includes(words)) : []);
  $('[data-found]').textContent = words ? `${t.hits.size} found` : '';
  t.rows.redraw();
});
document.addEventListener('keydown', event => {
  if (!event.target.matches?.('[data-find]') || !t) return;
  if (event.key === 'Enter') { t.next(i => t.hits.has(i)); event.preventDefault(); }
  if (event.key === 'Escape') { event.target.value = ''; t.hits = new Set(); $('[data-found]').textContent = ''; t.rows.redraw(); event.target.blur(); }
});

let drag = null;
const share = event => { const box = $('[data-mini]').getBoundingClientRect(); return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)); };
document.addEventListener('pointerdown', event => { if (t && event.target.closest?.('[data-mini]')) { drag = share(event); event.preventDefault(); } });
document.addEventListener('pointermove', event => {
  if (drag === null) return;
  const now = share(event), band = $('[data-mini] .brush');
  band.setAttribute('x', `${Math.min(drag, now) * 100}%`);
  band.setAttribute('width', `${Math.abs(now - drag) * 100}%`);
});
document.addEventListener('pointerup', event => {
  if (drag === null) return;
  const now = share(event), [a, b] = [Math.min(drag, now), Math.max(drag, now)];
  drag = null;
  if (b - a > 0.004) t.zoom(a, b); else t.band();
});
document.addEventListener('dblclick', event => { if (t && event.target.closest?.('[data-mini]')) t.zoom(0, 1); });

const step = way => () => (t ? t.select(t.at + way) : false);
bind('j', 'Next span', step(1));
bind('k', 'Previous span', step(-1));
bind('e', 'Next error', () => t?.next(i => t.data.outcome[i] > 0));
bind('f', 'Fit the span', () => { const item = t?.shown[t.at]; if (typeof item === 'number') t.zoom(t.data.x[item] - t.data.w[item] * 0.02, t.data.x[item] + t.data.w[item] * 1.02); });
bind('0', 'The whole trace', () => t?.zoom(0, 1));
bind('p', 'Critical path on or off', () => $('[data-cp]')?.click());
bind('x', 'Fold or unfold', () => t?.toggle(t.at));
bind('n', 'Newer trace', () => { const link = $('[data-newer][href]'); if (link) go(link.href); });
bind('o', 'Older trace', () => { const link = $('[data-older][href]'); if (link) go(link.href); });
