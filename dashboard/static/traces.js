// The list of traces: a box over the scatter sets times and durations; the attribute field completes.
import { $, getJson } from './dom.js';
import { go } from './nav.js';
import { iso, withParams } from './time.js';

document.addEventListener('raywatch:brush', event => {
  const { x, y } = event.detail;
  const changes = { from: iso(Math.floor(x[0])), to: iso(Math.ceil(x[1])), cursor: null };
  if (y) Object.assign(changes, { dmin: +(y[0] / 1e9).toPrecision(4), dmax: +(y[1] / 1e9).toPrecision(4) });
  go(withParams(changes));
});

// Dragging over the distribution sets durations alone.
let drag = null;
const at = (svg, event) => { const box = svg.getBoundingClientRect(); return Math.min(1, Math.max(0, (event.clientY - box.top - 8) / (box.height - 30))); };
function durations(a, b) {
  const axis = $('#scatter .js-plotly-plot, #scatter .target')?._fullLayout?.yaxis?.range;
  if (!axis) return;
  const value = part => 10 ** (axis[1] - part * (axis[1] - axis[0])) / 1e9;
  go(withParams({ dmin: +value(Math.max(a, b)).toPrecision(4), dmax: +value(Math.min(a, b)).toPrecision(4), cursor: null }));
}
document.addEventListener('pointerdown', event => {
  const svg = event.target.closest?.('[data-spread]');
  if (svg && !event.button) { drag = { svg, from: at(svg, event) }; event.preventDefault(); }
});
document.addEventListener('pointerup', event => {
  if (!drag) return;
  const { svg, from } = drag, to = at(svg, event);
  drag = null;
  if (Math.abs(to - from) > 0.02) durations(from, to);
});

document.addEventListener('input', async event => {
  if (!event.target.matches('[data-attrs]')) return;
  const q = event.target.value;
  const found = await getJson(`/api/complete?${new URLSearchParams({ lang: 'traces', q, pos: q.length })}`).catch(() => null);
  const list = $('#attrs');
  if (found && list) list.replaceChildren(...(found.items ?? []).filter(s => s.kind === 'attribute').map(s => { const o = document.createElement('option'); o.value = s.text; return o; }));
});
