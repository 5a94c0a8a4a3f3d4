// The live tail: lines from the event stream, pinned to the newest. Scrolling up holds; what is left out is counted.
import { $, $$, el, onMain, typing } from './dom.js';
import { bind } from './keys.js';
import { withParams } from './time.js';

const RING = 10000, CLASSES = { FATAL: 'error', ERROR: 'error', WARN: 'warn', INFO: 'info' };
let source = null, held = [], paused = false, shown = 0, missed = 0, recent = [];

const box = () => $('[data-tail]');
const pinned = () => { const b = box(); return b.scrollHeight - b.scrollTop - b.clientHeight < 40; };
const words = () => ($('[data-hl]')?.value ?? '').split(/[\s,]+/).filter(Boolean).slice(0, 5);

function marked(text) {
  const list = words();
  if (!list.length) return [text];
  const pattern = new RegExp(`(${list.map(w => w.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|')})`, 'gi');
  return text.split(pattern).map((part, i) => (i % 2 ? el('mark', {}, part) : part));
}

const colours = new Map();
function line(record) {
  const at = new Date(record.time_ns / 1e6), clock = at.toISOString().slice(11, 23);
  const name = el('span', { class: `svc ell ${colours.get(record.service) ?? ''}`, title: record.service }, record.service);
  const href = record.trace_id ? `/traces/${record.trace_id}${record.span_id ? `?span=${record.span_id}` : ''}` : `/logs?${new URLSearchParams({ around: record.id, open: record.id })}`;
  return el('div', { class: 'lg' }, el('span', {}), el('a', { class: 'ts', href, title: record.trace_id ? 'View the trace' : 'Lines around it' }, clock),
    el('span', { class: `lv lv-${CLASSES[record.level] ?? 'debug'}` }, record.level || '–'), name, el('span', { class: 'msg', title: record.body.slice(0, 300) }, ...marked(record.body)));
}

function draw(records) {
  const list = $('[data-lines]', box()), stay = pinned();
  list.append(...records.map(line));
  while (list.childElementCount > RING) list.firstElementChild.remove();
  shown += records.length;
  if (stay) box().scrollTop = box().scrollHeight;
  $('[data-waiting]').hidden = list.childElementCount > 0;
}

function count() {
  const now = Date.now();
  recent = recent.filter(([at]) => now - at < 5000);
  $('[data-rate]').textContent = Math.round(recent.reduce((sum, [, n]) => sum + n, 0) / 5);
  $('[data-shown]').textContent = shown.toLocaleString('en');
  $('[data-missed]').textContent = missed.toLocaleString('en');
  const button = $('[data-newer-lines]');
  button.hidden = !held.length;
  button.textContent = `${held.length.toLocaleString('en')} new lines ↓`;
}

function take({ records, matching, colours: fresh }) {
  for (const [name, css] of Object.entries(fresh)) colours.set(name, css);
  recent.push([Date.now(), matching]);
  missed += matching - records.length;
  if (paused || !pinned()) {
    held.push(...records);
    if (held.length > RING) { missed += held.length - RING; held = held.slice(-RING); }
  } else draw(records);
  count();
}

function release() {
  const wait = held;
  held = [];
  draw(wait);
  box().scrollTop = box().scrollHeight;
  count();
}

function pause(on = !paused) {
  paused = on;
  const button = $('[data-pause]');
  button.setAttribute('aria-pressed', String(paused));
  button.textContent = paused ? 'Go on' : 'Pause';
  if (!paused) release();
}

function listen() {
  source?.close();
  const tail = box();
  if (!tail) return;
  source = new EventSource(`/tail/stream?${new URLSearchParams({ q: tail.dataset.filter })}`);
  source.onmessage = event => take(JSON.parse(event.data));
  source.onerror = () => { if (source.readyState === EventSource.CLOSED) { $('[data-waiting]').hidden = false; $('[data-waiting]').textContent = 'The stream has ended. Reload the page to listen again.'; } };
}

let filter = null, ticking = null;
onMain(() => {
  const tail = box();
  if (!tail || (source && filter === tail.dataset.filter)) return;
  filter = tail.dataset.filter;
  [held, shown, missed, recent] = [[], 0, 0, []];
  $('[data-lines]', tail).replaceChildren();
  listen();
  ticking ??= setInterval(() => { if (box()) count(); }, 1000);
});
addEventListener('pagehide', () => source?.close());
document.addEventListener('click', event => {
  if (event.target.closest?.('[data-pause]')) pause();
  if (event.target.closest?.('[data-newer-lines]')) pause(false);
  if (event.target.closest?.('[data-clear]')) { $('[data-lines]', box()).replaceChildren(); shown = missed = 0; count(); }
});
document.addEventListener('scroll', event => { if (event.target === box() && pinned() && held.length && !paused) release(); }, true);
document.addEventListener('change', event => { if (event.target.matches('[data-hl]')) history.replaceState(null, '', withParams({ hl: words().join(' ') || null })); });
document.addEventListener('keydown', event => { if (event.key === ' ' && box() && !typing(event.target) && !event.target.closest('button, a')) { pause(); event.preventDefault(); } });
bind('Space', 'Hold or go on', () => false);
