// Rows as links, tabs by arrow keys, facets: the small behaviours of lists.
import { $$, $ } from './dom.js';
import { go } from './nav.js';

document.addEventListener('click', event => {
  const sheet = event.target.closest('[data-sheet]');
  if (sheet) sheet.setAttribute('aria-expanded', $('#main').classList.toggle('sheet'));
  const row = event.target.closest('tr[data-href]');
  if (!row || event.target.closest('a, button, input, label, summary') || String(getSelection())) return;
  const target = new URL(row.dataset.href, location.href);
  if (event.ctrlKey || event.metaKey) open(target, '_blank', 'noopener');
  else if (target.pathname === location.pathname) go(target);
  else location.assign(target);
});

document.addEventListener('keydown', event => {
  const tab = event.target.closest?.('[role=tab]'), step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!tab || !step) return;
  const all = $$('[role=tab]', tab.closest('[role=tablist]'));
  const next = all[(all.indexOf(tab) + step + all.length) % all.length];
  next.focus();
  next.click();
  event.preventDefault();
});

document.addEventListener('input', event => {
  if (!event.target.matches('[data-facet-search]')) return;
  const text = event.target.value.toLowerCase();
  for (const value of $$('.fv', event.target.closest('details'))) value.hidden = !$('.fa > :nth-child(2)', value).textContent.toLowerCase().includes(text);
});

document.addEventListener('keydown', event => {  // a facet is a checkbox: Space ticks it
  if (event.key === ' ' && event.target.matches?.('a[role=checkbox]')) { event.target.click(); event.preventDefault(); }
});
