// What the page computes, without page and without browser: the counterpart of idnb/widgets/session.py.
//
// It is given a function that opens a network by name and one that makes a tensor, so that a test runs it in node.

import { display, makeContour, networkInput } from './numbers/contours.js';
import { normal } from './numbers/random.js';
import { nearest, toSize } from './numbers/resize.js';
import { withStrokes } from './numbers/strokes.js';

const KEPT = 48;

/** a + share * (b - a), number by number, for lists of arrays. */
function between(a, b, share) {
  if (share === 0) return a;
  if (share === 1) return b;
  return a.map((part, i) => part.map((v, j) => v + share * (b[i][j] - v)));
}

function remember(store, key, value) {
  store.set(key, value);
  if (store.size > KEPT) store.delete(store.keys().next().value);
  return value;
}

export class Engine {
  /**
   * networks: what networks.json says. page: what page.json says. numbers: what page.safetensors holds.
   * open: name -> promise of a session. tensor: (Float32Array, shape) -> tensor.
   */
  constructor({ networks, page, numbers, open, tensor }) {
    Object.assign(this, { networks, page, numbers, open, tensor });
    this.names = page.labels.map((label) => label.name);
    this.colours = page.labels.map((label) => label.colour);
    this.classes = page.labels.length;
    this.size = networks.image_size;
    this.identities = new Map();
    this.contours = new Map();
    this.embeddings = new Map();
    this.results = new Map();
    this.starts = null;
  }

  /** Run a network: name -> array goes in, name -> array comes out. */
  async run(name, inputs) {
    const session = await this.open(name);
    const shapes = this.networks.networks[name].inputs;
    const fed = {};
    for (const input of session.inputNames) {
      const shape = shapes[input].map((axis) => (axis === 'batch' ? 1 : axis));
      fed[input] = this.tensor(inputs[input], shape);
    }
    const answer = await session.run(fed);
    return Object.fromEntries(session.outputNames.map((output) => [output, answer[output].data]));
  }

  /** The picture of a code {w_plus, input_latent}, around [-1, 1]. */
  async paint(code) {
    const { image } = await this.run('synthesis', code);
    return { data: Float32Array.from(image), c: 3, h: this.size, w: this.size };
  }

  /** The mean of w in every row and the generator's constant, and the average face that they make. */
  async start() {
    if (!this.starts) {
      const { n_styles: rows, style_dim: length } = this.networks;
      const w_plus = new Float32Array(rows * length);
      for (let i = 0; i < rows; i += 1) w_plus.set(this.numbers.w_avg.data, i * length);
      const code = { w_plus, input_latent: this.numbers.input.data };
      this.starts = { code, image: await this.paint(code) };
    }
    return this.starts;
  }

  /** The label map that the parser reads off a picture: {data: Uint8Array, h, w}. */
  async parse(image) {
    const { label_map: labels } = await this.run('parser', { image: toSize(image, this.size).data });
    const side = this.networks.parser_size;
    return { data: Uint8Array.from(labels, Number), h: side, w: side };
  }

  /** The contour of a picture {key, image, labels or null}, which is of the generator's size. side: of a low_res one. */
  async contour(kind, source, side) {
    const key = `${kind} ${source.key} ${kind === 'low_res' ? side : ''}`;
    if (this.contours.has(key)) return this.contours.get(key);
    if (kind !== 'low_res' && !source.labels) source.labels = await this.parse(source.image);
    return remember(this.contours, key, makeContour(kind, source.image, source.labels, this.names, side));
  }

  async identity(kind, person) {
    const key = `${kind} ${person.key}`;
    if (this.identities.has(key)) return this.identities.get(key);
    const small = toSize(person.image, this.networks.encoders[kind].encoder_size);
    const answer = await this.run(`identity_${kind}`, { x_id: small.data });
    const names = Object.keys(answer).sort((a, b) => a.split('_')[1] - b.split('_')[1]);
    return remember(this.identities, key, names.map((name) => Float32Array.from(answer[name])));
  }

