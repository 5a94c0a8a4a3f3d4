// Zoom, pan and search on the map that the server drew. Only the viewBox changes; nothing is drawn here.
import { $, $$, onMain, typing, say } from './dom.js';
import { bind } from './keys.js';
import { go } from './nav.js';

let view = null;       // [x, y, width, height] of the wide map, null: as the server sent it
let whole = null;
const MOST = 4, LEAST = 0.5;

const map = () => $('.map.wide');
const box = node => node.getAttribute('viewBox').split(' ').map(Number);

function apply() {
  if (view) map()?.setAttribute('viewBox', view.map(v => v.toFixed(1)).join(' '));
}

function fit() {
  view = null;
  map()?.setAttribute('viewBox', whole.join(' '));
}

/** Zoom by `factor` about a point given in user units (the middle without one). */
function zoom(factor, at) {
  if (!map()) return;
  const [x, y, w, h] = view ?? whole;
  const scale = Math.min(MOST, Math.max(LEAST, (whole[2] / w) * factor));
  const width = whole[2] / scale, height = whole[3] / scale;
  const [px, py] = at ?? [x + w / 2, y + h / 2];
  view = [px - (px - x) * (width / w), py - (py - y) * (height / h), width, height];
  apply();
}

function point(event) {
  const matrix = map().getScreenCTM().inverse();
  const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix);
  return [at.x, at.y];
}

onMain(() => {
  const node = map();
  if (!node) return;
  const fresh = box(node);
  if (!whole || whole.join() !== fresh.join()) { if (!view) whole = fresh; else whole = [0, 0, ...fresh.slice(2)]; }
  apply();
  find($('[data-mapfind]')?.value ?? '');
});

document.addEventListener('click', event => {
  const way = event.target.closest('[data-zoom]')?.dataset.zoom;
  if (way === 'fit') fit();
  else if (way) zoom(way === 'in' ? 1.4 : 1 / 1.4);
});

document.addEventListener('wheel', event => {
  if (!event.target.closest?.('.map.wide')) return;
  event.preventDefault();
  zoom(Math.exp(-event.deltaY / 400), point(event));
}, { passive: false });

let drag = null;
document.addEventListener('pointerdown', event => {
  if (event.button || !event.target.closest?.('.map.wide') || event.target.closest('.node')) return;
  drag = { at: point(event), moved: false };
  map().setPointerCapture(event.pointerId);
});
document.addEventListener('pointermove', event => {
  if (!drag) return;
  const [x, y] = point(event), now = view ?? [...whole];
  view = [now[0] + drag.at[0] - x, now[1] + drag.at[1] - y, now[2], now[3]];
  drag.moved = true;
  map().classList.add('dragging');
  apply();
});
const drop = () => { drag = null; map()?.classList.remove('dragging'); };
document.addEventListener('pointerup', drop);
document.addEventListener('pointercancel', drop);

// A second click on the selected node opens its traces; a double click shows its neighbours only.
document.addEventListener('click', event => {
  const node = event.target.closest('.node[aria-current]');
  const link = node && $('[data-panel] a.btn[href*="/traces"]');
  if (!link || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  event.stopPropagation();
  if (event.detail < 2) location.assign(link.href);
}, true);

function find(text) {
  const words = text.trim().toLowerCase();
  const nodes = $$('.map .node');
  const hits = words ? nodes.filter(node => node.dataset.name.includes(words)) : [];
  for (const node of nodes) node.classList.toggle('miss', !!words && !hits.includes(node));
  for (const edge of $$('.map .edge, .map .el')) edge.classList.toggle('miss', !!words);
  return hits.filter(node => node.closest('.wide'));
}

document.addEventListener('input', event => {
  if (!event.target.matches('[data-mapfind]')) return;
  const hits = find(event.target.value);
  if (event.target.value) say(`${hits.length} nodes found`);
});
document.addEventListener('keydown', event => {
  if (!event.target.matches?.('[data-mapfind]')) return;
  if (event.key === 'Enter') { const [hit] = find(event.target.value); if (hit) { event.preventDefault(); go(hit.href.baseVal); } }
  if (event.key === 'Escape') { event.target.value = ''; find(''); event.target.blur(); }
});

bind('+', 'Zoom into the map', () => zoom(1.4));
bind('-', 'Zoom out of the map', () => zoom(1 / 1.4));
bind('0', 'Fit the map', fit);
