// The form beside the expression: each change of one is written into the other. The server reads and writes both.
import { $, $$, getJson } from './dom.js';
import { draw } from './expr.js';

let asked = 0, wait = 0;
const form = () => $('form[data-form]');
const bar = () => $('[data-expr] .expr input[name=q]');
const later = run => { clearTimeout(wait); wait = setTimeout(run, 150); };

async function ask(params) {
  const mine = ++asked, answer = await getJson(`/api/form?${params}`).catch(() => null);
  return mine === asked ? answer : null;
}

/** What is in the form now, as an expression into the bar; unchanged parts stay as they were written. */
async function write() {
  const answer = await ask(new URLSearchParams([...new FormData(form())].filter(([name, value]) => value !== '' && (name === 'q' || name.startsWith('f_')))));
  if (!answer || !form()) return;
  $('[data-form-problem]').textContent = answer.problem ?? '';
  if (answer.q === undefined) return;
  bar().value = answer.q;
  draw(bar());
}

/** What the bar says now into the form. An expression that cannot be read leaves the form alone. */
async function fill() {
  const q = bar().value, answer = await ask(new URLSearchParams({ q })), box = form();
  if (!answer?.values || !box) return;
  $('input[name=q]', box).value = q;
  for (const input of $$('[data-f]', box)) input.value = answer.values[input.dataset.f] ?? '';
  const outcomes = (answer.values.outcome ?? '').split(',');
  for (const input of $$('[name=f_outcome]', box)) input.checked = outcomes.includes(input.value);
  const rows = $$('[data-row]', box);
  [...answer.annotations, { key: '', operator: '=', value: '' }].forEach((said, i) => {
    let row = rows[i];
    if (!row) {
      rows.push(row = rows.at(-1).cloneNode(true));
      for (const input of $$('[name]', row)) input.name = input.name.replace(/\d+$/, i);
      rows[i - 1].after(row);
    }
    const [key, operator, value] = $$('input, select', row);
    [key.value, operator.value, value.value] = [said.key, said.operator, said.value];
  });
  rows.slice(answer.annotations.length + 1).forEach(row => row.remove());
  const rest = $('[data-rest]', box);
  rest.hidden = !answer.rest.length;
  $('[data-parts]', rest).replaceChildren(...answer.rest.map(text => Object.assign(document.createElement('code'), { textContent: text })));
}

document.addEventListener('input', event => {
  if (!form()) return;
  if (event.target.closest('form[data-form]')) later(write);
  else if (event.target === bar()) later(fill);
});
