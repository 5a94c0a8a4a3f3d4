// Small tools that every module uses. No dependency, no inline handler, no style attribute.
export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
export const typing = target => !!target.closest?.('input:not([type=radio]):not([type=checkbox]), textarea, select, [contenteditable]');

/** An element with attributes and children; text is always text. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value == null || value === false && !name.startsWith('aria-')) continue;
    if (name === 'class') node.className = value;
    else if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true && !name.startsWith('aria-') ? '' : value);
  }
  node.append(...children.filter(child => child != null));
  return node;
}

const SVG = 'http://www.w3.org/2000/svg';
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) if (value != null) node.setAttribute(name, value);
  node.append(...children);
  return node;
}
export const icon = name => svg('svg', { class: 'i', 'aria-hidden': 'true' }, svg('use', { href: `#i-${name}` }));

/** Confirmation of something done. Errors are shown where they happen. */
export function toast(text) {
  $('.toast')?.remove();
  const box = el('div', { class: 'toast', role: 'status' }, text);
  document.body.append(box);
  setTimeout(() => box.remove(), 2400);
}

/** The one polite live region; at most one message in five seconds. */
let spoke = 0;
export function say(text) {
  if (Date.now() - spoke < 5000) return;
  spoke = Date.now();
  $('#say').textContent = text;
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = el('textarea', { class: 'vh' });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
}

/** Run `init(main)` now and after every swap of the page's content. */
export function onMain(init) {
  init($('#main'));
  document.addEventListener('raywatch:main', () => init($('#main')));
}

export const cookie = name => document.cookie.split('; ').find(pair => pair.startsWith(`${name}=`))?.slice(name.length + 1) ?? '';
export const setCookie = (name, value) => { document.cookie = `${name}=${value}; path=/; max-age=31536000; SameSite=Lax`; };

/** GET a JSON answer; an error of the server is thrown as an Error with its message. */
export async function getJson(url, options = {}) {
  const response = await fetch(url, { headers: { Accept: 'application/json' }, ...options });
  const data = await response.json();
  if (!response.ok) throw Object.assign(new Error(data.error?.message ?? response.statusText), data.error);
  return data;
}

/** POST a form's values with the CSRF token of this page. */
export const post = (url, values = {}) => fetch(url, {
  method: 'POST', body: new URLSearchParams(values), redirect: 'manual', headers: { 'X-CSRF-Token': $('meta[name=csrf]').content },
});
