// Makes one element like another with the fewest changes, so that focus, scroll, open details and half-typed
// text survive a refresh. [data-keep] belongs to a script and is left alone; [data-key] or id pairs children.
const keyOf = node => node.nodeType === 1 ? node.dataset?.key || node.id || '' : '';
const alike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && keyOf(a) === keyOf(b);

export function morph(old, next) {
  if (old.nodeType !== 1) {
    if (old.nodeValue !== next.nodeValue) old.nodeValue = next.nodeValue;
    return;
  }
  if (old.hasAttribute('data-keep')) return;
  if (old.isEqualNode(next)) return;
  attributes(old, next);
  children(old, next);
}

function attributes(old, next) {
  for (const { name } of [...old.attributes]) {
    if (!next.hasAttribute(name) && !(name === 'open' && old.matches('details'))) old.removeAttribute(name);
  }
  for (const { name, value } of [...next.attributes]) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  if (old.matches('input, textarea') && old !== document.activeElement) {
    const value = next.getAttribute('value') ?? next.value;
    if (old.value !== value) old.value = value;
    if ('checked' in old) old.checked = next.hasAttribute('checked');
  }
}

function children(old, next) {
  const wanted = [...next.childNodes];
  const keyed = new Map([...old.childNodes].filter(keyOf).map(node => [keyOf(node), node]));
  let at = old.firstChild;
  for (const want of wanted) {
    const key = keyOf(want);
    let have = key ? keyed.get(key) : at;
    while (!key && have && keyOf(have)) have = have.nextSibling;
    if (have && alike(have, want)) {
      if (have !== at) old.insertBefore(have, at);
      else at = at.nextSibling;
      morph(have, want);
    } else {
      old.insertBefore(document.importNode(want, true), at);
    }
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    if (!(gone.nodeType === 1 && gone.hasAttribute('data-keep'))) gone.remove();
  }
}
