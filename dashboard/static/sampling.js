// Sampling rules: the preview follows what is typed, and rules are dragged into another order.
import { $, $$, post } from './dom.js';
import { go } from './nav.js';

let asked = null, timer = 0;

/** Show the preview of what is typed: the page as the form's Preview button asks for it, of which only that part. */
async function preview(form) {
  const box = $('#preview');
  const values = new URLSearchParams([...new FormData(form)].filter(([name]) => name !== 'csrf' && name !== 'of'));
  asked?.abort();
  asked = new AbortController();
  box?.classList.add('busy');
  try {
    const response = await fetch(`/sampling?${values}`, { signal: asked.signal });
    const page = new DOMParser().parseFromString(await response.text(), 'text/html');
    const found = page.getElementById('preview');
    if (found && box?.isConnected) box.replaceChildren(...found.childNodes);
    box?.classList.remove('busy');
  } catch (error) {
    if (error.name !== 'AbortError') box?.classList.remove('busy');
  }
}

document.addEventListener('input', event => {
  const form = event.target.closest?.('[data-rule-form]');
  if (!form) return;
  clearTimeout(timer);
  timer = setTimeout(() => preview(form), 250);
});

let lifted = null;
const row = event => event.target.closest?.('[data-order] tr[data-rule]');
document.addEventListener('dragstart', event => {
  if (!event.target.matches?.('.grip')) return;
  lifted = row(event);
  lifted.classList.add('lifted');
  event.dataTransfer.effectAllowed = 'move';
  event.dataTransfer.setData('text/plain', lifted.dataset.rule);
});
document.addEventListener('dragover', event => {
  const over = lifted && row(event);
  if (!over) return;
  event.preventDefault();
  for (const one of $$('.smp tr.over')) one.classList.toggle('over', one === over);
  over.classList.add('over');
});
document.addEventListener('dragend', () => {
  for (const one of $$('.smp tr.over, .smp tr.lifted')) one.classList.remove('over', 'lifted');
  lifted = null;
});
document.addEventListener('drop', async event => {
  const over = lifted && row(event);
  if (!over || over === lifted) return;
  event.preventDefault();
  const names = JSON.parse($('[data-order]').dataset.order);
  const from = names.indexOf(lifted.dataset.rule), to = names.indexOf(over.dataset.rule);
  names.splice(to, 0, ...names.splice(from, 1));
  await post('/sampling/order', { order: JSON.stringify(names) });
  go(location.href);
});
