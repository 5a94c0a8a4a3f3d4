// Going on within a page without loading it anew: fetch the same page's HTML, swap what changed, keep the rest.
// Links and forms marked data-soft use it, so do brush, sorting and refresh. Without a script they are plain links.
import { $, $$ } from './dom.js';
import { morph } from './morph.js';

const SLOW = 150;
let running = null;

/** Show `url`. push: a step in the history. quiet: a refresh, nothing is announced and failures wait for the next. */
export async function go(url, { push = true, quiet = false } = {}) {
  const target = new URL(url, location.href);
  if (target.origin !== location.origin || target.pathname !== location.pathname) { location.assign(target); return; }
  running?.abort();
  const mine = running = new AbortController();
  const late = setTimeout(() => busy(true), SLOW);
  try {
    const response = await fetch(target, { signal: mine.signal, headers: { Accept: 'text/html', 'X-Requested-With': 'raywatch' } });
    if (response.redirected && new URL(response.url).pathname !== target.pathname) { location.assign(response.url); return; }
    if (!(response.headers.get('Content-Type') ?? '').startsWith('text/html')) throw new Error(response.statusText);
    const next = new DOMParser().parseFromString(await response.text(), 'text/html');
    if (mine.signal.aborted) return;
    const landed = response.redirected ? response.url : target.href;
    if (landed !== location.href) history[push ? 'pushState' : 'replaceState']({}, '', landed);
    show(next);
  } catch (error) {
    if (error.name !== 'AbortError' && !quiet) location.assign(target);
  } finally {
    clearTimeout(late);
    if (running === mine) { running = null; busy(false); }
  }
}

export const cancel = () => { running?.abort(); running = null; busy(false); };
export const isBusy = () => running !== null;
export const refresh = () => go(location.href, { push: false, quiet: true });

function busy(on) {
  $('#main').classList.toggle('busy', on && !$('.expr'));
  $('.expr')?.classList.toggle('busy', on);
}

function show(next) {
  const broken = $('.errl', next) && $('#main .bar');
  document.title = next.title;
  document.body.dataset.now = next.body.dataset.now;
  for (const selector of ['.top', '.nav', '.tabbar']) {
    const old = $(selector), fresh = $(selector, next);
    if (old && fresh) morph(old, fresh);
  }
  if (broken) {  // a filter that cannot be read never empties the page: the last results stay, marked as such
    morph($('#main .bar'), $('.bar', next));
    $('#main').classList.add('old');
  } else {
    $('#main').classList.remove('old');
    morph($('#main'), $('#main', next));
  }
  document.dispatchEvent(new CustomEvent('raywatch:main'));
}

addEventListener('popstate', () => go(location.href, { push: false }));

document.addEventListener('click', event => {
  const link = event.target.closest('a[data-soft]');
  if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (event.altKey && link.dataset.only) { go(link.dataset.only); return; }
  for (const open of $$('details:is(.tp, .drop)[open]')) open.open = false;
  go(link.getAttribute('href'));  // a link in an SVG has no text in `href`
});

document.addEventListener('submit', event => {
  const form = event.target.closest('form[data-soft-form]');
  if (!form || event.defaultPrevented) return;
  event.preventDefault();
  const pairs = [...new FormData(form)].filter(([, value]) => value !== '');
  for (const open of $$('details:is(.tp, .drop)[open]')) open.open = false;
  go(`${form.getAttribute('action')}?${new URLSearchParams(pairs)}`);
});
