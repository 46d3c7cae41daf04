// The judge's similarity on a line, over its two reference distributions.

import { make } from './dom.js';
import { TEXTS, fill } from './texts.js';

const [WIDTH, HEIGHT] = [320, 64];

function svg(tag, attributes) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** reference: "judge" of page.json. Returns {element, show(value)}. */
export function judgeScale(reference) {
  const place = (value) => (WIDTH * (value - reference.from)) / (reference.to - reference.from);
  const band = ([low, high]) => `${low.toFixed(2)} – ${high.toFixed(2)}`;
  const words = make('p', { class: 'value' });
  const bands = fill(TEXTS.judgeBands, { strangers: band(reference.strangers.band), same: band(reference.same.band) });
  const picture = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': bands });
  for (const name of ['strangers', 'same']) {
    const { bars } = reference[name];
    const highest = Math.max(...bars);
    const step = WIDTH / bars.length;
    bars.forEach((share, i) => {
      const height = (HEIGHT - 16) * (share / highest);
      picture.append(svg('rect', { class: name, x: i * step, y: HEIGHT - 12 - height, width: step, height }));
    });
    const [low, high] = reference[name].band;
    const label = svg('text', { class: name, x: place((low + high) / 2), y: HEIGHT - 3, 'text-anchor': 'middle' });
    label.textContent = TEXTS[name];
    picture.append(label);
  }
  const needle = svg('line', { class: 'needle', y1: 0, y2: HEIGHT - 12, x1: 0, x2: 0 });
  picture.append(needle);
  return {
    element: make('div', { class: 'judge' }, words, picture, make('p', { class: 'hint' }, bands)),
    show(value) {
      words.textContent = fill(TEXTS.judge, { value: value.toFixed(2) });
      const x = Math.min(WIDTH - 1, Math.max(1, place(value)));
      needle.setAttribute('x1', x);
      needle.setAttribute('x2', x);
    },
  };
}
