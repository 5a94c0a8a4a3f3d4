// Draws every [data-figure] of the page with Plotly, in the theme that is on, and again when its data or the theme change.
// [data-brush-to="time"]: dragging sets the page's range. Any other name: the element gets `raywatch:brush` with
// {x: [from, to], y: [from, to]}, times in milliseconds. A point whose customdata, between the two
// texts of meta.link, is a path is a link.
import { $, $$, el, onMain } from './dom.js';
import { go } from './nav.js';
import { setRange } from './time.js';

const looks = JSON.parse($('#plotly-templates').textContent);
const config = { displayModeBar: false, responsive: true, scrollZoom: false, doubleClick: 'reset', showTips: false, displaylogo: false };
const theme = () => document.documentElement.dataset.theme || (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');

/** `@token` becomes its colour, only where Plotly expects colours: telemetry text is never touched. */
function coloured(value, tokens, key = '') {
  if (typeof value === 'string') return value[0] === '@' && /color|colorscale|colorway/.test(key) ? tokens[value.slice(1)] ?? value : value;
  if (Array.isArray(value)) return /color/.test(key) ? value.map(v => coloured(v, tokens, key)) : typeof value[0] === 'object' ? value.map(v => coloured(v, tokens, key)) : value;
  if (value && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, coloured(v, tokens, k)]));
  return value;
}

const toMs = (text, offset) => Date.parse(`${String(text).replace(' ', 'T')}Z`) - offset;

function draw(box, again = false) {
  const text = $('script[type="application/json"]', box).textContent, now = theme();
  if (!again && box.drawn === text + now) return;
  box.drawn = text + now;
  const { data, layout } = JSON.parse(text), look = looks[now];
  let target = $('.js-plotly-plot, .target', box);
  const fresh = !target;
  if (fresh) box.append(target = el('div', { class: 'target', 'data-keep': true }));
  const height = +box.dataset.figure || 240, brush = box.dataset.brushTo;
  const full = { height, ...coloured(layout, look.tokens), template: look.template };
  if (!brush) full.dragmode = layout.dragmode ?? false;
  if (brush && brush !== 'time') full.selectdirection = 'any';
  window.Plotly.react(target, coloured(data, look.tokens), full, config);
  box.offset = layout.meta?.offset_ms ?? 0;
  box.link = layout.meta?.link ?? ['', ''];
  if (fresh) listen(box, target);
}

function listen(box, target) {
  target.on('plotly_selected', event => {
    const range = event?.range;
    if (!range) return;
    const name = Object.keys(range);
    const x = range[name.find(n => n[0] === 'x')].map(t => (typeof t === 'number' ? t : toMs(t, box.offset))).sort((a, b) => a - b);
    const y = range[name.find(n => n[0] === 'y')]?.map(Number).sort((a, b) => a - b);
    window.Plotly.relayout(target, { selections: [] });
    if (box.dataset.brushTo === 'time') setRange(Math.floor(x[0]), Math.ceil(x[1]));
    else box.dispatchEvent(new CustomEvent('raywatch:brush', { bubbles: true, detail: { x, y } }));
  });
  target.on('plotly_click', ({ points: [point], event }) => {
    const link = typeof point?.customdata === 'string' ? box.link[0] + point.customdata + box.link[1] : '';
    if (link[0] === '/' && link[1] !== '/') {
      if (event.ctrlKey || event.metaKey) open(link, '_blank', 'noopener'); else go(link);
    } else box.dispatchEvent(new CustomEvent('raywatch:point', { bubbles: true, detail: point }));
  });
}

onMain(main => { for (const box of $$('[data-figure]', main)) draw(box); });
document.addEventListener('raywatch:theme', () => { for (const box of $$('[data-figure]')) draw(box); });
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { for (const box of $$('[data-figure]')) draw(box); });
