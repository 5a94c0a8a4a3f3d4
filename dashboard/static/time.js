// The time picker: live reading of what was typed, browser zone, shift and zoom, auto refresh.
// It works as plain links and a form without this file.
import { $, $$, cookie, getJson, setCookie } from './dom.js';
import { go, isBusy, refresh } from './nav.js';

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
let timer = null, reading = 0;

export const picker = () => $('[data-time]');
/** Milliseconds since 1970. */
export const shown = () => { const p = picker(); return p ? { start: +p.dataset.start, end: +p.dataset.end } : null; };
export const iso = ms => new Date(ms).toISOString().replace('.000Z', 'Z');

/** This page's URL with changed parameters; null removes one. */
export function withParams(changes, base = location.href) {
  const url = new URL(base);
  for (const [name, value] of Object.entries(changes)) {
    url.searchParams.delete(name);
    for (const one of [value].flat()) if (one != null && one !== '') url.searchParams.append(name, one);
  }
  url.search = url.search.replaceAll('%3A', ':').replaceAll('%2F', '/').replaceAll('%2C', ',');
  return url;
}
export const setRange = (startMs, endMs, more = {}) => go(withParams({ from: iso(startMs), to: iso(endMs), cursor: null, ...more }));
export const shift = back => { const link = $(back ? '[data-earlier]' : '[data-later]'); if (link) go(link.href); };
export const zoomOut = () => { const p = picker(); if (p) go(p.dataset.wider); };

async function read(form) {
  const mine = ++reading, data = new FormData(form);
  const answer = await getJson(`/api/when?${new URLSearchParams([...data].filter(([k]) => ['from', 'to', 'tz'].includes(k)))}`).catch(() => null);
  if (!answer || mine !== reading) return;
  for (const side of ['from', 'to']) {
    const line = $(`[data-reading=${side}]`, form), said = answer[side];
    line.textContent = said.problem ?? (side === 'to' && !answer.from.problem && answer.problem ? answer.problem : said.reading);
    line.classList.toggle('bad', !!said.problem || (side === 'to' && !answer.from.problem && !!answer.problem));
  }
}

function every(seconds) {
  clearInterval(timer);
  sessionStorage.setItem('refresh', seconds);
  picker()?.classList.toggle('live', seconds > 0);
  for (const button of $$('[data-refresh]')) button.setAttribute('aria-pressed', +button.dataset.refresh === seconds);
  if (seconds) timer = setInterval(() => { if (!document.hidden && !isBusy() && !$('details:is(.tp, .drop)[open], dialog[open], [data-expr] .pop')) refresh(); }, seconds * 1000);
}

/** A page that waits for its first data ([data-every] seconds) looks by itself until there is some. */
let watching = null;
function watch() {
  clearTimeout(watching);
  const every = $('#main [data-every]')?.dataset.every;
  if (every) watching = setTimeout(async () => { if (!document.hidden && !isBusy()) await refresh(); else watch(); }, every * 1000);
}

function prepare() {
  watch();
  for (const radio of $$('[data-local]')) { if (radio.value === 'local') radio.value = zone; }
  const seconds = +(sessionStorage.getItem('refresh') || 0);
  for (const button of $$('[data-refresh]')) button.setAttribute('aria-pressed', +button.dataset.refresh === seconds);
  picker()?.classList.toggle('live', seconds > 0);
}

export function install() {
  prepare();
  document.addEventListener('raywatch:main', prepare);
  every(+(sessionStorage.getItem('refresh') || 0));
  let wait = 0;
  document.addEventListener('input', event => {
    const form = event.target.closest('[data-when]');
    if (!form) return;
    if (event.target.name === 'tz') setCookie('tz', event.target.value);
    clearTimeout(wait);
    wait = setTimeout(read, 120, form);
  });
  document.addEventListener('click', event => {
    const button = event.target.closest('[data-refresh]');
    if (button) every(+button.dataset.refresh);
    for (const open of $$('details:is(.tp, .drop)[open]')) if (!open.contains(event.target)) open.open = false;
  });
  document.addEventListener('toggle', event => {
    if (event.target.matches?.('details:is(.tp, .drop)') && event.target.open) $('input:not([type=hidden])', event.target)?.select();
  }, true);
}
