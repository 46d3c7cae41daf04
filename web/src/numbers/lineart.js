// Clean line art from a face, with the numbers of idnb/contours/line_art.py, where it is explained.

import { bicubic, bilinear, blank, extreme, gaussianBlur, map } from './resize.js';

const LINE_SIGMA = 0.0042;
const THRESHOLD = 0.03;
const OUTLINE_WIDTH = 0.0075;
const N_DIRECTIONS = 12;
const LARGEST = 512;

const SURFACES = [
  ['background'],
  ['hair'],
  ['hat'],
  ['cloth'],
  ['neck', 'neck_l'],
  ['l_ear', 'ear_r'],
  ['r_ear'],
  ['skin', 'nose', 'eye_g', 'l_eye', 'r_eye', 'l_brow', 'r_brow', 'mouth', 'u_lip', 'l_lip'],
];
const MOUTH = [[], ['mouth'], ['u_lip'], ['l_lip']];

const unit = (v) => Math.min(1, Math.max(0, v));

/** Python's round: halves go to the even number. */
function round(x) {
  const low = Math.floor(x);
  if (x - low !== 0.5) return Math.round(x);
  return low % 2 === 0 ? low : low + 1;
}

function toPaper(ink, h, w) {
  return map(bicubic(ink, h, w), (v) => 1 - unit(v));
}

/** Kernels that answer above 0 to a dark line of their direction; each sums to 0. */
function lineDetectors(sigma) {
  const long = 3 * sigma;
  const radius = Math.ceil(2.5 * long);
  const side = 2 * radius + 1;
  const kernels = [];
  for (let k = 0; k < N_DIRECTIONS; k += 1) {
    const angle = (Math.PI * k) / N_DIRECTIONS;
    const inner = new Float64Array(side * side);
    const outer = new Float64Array(side * side);
    let sumInner = 0;
    let sumOuter = 0;
    for (let i = 0; i < side * side; i += 1) {
      const y = Math.floor(i / side) - radius;
      const x = (i % side) - radius;
      const along = x * Math.cos(angle) + y * Math.sin(angle);
      const across = y * Math.cos(angle) - x * Math.sin(angle);
      const length = Math.exp(-0.5 * (along / long) ** 2);
      inner[i] = length * Math.exp(-0.5 * (across / sigma) ** 2);
      outer[i] = length * Math.exp(-0.5 * (across / (1.6 * sigma)) ** 2);
      sumInner += inner[i];
      sumOuter += outer[i];
    }
    kernels.push(Float32Array.from(inner, (v, i) => outer[i] / sumOuter - v / sumInner));
  }
  return { kernels, radius };
}

/** The strongest answer of all detectors at each pixel, edges repeated. */
function strongest(light, detectors) {
  const { h, w } = light;
  const { kernels, radius: r } = detectors;
  const side = 2 * r + 1;
  const wide = w + 2 * r;
  const padded = new Float32Array((h + 2 * r) * wide);
  for (let y = 0; y < h + 2 * r; y += 1) {
    const row = Math.min(h - 1, Math.max(0, y - r)) * w;
    for (let x = 0; x < wide; x += 1) padded[y * wide + x] = light.data[row + Math.min(w - 1, Math.max(0, x - r))];
  }
  const best = new Float32Array(h * w);
  // Every kernel is the same upside down: two pixels opposite each other share a weight, and a sum for all kernels.
  // Twelve sums in twelve variables, since an array of sums takes eight times as long.
  const pairs = (side * side + 1) / 2;
  const weights = new Float64Array(12 * pairs);
  const places = new Int32Array(2 * pairs);
  for (let i = 0; i < pairs; i += 1) {
    const [y, x] = [Math.floor(i / side), i % side];
    places.set([y * wide + x, (2 * r - y) * wide + 2 * r - x], 2 * i);
    kernels.forEach((kernel, k) => {
      weights[12 * i + k] = i === pairs - 1 ? kernel[i] / 2 : kernel[i]; // the middle is its own opposite
    });
  }
  for (let y = 0; y < h; y += 1) {
    for (let x = 0; x < w; x += 1) {
      const at = y * wide + x;
      let [a, b, c, d, e, f, g, i, j, k, l, m] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
      for (let p = 0, q = 0; p < 2 * pairs; p += 2, q += 12) {
        const both = padded[at + places[p]] + padded[at + places[p + 1]];
        a += weights[q] * both;
        b += weights[q + 1] * both;
        c += weights[q + 2] * both;
        d += weights[q + 3] * both;
        e += weights[q + 4] * both;
        f += weights[q + 5] * both;
        g += weights[q + 6] * both;
        i += weights[q + 7] * both;
        j += weights[q + 8] * both;
        k += weights[q + 9] * both;
        l += weights[q + 10] * both;
        m += weights[q + 11] * both;
      }
      best[y * w + x] = Math.max(a, b, c, d, e, f, g, i, j, k, l, m);
    }
  }
  return { data: best, c: 1, h, w };
}

