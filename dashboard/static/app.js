// What every page has. Page scripts import from here and from ./dom.js.
import { $, $$, copy, onMain, setCookie, toast } from './dom.js';
import { bind } from './keys.js';
import { cancel, go, isBusy } from './nav.js';
import * as palette from './palette.js';
import * as time from './time.js';
import './expr.js';
import './brush.js';
import './table.js';

document.documentElement.classList.add('has-js');
time.install();

export function theme() {
  const root = document.documentElement;
  const now = root.dataset.theme || (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
  const next = now === 'dark' ? 'light' : 'dark';
  root.dataset.theme = next;
  setCookie('theme', next);
  document.dispatchEvent(new CustomEvent('raywatch:theme', { detail: next }));
}

/** The link that a colleague opens; relative: keep "the last hour" instead of the moment shown. */
async function permalink(relative) {
  const link = $('[data-permalink]');
  await copy(relative || !link ? location.href : link.href);
  toast(relative ? 'Link copied. Its range moves with the clock.' : 'Link copied. It keeps the range, filters and selection.');
}

document.addEventListener('click', event => {
  if (event.target.closest('[data-theme-toggle]')) theme();
  const link = event.target.closest('[data-permalink]');
  if (link && !event.ctrlKey && !event.metaKey) { event.preventDefault(); permalink(event.shiftKey); }
  const block = event.target.closest('[data-copy]');
  if (block) copy($('[data-copy-text]', block.parentElement)?.textContent ?? block.dataset.copy).then(() => toast('Copied.'));
});

/** Esc closes the innermost: a popover, a running question, a selection. */
function escape(event) {
  const popover = $('details:is(.tp, .drop)[open]');
  if (popover) { popover.open = false; $('summary', popover).focus(); return; }
  if (event.target.closest('.expr')) { event.target.blur(); return; }
  if (isBusy()) { cancel(); return; }
  const panel = $('[data-panel] a[data-soft]');
  if (panel) { go(panel.href); return; }
  if ($('.main.sheet')) { $('[data-sheet]').click(); return; }
  return false;
}

bind('/', 'Filter', () => { const input = $('.expr input'); if (!input) return false; input.focus(); input.select(); });
bind('Escape', 'Close the innermost', escape);
bind('[', 'Back in time', () => time.shift(true));
bind(']', 'Forward in time', () => time.shift(false));
bind('z', 'Zoom out', time.zoomOut);
bind('c', 'Copy the link', () => { permalink(false); });
bind('C', 'Copy the link, range relative', () => { permalink(true); });
bind('t', 'Light or dark', theme);
const letters = { overview: 'o', map: 'm', traces: 't', analytics: 'a', logs: 'l', tail: 'v', metrics: 'x', ingest: 'h', settings: 's', groups: 'g', 'xray-insights': 'n' };
for (const link of $$('.nav a.it')) {
  const letter = letters[new URL(link.href).pathname.slice(1) || 'overview'];
  if (!letter) continue;
  link.dataset.keys = `g ${letter}`;
  bind(`g ${letter}`, link.title, () => { location.assign($(`.nav a.it[title="${link.title}"]`).href); });
}
palette.addCommand('Switch between light and dark', theme, { iconName: 'theme', keys: 't' });
palette.addCommand('Copy the link to this view', () => permalink(false), { iconName: 'share', keys: 'c' });
onMain(() => {});
