// The metrics page: finding while typing, menus that close, a line under the pointer stands out, exemplars lead to traces.
import { $, $$, onMain } from './dom.js';
import { go } from './nav.js';
import { withParams } from './time.js';

let wait = 0;
document.addEventListener('input', event => {
  if (!event.target.matches('[data-find] input[name=find]')) return;
  clearTimeout(wait);
  const find = event.target.value.trim();
  wait = setTimeout(() => go(withParams({ find: find || null }), { push: false }), 150);
});

const close = except => { for (const menu of $$('details.mnu[open]')) if (menu !== except) menu.open = false; };
document.addEventListener('click', event => {
  const link = event.target.closest('.mnu a[data-soft]');
  close(link ? null : event.target.closest('details.mnu'));
});
document.addEventListener('submit', event => { if (event.target.closest('.mnu')) close(null); });
document.addEventListener('keydown', event => {
  const open = $('details.mnu[open]');
  if (event.key !== 'Escape' || !open) return;
  open.open = false;
  $('summary', open).focus();
  event.stopPropagation();
}, true);

/** The traces of the figure whose line a row of the table is about get stronger than all others. */
const plot = () => $('#metric .js-plotly-plot');
let lit = null;
function light(name) {
  const chart = plot();
  if (!chart || lit === name) return;
  lit = name;
  const opacity = chart.data.map(t => (name === null || t.name === name ? 1 : 0.15));
  window.Plotly.restyle(chart, { opacity });
}
const escaped = text => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/%\{/g, '%&#123;').replace(/\$/g, '&#36;');
document.addEventListener('pointerover', event => {
  const row = event.target.closest?.('.mlines tr[data-line]');
  if (row) light(escaped(row.dataset.line)); else if (lit !== null) light(null);
});

/** Only a click on a ring itself goes to its trace: unified hover reports every line at the pointer's time. */
function follow({ points, event }) {
  const chart = plot(), box = chart.getBoundingClientRect();
  for (const point of points) {
    const link = point.customdata?.[0];
    if (typeof link !== 'string' || link[0] !== '/' || link[1] === '/') continue;
    const x = box.left + point.xaxis._offset + point.xaxis.d2p(point.x), y = box.top + point.yaxis._offset + point.yaxis.d2p(point.y);
    if (Math.hypot(event.clientX - x, event.clientY - y) > 10) continue;
    if (event.ctrlKey || event.metaKey) open(link, '_blank', 'noopener'); else go(link);
    return;
  }
}
onMain(() => {
  lit = null;
  const chart = $('#metric .target');
  if (chart && !chart.follows) { chart.follows = true; chart.on('plotly_click', follow); }
});
