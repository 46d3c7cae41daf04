// The state of the page as the part of its address after #, so that a link shows the same face.

import { strokesFromText, strokesToText } from './numbers/strokes.js';

/** What differs from the defaults, as text. Own pictures are not in it. */
export function toLink(state, defaults) {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) {
    if (name === 'strokes') {
      if (value.length) words.set(name, strokesToText(value));
    } else if (value !== 'own' && value !== defaults[name]) words.set(name, value);
  }
  return words.toString();
}

/** The way back: text after # to a whole state. limits: name -> list of values, or [low, high]; what does not fit is left out. */
export function fromLink(text, defaults, limits) {
  const state = { ...defaults };
  for (const [name, word] of new URLSearchParams(text.replace(/^#/, ''))) {
    if (name === 'strokes') state.strokes = strokesFromText(word);
    else if (name in defaults) {
      const value = typeof defaults[name] === 'number' ? Number(word) : word;
      const limit = limits[name];
      const [low, high] = limit;
      const fits = typeof value === 'number' ? value >= low && value <= high : limit.includes(value);
      if (fits) state[name] = value;
    }
  }
  return state;
}
