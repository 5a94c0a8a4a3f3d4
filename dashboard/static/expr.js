// The filter expression bar: colours under a real input, completion, the place of an error.
import { $, $$, el, getJson, onMain } from './dom.js';

const TOKEN = /("(?:\\.|[^"\\])*"?)|(\b\d+(?:\.\d+)?(?:ms|us|s|m|h)?\b)|(\b(?:and|or|not|in|contains|beginswith|endswith|exists|true|false)\b)|([A-Za-z_][\w.-]*(?=\s*\())|([(){}[\],=<>!:]+)|([A-Za-z_@][\w.:-]*|\S)/gi;
const CLASSES = ['tk-s', 'tk-n', 'tk-kw', 'tk-fn', 'tk-p', ''];

/** Text as coloured spans; bad: [column, end) with a wavy line under it, 1-based. */
export function paint(text, bad = [0, 0]) {
  const out = document.createDocumentFragment();
  const put = (part, cls, from) => {
    for (const [a, b, wrong] of split(from, from + part.length, bad)) {
      const piece = part.slice(a - from, b - from);
      const css = [cls, wrong ? 'sq-u' : ''].filter(Boolean).join(' ');
      out.append(css ? el('span', { class: css }, piece) : piece);
    }
  };
  let at = 0;
  for (const found of text.matchAll(TOKEN)) {
    if (found.index > at) put(text.slice(at, found.index), '', at);
    put(found[0], CLASSES[found.slice(1).findIndex(group => group !== undefined)] ?? '', found.index);
    at = found.index + found[0].length;
  }
  if (at < text.length) put(text.slice(at), '', at);
  return out;
}

function* split(from, to, [column, end]) {
  const a = Math.min(Math.max(column - 1, from), to), b = Math.min(Math.max(end - 1, from), to);
  if (!column || b <= a) { if (to > from) yield [from, to, false]; return; }
  if (a > from) yield [from, a, false];
  yield [a, b, true];
  if (to > b) yield [b, to, false];
}

export function draw(input) {
  const box = input.parentElement, under = $('.src', box);
  box.classList.add('on');
  const wrong = input.value === input.defaultValue ? [+(input.dataset.column ?? 0), +(input.dataset.end ?? 0)] : [0, 0];
  under.replaceChildren(paint(input.value, wrong));
  scroll(input);
}
const scroll = input => $('.src', input.parentElement).style.setProperty('transform', `translateX(${-input.scrollLeft}px)`);

onMain(main => { for (const input of $$('[data-expr] .expr input', main)) draw(input); });

// --- completion -------------------------------------------------------------------------------
let wait = 0, asked = 0;
const listOf = form => $('.pop', form);
const close = form => { clearTimeout(wait); asked++; listOf(form)?.remove(); $('.expr input', form)?.setAttribute('aria-expanded', 'false'); };

async function complete(input) {
  const form = input.form, mine = ++asked;
  const url = `/api/complete?${new URLSearchParams({ ...Object.fromEntries(new URLSearchParams(location.search)), lang: form.dataset.expr, q: input.value, pos: input.selectionStart })}`;
  const answer = await getJson(url).catch(() => null);
  if (mine !== asked || document.activeElement !== input) return;
  if (!answer?.items?.length) { close(form); return; }
  const list = el('ul', { class: 'pop', role: 'listbox', id: 'completion', 'data-keep': true });
  answer.items.slice(0, 8).forEach((item, i) => {
    list.append(el('li', { role: 'option', 'aria-selected': i === 0, id: `completion-${i}`, onmousedown: event => { event.preventDefault(); accept(input, list, answer, item); } },
      el('b', { class: 'mono ell' }, item.label ?? item.text), item.note ? el('span', { class: 't3' }, item.note) : null, i === 0 ? el('kbd', {}, 'Tab') : item.count != null ? el('span', { class: 'cnt' }, item.count) : null));
  });
  if (answer.hint) list.append(el('li', { class: 'hint', role: 'presentation' }, answer.hint));
  list.items = answer.items;
  list.answer = answer;
  listOf(form)?.remove();
  form.append(list);
  input.setAttribute('aria-expanded', 'true');
  input.setAttribute('aria-controls', 'completion');
}

function accept(input, list, answer, item) {
  input.setRangeText(item.text, answer.start, answer.end, 'end');
  close(input.form);
  draw(input);
  if (/[\s(]$/.test(item.text)) later(input);
}

const later = input => { clearTimeout(wait); wait = setTimeout(complete, 80, input); };

document.addEventListener('input', event => {
  if (!event.target.matches('[data-expr] .expr input')) return;
  draw(event.target);
  later(event.target);
});
document.addEventListener('scroll', event => { if (event.target.matches?.('[data-expr] .expr input')) scroll(event.target); }, true);
document.addEventListener('keyup', event => { if (event.target.matches('[data-expr] .expr input')) scroll(event.target); });
document.addEventListener('focusout', event => { if (event.target.matches('[data-expr] .expr input')) close(event.target.form); });
document.addEventListener('submit', event => { if (event.target.matches('[data-expr]')) { clearTimeout(wait); close(event.target); } }, true);
document.addEventListener('keydown', event => {
  if (!event.target.matches('[data-expr] .expr input')) return;
  const input = event.target, list = listOf(input.form);
  if (event.key === ' ' && event.ctrlKey) { complete(input); event.preventDefault(); return; }
  if (!list) return;
  const options = $$('[role=option]', list), at = options.findIndex(o => o.getAttribute('aria-selected') === 'true');
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) {
    const next = (at + step + options.length) % options.length;
    options.forEach((o, i) => o.setAttribute('aria-selected', i === next));
    input.setAttribute('aria-activedescendant', options[next].id);
    list.moved = true;
    event.preventDefault();
  } else if (event.key === 'Tab' && !event.shiftKey || event.key === 'Enter' && list.moved) {
    accept(input, list, list.answer, list.items[at]);
    event.preventDefault();
  } else if (event.key === 'Escape') {
    close(input.form);
    event.preventDefault();
    event.stopPropagation();
  }
}, true);
