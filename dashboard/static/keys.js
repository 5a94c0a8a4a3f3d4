// The keyboard: one map, shown by `?`. Off while typing. Pages add keys of their own with `bind`.
import { $, $$, el, typing } from './dom.js';
import { go } from './nav.js';

const map = [];
let waiting = null;

/** keys: 'j', 'Shift+x' or 'g t'. Later bindings win, so a page can take a key over. */
export const bind = (keys, text, run) => map.unshift({ keys, text, run });

const name = event => (event.ctrlKey || event.metaKey ? 'Ctrl+' : '') + (event.key === ' ' ? 'Space' : event.key);

document.addEventListener('keydown', event => {
  if (event.altKey || event.defaultPrevented) return;
  const key = name(event);
  if (typing(event.target) && key !== 'Ctrl+k' && key !== 'Escape') return;
  if (document.querySelector('dialog[open]') && key !== 'Ctrl+k') return;
  const full = waiting && Date.now() - waiting.at < 1200 ? `${waiting.key} ${key}` : key;
  const found = map.find(b => b.keys === full) ?? map.find(b => b.keys === key);
  waiting = !found && map.some(b => b.keys.startsWith(`${key} `)) ? { key, at: Date.now() } : null;
  if (found && found.run(event) !== false) event.preventDefault();
});

/** The rows of the page's list: `tr[data-href]`, or whatever [data-rows] holds as [data-row]. */
const rows = () => $$('[data-rows] tbody tr, [data-rows] [data-row]').filter(row => row.offsetParent);

export function move(step) {
  const all = rows();
  if (!all.length) return false;
  const at = all.findIndex(row => row.classList.contains('cur') || row.getAttribute('aria-selected') === 'true');
  const next = all[Math.min(all.length - 1, Math.max(0, at < 0 ? (step > 0 ? 0 : all.length - 1) : at + step))];
  for (const row of all) row.classList.toggle('cur', row === next);
  next.scrollIntoView({ block: 'nearest' });
  next.dispatchEvent(new CustomEvent('raywatch:row', { bubbles: true }));
  if ($('[data-panel]') && next.dataset.href) go(next.dataset.href, { push: false });  // the panel follows
  return true;
}

function open() {
  const row = rows().find(r => r.classList.contains('cur'));
  if (!row) return false;
  (row.matches('a') ? row : $('a', row) ?? row).click();
}

export function help() {
  const seen = new Set(), list = el('dl');
  for (const { keys, text } of [...map].reverse()) {
    if (!text || seen.has(keys)) continue;
    seen.add(keys);
    list.append(el('dt', {}, ...keys.split(' ').map(k => el('kbd', { class: 'kn' }, k.length > 1 ? k.replace('+', ' ') : k))), el('dd', {}, text));
  }
  const box = el('dialog', { class: 'pal', 'aria-label': 'Keyboard' }, el('div', { class: 'help' }, el('h2', {}, 'Keyboard'), list));
  box.addEventListener('click', event => { if (event.target === box) box.close(); });
  box.addEventListener('keydown', event => { if (event.key === '?') box.close(); });
  box.addEventListener('close', () => box.remove());
  document.body.append(box);
  box.showModal();
}

bind('j', 'Next row', () => move(1));
bind('k', 'Previous row', () => move(-1));
bind('Enter', 'Open the row', event => event.target === document.body || event.target.id === 'main' ? open() : false);
bind('?', 'This list', help);
