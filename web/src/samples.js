// Faces from noise: two seeds, truncation, and rows of W+ from the second.

import { Latest, compute } from './compute.js';
import { figure, make, showPicture, slider } from './dom.js';
import { TEXTS, fill } from './texts.js';

/** Returns {element, request}. */
export function samplesPart({ networks, state, changed, status }) {
  const all = networks.n_styles;
  const shown = [TEXTS.sampleA, TEXTS.mixed, TEXTS.sampleB].map((title) => figure(title, 'sample'));
  const rows = make('p', { class: 'hint' });
  const judged = make('p', { role: 'status' });
  const update = (name) => (value) => {
    state[name] = value;
    changed();
    latest.request();
  };
  const controls = [
    slider(TEXTS.seedA, { min: 0, max: 99, step: 1, value: state.seedA }, update('seedA')),
    slider(TEXTS.seedB, { min: 0, max: 99, step: 1, value: state.seedB }, update('seedB')),
    slider(TEXTS.psi, { min: -0.5, max: 1.5, step: 0.05, value: state.psi }, update('psi')),
    slider(TEXTS.from, { min: 0, max: all, step: 1, value: state.from }, update('from')),
    slider(TEXTS.to, { min: 0, max: all, step: 1, value: state.to }, update('to')),
  ];
  const latest = new Latest(
    () => compute('mixStyles', { ...state }),
    ({ images, similarity, milliseconds }) => {
      images.forEach((image, i) => showPicture(shown[i].canvas, image));
      const { from, to } = state;
      rows.textContent = to > from ? fill(TEXTS.rows, { from, to: to - 1, all }) : TEXTS.noRows;
      judged.textContent = fill(TEXTS.samplesAre, { a: similarity[0].toFixed(2), b: similarity[1].toFixed(2) });
      status(milliseconds);
    },
    (error) => status(0, error),
  );
  const element = make('div', { class: 'samples' },
    make('div', { class: 'pair' }, shown.map((one) => one.element)), judged, rows,
    make('div', { class: 'controls' }, controls.map((control) => control.element)));
  return { element, request: () => latest.request() };
}

export const samplesDefaults = (networks) => ({ seedA: 1, seedB: 2, psi: 0.8, from: networks.n_styles / 2, to: networks.n_styles });

export const samplesLimits = (networks) => ({
  seedA: [0, 99],
  seedB: [0, 99],
  psi: [-0.5, 1.5],
  from: [0, networks.n_styles],
  to: [0, networks.n_styles],
});
