// The living picture's own script: ten thousand rows, a tenth of them twice as tall.
import { $, onMain } from './dom.js';
import { Rows } from './rows.js';

const TALL = 26, COUNT = 12_000;

onMain(main => {
  const box = $('#many', main);
  if (!box || box.rows) return;
  const tall = Array.from({ length: COUNT / 10 }, (_, i) => [i * 10 + 3, TALL]);
  box.rows = new Rows(box, {
    height: TALL, count: COUNT, extra: () => tall,
    draw: (index, node) => { node.textContent = `Row ${index + 1} of ${COUNT}`; },
  });
});
