// Reading and brushing charts that the server drew: [data-points] shows values under the pointer,
// [data-brush] turns a dragged band into the page's range. 'time' sets from/to, another name sets <name>min/<name>max.
import { $, el, svg } from './dom.js';
import { go } from './nav.js';
import { iso, setRange, withParams } from './time.js';

const state = { chart: null, from: 0, to: 0, drag: null, cursor: null };
const clamp = (value, lo, hi) => Math.min(hi, Math.max(lo, value));
const plotOf = chart => $('.plot', chart);
const share = (chart, x) => { const box = plotOf(chart).getBoundingClientRect(); return clamp((x - box.left) / box.width, 0, 1); };

function valueAt(chart, part) {
  const { lo, hi, scale } = chart.dataset;
  if (scale === 'log') return lo * (hi / lo) ** part;
  return +lo + (hi - lo) * part;
}
function snapped(chart, a, b) {
  const { lo, step } = chart.dataset;
  let [from, to] = [Math.min(a, b), Math.max(a, b)].map(part => valueAt(chart, part));
  if (+step && chart.dataset.scale !== 'log') {
    from = +lo + Math.floor((from - lo) / step) * step;
    to = +lo + Math.max(1, Math.ceil((to - lo) / step - 1e-6)) * step;
    to = Math.min(Math.max(to, from + +step), +chart.dataset.hi);
    from = Math.max(from, +lo);
  }
  return [from, to];
}
const clock = ms => new Date(ms).toISOString().slice(11, 19);

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
  if (chart.dataset.brush === 'time') setRange(Math.round(from), Math.round(to));
  else go(withParams({ [`${chart.dataset.brush}min`]: +from.toPrecision(4), [`${chart.dataset.brush}max`]: +to.toPrecision(4), cursor: null }));
}

function reading(chart, part) {
  const points = chart.points ??= JSON.parse(chart.dataset.points || '[]');
  let box = $('.rd', chart);
  if (!points.length) return;
  const at = clamp(Math.floor(part * points.length), 0, points.length - 1), [title, ...rows] = points[at];
  if (!box) chart.append(box = el('div', { class: 'rd', 'aria-hidden': 'true', 'data-keep': true }));
  box.replaceChildren(el('b', {}, title), ...rows.flatMap(([name, text]) => [el('span', {}, name), el('span', {}, text)]));
  const inner = chart.getBoundingClientRect(), plot = plotOf(chart).getBoundingClientRect();
  const x = plot.left - inner.left + (at + 0.5) / points.length * plot.width;
  box.style.setProperty('left', `${x + 12 + box.offsetWidth > inner.width ? x - 12 - box.offsetWidth : x + 12}px`);
  box.style.setProperty('top', '4px');
  let line = $('.cross', chart);
  if (!line) plotOf(chart).append(line = svg('line', { class: 'cross', y1: 0, y2: plotOf(chart).getAttribute('height') }));
  for (const name of ['x1', 'x2']) line.setAttribute(name, `${(at + 0.5) / points.length * 100}%`);
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
  else if (+chart.dataset.step) apply(chart, from, from);
});
document.addEventListener('keydown', event => {
  const chart = event.target.closest?.('[data-brush]');
  if (!chart) return;
  if (event.key === 'Escape' && (state.drag || state.cursor)) { state.drag = state.cursor = null; unband(chart); unread(chart); event.stopPropagation(); return; }
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key], count = Math.max(1, Math.round((chart.dataset.hi - chart.dataset.lo) / (chart.dataset.step || (chart.dataset.hi - chart.dataset.lo) / 60)));
  if (step) {
    const now = state.cursor?.chart === chart ? state.cursor : { chart, at: step > 0 ? -1 : count, anchor: null };
    const at = clamp(now.at + step, 0, count - 1);
    state.cursor = { chart, at, anchor: event.shiftKey ? now.anchor ?? clamp(now.at, 0, count - 1) : at };
    const [a, b] = [Math.min(at, state.cursor.anchor) / count, (Math.max(at, state.cursor.anchor) + 1) / count];
    band(chart, a, b);
    const title = reading(chart, (at + 0.5) / count);
    if (title) chart.setAttribute('aria-description', title);
    event.preventDefault();
  } else if (event.key === 'Enter' && state.cursor?.chart === chart) {
    const { at, anchor } = state.cursor;
    state.cursor = null;
    apply(chart, (Math.min(at, anchor) + 0.001) / count, (Math.max(at, anchor) + 0.999) / count);
    event.preventDefault();
    event.stopPropagation();
  }
}, true);
document.addEventListener('focusout', event => { const chart = event.target.closest?.('[data-brush]'); if (chart) { unband(chart); unread(chart); state.cursor = null; } });
document.addEventListener('raywatch:main', () => { state.chart = state.drag = null; });
export { clock, iso };
