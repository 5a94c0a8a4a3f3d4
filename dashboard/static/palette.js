// The command palette, Ctrl+K: pages, this page's commands, services, time ranges; a pasted trace id goes straight there.
import { $, $$, el, getJson, icon } from './dom.js';
import { bind } from './keys.js';
import { go } from './nav.js';
import { withParams } from './time.js';

const commands = [];
let names = null;

/** A command of this page: shown first. run is called after the palette has closed. */
export const addCommand = (text, run, { iconName = 'play', keys = '' } = {}) => commands.push({ section: 'This page', text, run, iconName, keys });

/** Letters in order, better when together and at the start of words; -1 when they are not all there. */
export function fuzzy(query, text) {
  const q = query.toLowerCase(), t = text.toLowerCase();
  const whole = t.indexOf(q);
  if (whole >= 0) return 1000 - whole - t.length / 100 + (whole === 0 || /\W/.test(t[whole - 1]) ? 200 : 0);
  let score = 0, at = -1;
  for (const letter of q) {
    const next = t.indexOf(letter, at + 1);
    if (next < 0) return -1;
    score += next === at + 1 ? 8 : next === 0 || /\W/.test(t[next - 1]) ? 6 : 1;
    at = next;
  }
  return score - t.length / 100;
}

const pages = () => $$('.nav a.it').map(a => ({ section: 'Pages', text: a.title, href: a.href, iconName: $('use', a).getAttribute('href').slice(3), keys: a.dataset.keys ?? '' }));
const ranges = () => $$('.tpop li a').map(a => ({ section: 'Time ranges', text: a.textContent, href: a.href, iconName: 'clock', soft: true }));
const services = list => (list?.services ?? []).map(s => ({ section: 'Services', text: s.name, href: s.href, css: s.css }));
const views = list => (list?.views ?? []).map(v => ({ section: 'Saved views', text: v.name, href: v.href, iconName: 'star' }));

const HEX32 = /^(?:1-)?([0-9a-f]{8})-?([0-9a-f]{24})$/i;
function pasted(text) {
  const id = text.trim().match(HEX32);
  if (!id) return [];
  return [{ section: 'Trace', text: `Open trace ${`${id[1]}${id[2]}`.toLowerCase()}`, href: withParams({}, new URL(`/traces/${id[1]}${id[2]}`.toLowerCase(), location.origin)).href, iconName: 'traces' }];
}

export function open() {
  if ($('dialog.pal[open]')) return;
  const input = el('input', { 'aria-label': 'Search or jump to', placeholder: 'Trace ID, service, page or command', role: 'combobox', 'aria-expanded': 'true', 'aria-controls': 'pal-list', autocomplete: 'off', spellcheck: 'false' });
  const list = el('ul', { role: 'listbox', id: 'pal-list' });
  const box = el('dialog', { class: 'pal', 'aria-label': 'Command palette' }, el('div', {}, input, list));
  let items = [], at = 0;

  const pick = item => { box.close(); if (item.run) item.run(); else if (item.soft) go(item.href); else location.assign(item.href); };
  const mark = () => {
    $$('[role=option]', list).forEach((node, i) => node.setAttribute('aria-selected', i === at));
    const now = $$('[role=option]', list)[at];
    now?.scrollIntoView({ block: 'nearest' });
    if (now) input.setAttribute('aria-activedescendant', now.id);
  };
  const draw = () => {
    const q = input.value.trim();
    const all = [...commands, ...pages(), ...services(names), ...views(names), ...ranges()];
    const fit = q ? all.map(item => ({ item, score: fuzzy(q, item.text) })).filter(x => x.score > 0).sort((a, b) => b.score - a.score).slice(0, 24).map(x => x.item) : all.slice(0, 40);
    const order = [...new Set(fit.map(item => item.section))];
    items = [...pasted(q), ...order.flatMap(s => fit.filter(item => item.section === s))];
    at = 0;
    list.replaceChildren();
    let section = '';
    items.forEach((item, i) => {
      if (item.section !== section) list.append(el('li', { class: 'sect', role: 'presentation' }, section = item.section));
      list.append(el('li', { role: 'option', id: `pal-${i}`, onclick: () => pick(item) },
        item.css ? el('span', { class: `svc ${item.css}` }) : icon(item.iconName ?? 'right'), el('span', { class: 'ell' }, item.text), item.keys ? el('kbd', {}, item.keys) : null));
    });
    if (!items.length) list.append(el('li', { class: 'sect' }, 'Nothing of this name. A trace ID opens its trace.'));
    mark();
  };

  input.addEventListener('input', draw);
  input.addEventListener('keydown', event => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) { at = (at + step + items.length) % Math.max(1, items.length); mark(); event.preventDefault(); }
    else if (event.key === 'Enter' && items[at]) { pick(items[at]); event.preventDefault(); }
  });
  box.addEventListener('click', event => { if (event.target === box) box.close(); });
  box.addEventListener('close', () => box.remove());
  document.body.append(box);
  box.showModal();
  draw();
  getJson(withParams({}, new URL(`/api/names${location.search}`, location.origin)).href).then(found => { names = found; if (box.open) draw(); }).catch(() => {});
}

bind('Ctrl+k', 'Search or jump to', () => open());
document.addEventListener('click', event => { if (event.target.closest('[data-palette]')) open(); });
