// The thread that computes. It gets {id, job, ...} and answers {id, ...} or {id, error}; before that it may tell of
// {id, early}, a first picture. The page stays free meanwhile.

import { Engine } from './engine.js';
import { readSafetensors } from './numbers/safetensors.js';
import { bytesOf, opener, prepare, tensor } from './runtime.js';

let engine;

const jobs = {
  /** Everything that the first picture needs, but the pictures of the galleries. */
  async begin({ base, networks, page }) {
    const data = new URL('data/', base);
    const [threads, numbers] = await Promise.all([prepare(base), bytesOf(new URL('page.safetensors', data))]);
    const open = opener(data, networks.networks);
    engine = new Engine({ networks, page, numbers: readSafetensors(numbers), open, tensor });
    return { threads };
  },

  /** Load networks before they are asked for, so that the page goes on without a network. */
  async load({ names }) {
    for (const name of names) await engine.open(name);
    return {};
  },

  async face({ state, walks, look }, early) {
    const walked = Object.values(walks).some((far) => far !== 0);
    const last = look === state.steps;
    const face = await engine.face(state, last && !walked ? early : undefined);
    const { image: start } = await engine.start();
    const shown = walked && last ? await engine.paint(engine.walk(face.code, walks)) : face.images[look] || start;
    return { shown, images: face.images, contour: engine.show(state.kind, face.contour) };
  },

  async similarity({ image, person }) {
    return { similarity: await engine.similarity(image, person) };
  },

  async sheet({ kind, source, side }) {
    return { contour: await engine.contour(kind, source, side) };
  },

  async mixStyles(request) {
    const images = await engine.mixStyles(request);
    const of = (key, image) => ({ key: `sample ${key}`, image });
    const similarity = [];
    for (const [key, image] of [[request.seedA, images[0]], [request.seedB, images[2]]]) {
      similarity.push(await engine.similarity(images[1], of(`${key} ${request.psi}`, image)));
    }
    return { images, similarity };
  },
};

// One job after the other: a network cannot run twice at once.
let queue = Promise.resolve();
self.onmessage = ({ data: { id, job, ...request } }) => {
  queue = queue.then(async () => {
    const begin = performance.now();
    try {
      const early = (image) => self.postMessage({ id, early: image, milliseconds: performance.now() - begin });
      const answer = await jobs[job](request, early);
      self.postMessage({ id, ...answer, milliseconds: performance.now() - begin });
    } catch (error) {
      self.postMessage({ id, error: String(error.message || error) });
    }
  });
};
