// Rows as links: a click anywhere in tr[data-href] opens it, Ctrl-click in a tab of its own.
import { go } from './nav.js';

document.addEventListener('click', event => {
  const row = event.target.closest('tr[data-href]');
  if (!row || event.target.closest('a, button, input, label, summary') || String(getSelection())) return;
  if (event.ctrlKey || event.metaKey) open(row.dataset.href, '_blank', 'noopener');
  else if (row.dataset.href.startsWith(location.pathname + '?')) go(row.dataset.href);
  else location.assign(row.dataset.href);
});