  /** What the encoder keeps of a mixture of two people; strength 0 is the average face, 1 the person. */
  async mixture(kind, a, b, mix, strength) {
    const first = mix < 1 ? await this.identity(kind, a) : null;
    const second = mix > 0 ? await this.identity(kind, b) : null;
    const mixed = first && second ? between(first, second, mix) : first || second;
    if (strength === 1) return mixed;
    const { image } = await this.start();
    return between(await this.identity(kind, { key: 'average', image }), mixed, strength);
  }

  /**
   * A face with the contour of one picture and the identity of another, or of a mixture.
   * early: gets the picture of each step but the last as soon as it is there.
   * Returns {contour, images: [average, step 1, ...], code}.
   */
  async face({ kind, source, side, strokes, a, b, mix, strength, steps }, early = () => {}) {
    const key = JSON.stringify([kind, source.key, side, strokes, a.key, mix > 0 && b.key, mix, strength, steps]);
    if (this.results.has(key)) return this.results.get(key);
    const size = this.networks.encoders[kind].encoder_size;
    const contour = withStrokes(kind, await this.contour(kind, source, side), strokes);
    const parts = await this.mixture(kind, a, b, mix, strength);
    const seen = { contour: networkInput(kind, contour, size, this.classes).data };
    parts.forEach((part, i) => {
      seen[`identity_${i}`] = part;
    });
    let { code, image } = await this.start();
    const images = [image];
    for (let step = 0; step < steps; step += 1) {
      const next = await this.run(`refine_${kind}`, { ...seen, ...code, y_hat: toSize(image, size).data });
      code = { w_plus: next.next_w_plus, input_latent: next.next_input_latent };
      image = await this.paint(code);
      images.push(image);
      if (step < steps - 1) early(image);
    }
    return remember(this.results, key, { contour, images, code });
  }

  /** The code so far along walks: name -> how far, in units of the renderer's parameter. */
  walk(code, walks) {
    const moved = { w_plus: Float32Array.from(code.w_plus), input_latent: Float32Array.from(code.input_latent) };
    for (const [name, far] of Object.entries(walks)) {
      for (const part of far ? ['w_plus', 'input_latent'] : []) {
        this.numbers[`${name}.${part}`].data.forEach((v, i) => {
          moved[part][i] += far * v;
        });
      }
    }
    return moved;
  }

  /** W+ of a seed, pulled towards the mean by psi. */
  async sample(seed, psi) {
    const z = normal(seed, this.networks.style_dim);
    const { w } = await this.run('mapping', { z, truncation_psi: Float32Array.of(psi) });
    const { n_styles: rows, style_dim: length } = this.networks;
    const w_plus = new Float32Array(rows * length);
    for (let i = 0; i < rows; i += 1) w_plus.set(w, i * length);
    return { w_plus, input_latent: this.numbers.input.data };
  }

  /** Two samples, and their mixture: rows from..to-1 of the second, all others of the first. */
  async mixStyles({ seedA, seedB, psi, from, to }) {
    const [a, b] = [await this.sample(seedA, psi), await this.sample(seedB, psi)];
    const length = this.networks.style_dim;
    const w_plus = Float32Array.from(a.w_plus);
    if (to > from) w_plus.set(b.w_plus.subarray(from * length, to * length), from * length);
    const codes = [a, { ...a, w_plus }, b];
    const images = [];
    for (const code of codes) images.push(await this.paint(code));
    return images;
  }

  async embed(image) {
    const { embedding } = await this.run('judge', { image: toSize(image, this.size).data.map((v) => Math.min(1, Math.max(-1, v))) });
    return Float32Array.from(embedding);
  }

  /** Cosine of a picture and a person, by the held-out judge. */
  async similarity(image, person) {
    if (!this.embeddings.has(person.key)) remember(this.embeddings, person.key, await this.embed(person.image));
    const known = this.embeddings.get(person.key);
    const found = await this.embed(image);
    return found.reduce((sum, v, i) => sum + v * known[i], 0);
  }

  /** A contour as a picture for people. */
  show(kind, contour) {
    return display(kind, contour, this.size, this.colours);
  }

  /** A label map at the generator's size. */
  fullLabels(labels) {
    return nearest(labels, this.size);
  }
}