/** Ink at working size, in [0, 1]. */
function inkFromImage(image) {
  const { h, w } = image;
  const scale = Math.min(2, LARGEST / Math.max(h, w));
  const rgb = map(bicubic(image, round(h * scale), round(w * scale)), (v) => unit(0.5 * v + 0.5));
  const light = blank(1, rgb.h, rgb.w);
  const n = rgb.h * rgb.w;
  for (let i = 0; i < n; i += 1) {
    const [r, g, b] = [rgb.data[i] ** 2.2, rgb.data[n + i] ** 2.2, rgb.data[2 * n + i] ** 2.2];
    light.data[i] = Math.log(0.3 * r + 0.55 * g + 0.15 * b + 0.02);
  }
  const answers = strongest(light, lineDetectors(Math.max(LINE_SIGMA * Math.max(h, w), 0.4) * scale));
  return map(answers, (v) => unit(v / THRESHOLD - 1));
}

/** Where any of the named parts is, in [0, 1], at another size. */
function mask(labels, names, parts, h, w) {
  const member = names.map((name) => (parts.includes(name) ? 1 : 0));
  const plane = { data: Float32Array.from(labels.data, (k) => member[k]), c: 1, h: labels.h, w: labels.w };
  return bilinear(plane, h, w);
}

/** 1 on the lines where two groups of classes meet, else 0. */
function borders(labels, names, groups, h, w, smoothing) {
  const table = names.map((name) => Math.max(0, groups.findIndex((group) => group.includes(name))));
  const sigma = smoothing * Math.max(labels.h, labels.w);
  const winner = blank(1, h, w);
  const best = new Float32Array(h * w);
  groups.forEach((_, number) => {
    const member = Float32Array.from(labels.data, (k) => (table[k] === number ? 1 : 0));
    const plane = bilinear(gaussianBlur({ data: member, c: 1, h: labels.h, w: labels.w }, sigma), h, w);
    for (let i = 0; i < h * w; i += 1) {
      if (plane.data[i] > best[i]) {
        winner.data[i] = number;
        best[i] = plane.data[i];
      }
    }
  });
  const reach = 2 * Math.max(1, round(0.5 * OUTLINE_WIDTH * Math.max(h, w))) + 1;
  const highest = extreme(winner, reach);
  const lowest = extreme(winner, reach, false);
  return map(highest, (v, i) => (v > lowest.data[i] ? 1 : 0));
}

/** Line art from a picture alone: one channel in [0, 1], 1 is paper. image: 3 channels in [-1, 1]. */
export function drawFromImage(image) {
  return toPaper(inkFromImage(image), image.h, image.w);
}

/** Line art from a picture and its label map. names: of the classes, by number. */
export function drawFromLabels(image, labels, names) {
  const ink = inkFromImage(image);
  const { h, w } = ink;
  const side = Math.max(h, w);
  const surfaces = borders(labels, names, SURFACES, h, w, 0.016);
  const mouth = borders(labels, names, MOUTH, h, w, 0.0045);
  const outlines = map(surfaces, (v, i) => Math.max(v, mouth.data[i]));
  const beside = gaussianBlur(extreme(outlines, 2 * round(0.012 * side) + 1), 0.004 * side);
  const empty = mask(labels, names, ['background', 'cloth', 'hat'], h, w);
  const hair = mask(labels, names, ['hair'], h, w);
  const brows = gaussianBlur(mask(labels, names, ['l_brow', 'r_brow'], h, w), 0.004 * side);
  const drawn = map(ink, (v, i) => {
    const strength = unit(1 - empty.data[i] - 0.2 * hair.data[i]);
    const brow = 0.9 * unit(3 * (brows.data[i] - 0.35));
    return Math.max(outlines.data[i], brow, v * strength * (1 - beside.data[i]));
  });
  return toPaper(drawn, image.h, image.w);
}
