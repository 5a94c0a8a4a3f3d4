// Reading and brushing charts that the server drew: [data-points] shows values under the pointer,
// [data-brush] turns a dragged band into the page's range. 'time' sets from/to ('atime' afrom/ato), another name sets <name>min/<name>max.
import { $, $$, el, say, svg } from './dom.js';
import { go } from './nav.js';
import { iso, withParams } from './time.js';

const state = { chart: null, from: 0, to: 0, drag: null, cursor: null };
const clamp = (value, lo, hi) => Math.min(hi, Math.max(lo, value));
const plotOf = chart => $('.plot', chart);
const share = (chart, x) => { const box = plotOf(chart).getBoundingClientRect(); return clamp((x - box.left) / box.width, 0, 1); };

function valueAt(chart, part) {
  const { lo, hi, scale } = chart.dataset;
  if (scale === 'log') return lo * (hi / lo) ** part;
  return +lo + (hi - lo) * part;
}
/** The step that holds a share of the width: its index among data-points, and the share where it begins and ends. */
function stepAt(chart, part) {
  const { lo, hi, step, first } = chart.dataset;
  const count = points(chart).length;
  if (!+step || chart.dataset.scale === 'log') {
    const index = clamp(Math.floor(part * count), 0, Math.max(0, count - 1));
    return { index, from: index / count, to: (index + 1) / count, count };
  }
  const index = clamp(Math.floor((valueAt(chart, part) - first) / step), 0, Math.max(0, Math.ceil((hi - first) / step) - 1));
  const at = i => clamp((+first + i * step - lo) / (hi - lo), 0, 1);
  return { index, from: at(index), to: at(index + 1), count: Math.ceil((hi - first) / step) };
}
const points = chart => chart.points ??= JSON.parse(chart.dataset.points || '[]');

function snapped(chart, a, b) {
  const low = Math.min(a, b), high = Math.max(a, b);
  if (chart.dataset.scale === 'log') return [valueAt(chart, low), valueAt(chart, high)];
  return [valueAt(chart, stepAt(chart, low).from), valueAt(chart, stepAt(chart, high).to)];
}

function band(chart, a, b) {
  const plot = plotOf(chart);
  let group = $('.sel', plot);
  if (!group) plot.append(group = svg('g', { class: 'sel' }, svg('rect', { class: 'brush' }), svg('line', { class: 'brush-e' }), svg('line', { class: 'brush-e' })));
  const [x, y] = [Math.min(a, b) * 100, Math.max(a, b) * 100], height = plot.getAttribute('height');
  const [rect, left, right] = group.children;
  rect.setAttribute('x', `${x}%`); rect.setAttribute('width', `${y - x}%`); rect.setAttribute('height', height);
  for (const [line, at] of [[left, x], [right, y]]) for (const [n, v] of [['x1', `${at}%`], ['x2', `${at}%`], ['y1', 0], ['y2', height]]) line.setAttribute(n, v);
}
const unband = chart => $('.sel', chart)?.remove();

function apply(chart, a, b) {
  const [from, to] = snapped(chart, a, b);
  unband(chart);
  const base = new URL(chart.dataset.to || location.href, location.href).href;
  const name = chart.dataset.brush;
  const side = name.endsWith('time') ? name.slice(0, -4) : null;  // '' the page's range, 'a' that of one set
  const changes = side !== null ? { [`${side}from`]: iso(Math.round(from)), [`${side}to`]: iso(Math.round(to)) } : { [`${name}min`]: +from.toPrecision(4), [`${name}max`]: +to.toPrecision(4) };
  go(withParams({ ...changes, cursor: null }, base));
}

