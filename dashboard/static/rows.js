// Virtual scroll: any number of rows of one height; only those in view are in the document.
//
//   const list = new Rows(container, { height: 26, count: rows.length, draw: (index, node) => {…} });
//   list.scrollTo(index); list.setCount(n); list.redraw();
//
// `draw` fills a recycled element; positions are set through the CSSOM, which the content security policy allows.
const SPARE = 10;

export class Rows {
  constructor(container, { height, count, draw, make = () => document.createElement('div'), extra = () => 0 }) {
    Object.assign(this, { container, height, draw, make, extra, pool: new Map(), free: [] });
    container.classList.add('vs');
    this.pad = container.querySelector('.vs-pad') ?? container.appendChild(Object.assign(document.createElement('div'), { className: 'vs-pad' }));
    this.tops = null;
    this.onScroll = () => { this.frame ??= requestAnimationFrame(() => { this.frame = null; this.show(); }); };
    container.addEventListener('scroll', this.onScroll, { passive: true });
    this.observer = new ResizeObserver(this.onScroll);
    this.observer.observe(container);
    this.setCount(count);
  }

  /** A new number of rows; what is on screen is drawn again. */
  setCount(count) {
    this.count = count;
    this.container.setAttribute('aria-rowcount', count);
    this.measure();
    this.redraw();
  }

  /** Rows that are taller than the rest (`extra(index)` pixels) shift all after them. */
  measure() {
    let sum = 0;
    this.extras = [];
    for (const [index, pixels] of this.extra() || []) this.extras.push([index, sum += pixels]);
    this.pad.style.setProperty('height', `${this.count * this.height + sum}px`);
  }

  top(index) {
    let more = 0;
    for (const [at, sum] of this.extras) { if (at >= index) break; more = sum; }
    return index * this.height + more;
  }

  indexAt(pixels) {
    let more = 0;
    for (const [at, sum] of this.extras) { if (at * this.height + sum > pixels) { return Math.max(0, Math.min(Math.floor((pixels - more) / this.height), at)); } more = sum; }
    return Math.max(0, Math.floor((pixels - more) / this.height));
  }

  show() {
    const view = this.container.clientHeight || 600;
    const from = Math.max(0, this.indexAt(this.container.scrollTop - (this.pad.offsetTop || 0)) - SPARE);
    const to = Math.min(this.count, this.indexAt(this.container.scrollTop + view) + SPARE + 1);
    for (const [index, node] of this.pool) if (index < from || index >= to) { this.pool.delete(index); this.free.push(node); node.remove(); }
    for (let index = from; index < to; index++) {
      let node = this.pool.get(index);
      if (!node) {
        node = this.free.pop() ?? this.make();
        node.classList.add('vs-row');
        this.draw(index, node);
        node.setAttribute('aria-rowindex', index + 1);
        this.pool.set(index, node);
        this.pad.append(node);
      }
      node.style.setProperty('transform', `translateY(${this.top(index)}px)`);
    }
  }

  redraw() {
    for (const [index, node] of this.pool) { if (index < this.count) this.draw(index, node); }
    this.show();
  }

  node(index) { return this.pool.get(index); }

  /** Bring a row into view, at the nearest edge or with `block: 'center'`. */
  scrollTo(index, block = 'nearest') {
    const top = this.top(index), view = this.container.clientHeight, now = this.container.scrollTop;
    if (block === 'center') this.container.scrollTop = top - view / 2;
    else if (top < now) this.container.scrollTop = top;
    else if (top + this.height > now + view) this.container.scrollTop = top + this.height - view;
    this.show();
  }

  close() {
    this.container.removeEventListener('scroll', this.onScroll);
    this.observer.disconnect();
  }
}
