// The main part: a contour, one or two people, and the face of both.

import { Latest, compute } from './compute.js';
import { choice, figure, make, radios, showPicture, slider } from './dom.js';
import { galleryPicture, ownPicture } from './files.js';
import { judgeScale } from './judge.js';
import { DRAWABLE } from './numbers/contours.js';
import { drawingPad } from './pad.js';
import { TEXTS, fill } from './texts.js';

const SIDES = [4, 8, 16, 32];

const pictureName = (entry) => fill(TEXTS.pictureOf, entry);

/** A gallery of pictures to choose from, and a place for an own one. */
function gallery(title, entries, value, size, ownTitle, chosen) {
  const picture = (entry) => make('img', { src: `data/${entry.file}`, alt: pictureName(entry), width: 56, height: 56 });
  const options = entries.map((entry, i) => [String(i), picture(entry)]);
  const own = { source: null };
  const group = radios(title, options, String(value), (key) => chosen(key), 'gallery');
  const add = ownPicture(ownTitle, size, (source) => {
    if (!own.source) group.add('own', make('span', { class: 'own-mark' }, TEXTS.own));
    own.source = source;
    group.set('own');
    chosen('own');
  });
  return { element: make('div', {}, group.element, add.element), own, set: group.set };
}

/** shared: {networks, page, state, changed, status}. Returns {element, request}. */
export function facePart({ networks, page, state, changed, status }) {
  const size = networks.image_size;
  const result = figure(TEXTS.result, 'result');
  const strip = make('div', { class: 'strip' });
  const contourShown = figure(TEXTS.read, 'small');
  const scale = judgeScale(page.judge);
  const spoken = make('p', { class: 'hidden', role: 'status' });
  let steps = []; // pictures of the last answer
  let fresh = ''; // what the sheet shows

  const source = (entries, key, own) => {
    if (key === 'own') return own.source;
    return galleryPicture(entries[Number(key)]);
  };
  const update = (name, value) => {
    state[name] = value;
    changed();
    latest.request();
  };
  const pick = (name) => (key) => {
    if (name === 'contour') state.strokes = [];
    update(name, key);
  };

  const contours = gallery(TEXTS.contour, page.contours, state.contour, size, TEXTS.ownContour, pick('contour'));
  const first = gallery(TEXTS.person, page.people, state.a, size, TEXTS.ownPerson, pick('a'));
  const second = choice(TEXTS.secondPerson, page.people.map((entry, i) => [String(i), pictureName(entry)]), state.b, (key) => update('b', key));
  const secondPicture = make('img', { alt: '', width: 56, height: 56 });
  const kinds = radios(
    TEXTS.kind,
    Object.keys(page.kinds).map((kind) => [kind, TEXTS.kinds[kind] || page.kinds[kind]]),
    state.kind,
    (kind) => {
      state.strokes = [];
      update('kind', kind);
    },
    'row',
  );
  const sides = choice(TEXTS.side, SIDES.map((side) => [String(side), String(side)]), String(state.side), (side) => update('side', Number(side)));
  const pad = drawingPad(size, page.labels, (strokes) => update('strokes', strokes));
  const look = slider(TEXTS.allSteps, { min: 0, max: state.steps, step: 1, value: state.steps }, () => latest.request());
  const controls = {
    steps: slider(TEXTS.steps, { min: 1, max: 6, step: 1, value: state.steps }, (value) => {
      look.input.max = value;
      look.set(value);
      update('steps', value);
    }),
    strength: slider(TEXTS.strength, { min: 0, max: 1.6, step: 0.05, value: state.strength }, (value) => update('strength', value)),
    mix: slider(TEXTS.mix, { min: 0, max: 1, step: 0.05, value: state.mix }, (value) => update('mix', value)),
  };
  const walks = Object.entries(page.walks).map(([name, { reach }]) => [
    name,
    slider(TEXTS.walk[name], { min: -1, max: 1, step: 0.05, value: state[name] }, (value) => {
      look.set(state.steps);
      update(name, value);
    }),
    reach,
  ]);
  const reset = make('button', {
    type: 'button',
    onclick: () => {
      for (const [name, control] of walks) {
        control.set(0);
        state[name] = 0;
      }
      update('mix', state.mix);
    },
  }, TEXTS.reset);

  const save = make('button', {
    type: 'button',
    onclick: () =>
      result.canvas.toBlob((blob) => {
        const address = URL.createObjectURL(blob);
        make('a', { href: address, download: 'idnb-face.png' }).click();
        setTimeout(() => URL.revokeObjectURL(address), 10000);
      }),
  }, TEXTS.download);
  const linked = make('span', { role: 'status', class: 'hint' });
  const link = make('button', {
    type: 'button',
    onclick: async () => {
      try {
        await navigator.clipboard.writeText(window.location.href);
        linked.textContent = TEXTS.linkCopied;
      } catch {
        linked.textContent = TEXTS.linkShown;
      }
    },
  }, TEXTS.link);

  async function draw() {
    const { kind, side } = state;
    const [contour, a, b] = await Promise.all([
      source(page.contours, state.contour, contours.own),
      source(page.people, state.a, first.own),
      source(page.people, state.b, {}),
    ]);
    const sheet = `${kind} ${contour.key}`;
    if (DRAWABLE.includes(kind) && sheet !== fresh) {
      const made = await compute('sheet', { kind, source: contour, side });
      if (kind === state.kind) pad.begin(kind, made.contour, state.strokes);
      fresh = sheet;
    }
    const { strokes, mix, strength } = state;
    const asked = { kind, source: contour, side, strokes: DRAWABLE.includes(kind) ? strokes : [], a, b, mix, strength, steps: state.steps };
    const far = Object.fromEntries(walks.map(([name, , reach]) => [name, state[name] * reach]));
    const times = []; // of the steps before the last: the face follows at once, and is refined
    const answer = await compute('face', { state: asked, walks: far, look: Number(look.input.value) }, (step) => {
      showPicture(result.canvas, step.early);
      times.push(step.milliseconds);
    });
    document.body.dataset.firstStep = String(Math.round(times[0] ?? answer.milliseconds));
    showPicture(result.canvas, answer.shown); // the picture first, what the judge says of it afterwards
    const { similarity } = await compute('similarity', { image: answer.shown, person: mix > 0.5 ? b : a });
    return { ...answer, similarity, kind };
  }

  function show(answer) {
    showPicture(result.canvas, answer.shown);
    showPicture(contourShown.canvas, answer.contour);
    contourShown.canvas.className = answer.kind === 'sketch' ? '' : 'sharp';
    scale.show(answer.similarity);
    if (steps.length !== answer.images.length) {
      steps = answer.images.map((_, i) => {
        const shown = figure(i ? fill(TEXTS.step, { step: i }) : TEXTS.average, 'small');
        strip.append(shown.element);
        return shown;
      });
      strip.replaceChildren(...steps.map((shown) => shown.element));
    }
    answer.images.forEach((image, i) => showPicture(steps[i].canvas, image));
    const named = (list, key) => (key === 'own' ? TEXTS.own : pictureName(list[Number(key)]));
    const words = {
      person: named(page.people, state.a),
      contour: named(page.contours, state.contour),
      similarity: answer.similarity.toFixed(2),
    };
    const text = fill(TEXTS.resultIs, words);
    result.canvas.setAttribute('aria-label', text);
    spoken.textContent = text;
    pad.element.hidden = !DRAWABLE.includes(state.kind);
    sides.element.hidden = state.kind !== 'low_res';
    secondPicture.src = `data/${page.people[Number(state.b)].file}`;
    status(answer.milliseconds);
  }
  const latest = new Latest(draw, show, (error) => status(0, error));

  const element = make(
    'div', { class: 'face' },
    make('section', { class: 'answer', 'aria-label': TEXTS.result },
      make('div', { class: 'pair' }, contourShown.element, result.element), scale.element, spoken,
      make('p', { class: 'buttons' }, save, link, linked),
      look.element, strip),
    make('section', { class: 'where' }, kinds.element, sides.element, pad.element, contours.element),
    make('section', { class: 'who' }, first.element,
      controls.strength.element, controls.steps.element,
      make('div', { class: 'second' }, secondPicture, second.element), controls.mix.element,
      make('h3', {}, TEXTS.walks), walks.map(([, control]) => control.element),
      make('p', { class: 'buttons' }, reset), make('p', { class: 'hint' }, TEXTS.walksHint)),
  );
  return { element, request: () => latest.request(), latest };
}

/** Values that a link may set. */
export function faceLimits(page) {
  return {
    kind: Object.keys(page.kinds),
    contour: page.contours.map((_, i) => String(i)),
    a: page.people.map((_, i) => String(i)),
    b: page.people.map((_, i) => String(i)),
    side: [SIDES[0], SIDES[SIDES.length - 1]],
    steps: [1, 6],
    strength: [0, 1.6],
    mix: [0, 1],
    ...Object.fromEntries(Object.keys(page.walks).map((name) => [name, [-1, 1]])),
  };
}

/** How the part begins. */
export function faceDefaults(networks, page) {
  const kinds = Object.keys(page.kinds);
  const kind = kinds.includes('sketch') ? 'sketch' : kinds[0];
  const { steps, low_res_size: side } = networks.encoders[kind];
  const still = Object.fromEntries(Object.keys(page.walks).map((name) => [name, 0]));
  return { kind, contour: '0', a: '1', b: '2', side, steps, strength: 1, mix: 0, ...still, strokes: [] };
}