function reading(chart, part) {
  const all = points(chart), { index, from, to } = stepAt(chart, part);
  if (!all[index]) return;
  const [title, ...rows] = all[index];
  let box = $('.rd', chart);
  if (!box) chart.append(box = el('div', { class: 'rd', 'aria-hidden': 'true', 'data-keep': true }));
  box.replaceChildren(el('b', {}, title), ...rows.flatMap(([name, text]) => [el('span', {}, name), el('span', {}, text)]));
  const inner = chart.getBoundingClientRect(), plot = plotOf(chart).getBoundingClientRect();
  const middle = (from + to) / 2, x = plot.left - inner.left + middle * plot.width;
  box.style.setProperty('left', `${x + 12 + box.offsetWidth > inner.width ? x - 12 - box.offsetWidth : x + 12}px`);
  box.style.setProperty('top', '4px');
  let line = $('.cross', chart);
  if (!line) plotOf(chart).append(line = svg('line', { class: 'cross', y1: 0, y2: plotOf(chart).getAttribute('height') }));
  for (const name of ['x1', 'x2']) line.setAttribute(name, `${middle * 100}%`);
  return title;
}
const unread = chart => { $('.rd', chart)?.remove(); $('.cross', chart)?.remove(); };

document.addEventListener('pointerdown', event => {
  const chart = event.target.closest('[data-brush]');
  if (!chart || event.button || !event.target.closest('.plot')) return;
  state.drag = { chart, from: share(chart, event.clientX), x: event.clientX };
  if (event.pointerType === 'mouse') plotOf(chart).setPointerCapture(event.pointerId);
});
document.addEventListener('pointermove', event => {
  if (state.drag) {
    if (Math.abs(event.clientX - state.drag.x) > 3) { band(state.drag.chart, state.drag.from, share(state.drag.chart, event.clientX)); state.drag.moved = true; }
    return;
  }
  const chart = event.target.closest?.('[data-points]');
  if (state.chart && state.chart !== chart) unread(state.chart);
  state.chart = chart;
  if (chart && event.target.closest('.plot')) reading(chart, share(chart, event.clientX));
});
document.addEventListener('pointerup', event => {
  if (!state.drag) return;
  const { chart, from, moved } = state.drag;
  state.drag = null;
  const to = share(chart, event.clientX);
  if (moved) apply(chart, from, to);
  else if (+chart.dataset.step || chart.dataset.points) { const one = stepAt(chart, from); apply(chart, one.from + 1e-5, one.to - 1e-5); }
});
document.addEventListener('keydown', event => {
  const chart = event.target.closest?.('[data-brush]');
  if (!chart) return;
  if (event.key === 'Escape' && (state.drag || state.cursor)) { state.drag = state.cursor = null; unband(chart); unread(chart); event.stopPropagation(); return; }
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step) {
    const old = state.cursor?.chart === chart ? state.cursor : null;
    const here = old ? stepAt(chart, clamp(step > 0 ? old.at.to + 1e-4 : old.at.from - 1e-4, 0, 0.9999)) : stepAt(chart, step > 0 ? 0 : 0.9999);
    state.cursor = { chart, at: here, anchor: event.shiftKey && old ? old.anchor : here };
    band(chart, Math.min(here.from, state.cursor.anchor.from), Math.max(here.to, state.cursor.anchor.to));
    const title = reading(chart, (here.from + here.to) / 2);
    if (title) { chart.setAttribute('aria-description', title); say(title); }
    event.preventDefault();
  } else if (event.key === 'Enter' && state.cursor?.chart === chart) {
    const { at, anchor } = state.cursor;
    state.cursor = null;
    apply(chart, Math.min(at.from, anchor.from) + 1e-5, Math.max(at.to, anchor.to) - 1e-5);
    event.preventDefault();
    event.stopPropagation();
  }
}, true);
document.addEventListener('focusout', event => { const chart = event.target.closest?.('[data-brush]'); if (chart) { unband(chart); unread(chart); state.cursor = null; } });
document.addEventListener('raywatch:main', () => { for (const chart of $$('[data-points]')) chart.points = null; state.chart = state.drag = null; });
