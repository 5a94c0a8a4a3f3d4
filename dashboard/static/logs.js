// Log lines: a click anywhere on a line opens it; the next page is appended at the end of the list, up to MOST lines.
import { $, $$, copy, onMain, toast } from './dom.js';
import { go } from './nav.js';

const MOST = 20000;
let loading = false;

document.addEventListener('click', event => {
  const target = event.target;
  const json = target.closest?.('[data-copy-json]'), link = target.closest?.('[data-copy-link]');
  if (json) { copy(JSON.stringify(JSON.parse($('script', json.closest('.acts')).textContent), null, 2)); toast('JSON copied'); return; }
  if (link) {
    const id = link.closest('.lx').previousElementSibling.dataset.id, url = new URL($('[data-permalink]').href);
    url.searchParams.set('open', id);
    copy(url.href);
    toast('Link copied');
    return;
  }
  const line = target.closest?.('.lg[data-href]');
  if (line && !target.closest('a, button') && !String(getSelection())) go(line.dataset.href);
});

async function more(pager) {
  const next = $('a[href*="cursor="]', pager), list = $('[data-lines]');
  if (!next || loading || $$('.lg', list).length > MOST) return;
  loading = true;
  try {
    const page = new DOMParser().parseFromString(await (await fetch(next.href)).text(), 'text/html');
    list.append(...$$('[data-lines] > :not(.hd)', page));
    const fresh = $('.pager', page);
    $('span', fresh).textContent = `${$$('.lg[data-row]', list).length.toLocaleString('en')} of ${(+list.getAttribute('aria-rowcount')).toLocaleString('en')} shown`;
    for (const link of $$('a', fresh)) if (!link.href.includes('cursor=')) link.remove();
    pager.replaceWith(fresh);
    watch();
  } finally { loading = false; }
}

const seen = new IntersectionObserver(entries => { for (const entry of entries) if (entry.isIntersecting) more(entry.target); }, { rootMargin: '900px' });
function watch() {
  seen.disconnect();
  const pager = $('.pager');
  if (pager && $('[data-lines]')) seen.observe(pager);
}
onMain(watch);
