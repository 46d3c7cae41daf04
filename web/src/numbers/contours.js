// The kinds of contour, with the numbers of idnb/contours/kinds.py: made from a picture, shown, and read by an encoder.
//
// low_res and sketch are pictures as in resize.js (a sketch in [0, 1], 1 is paper); a label map is {data, h, w}.

import { drawFromImage, drawFromLabels } from './lineart.js';
import { blank, map, nearest, resizeBicubic } from './resize.js';

/** Kinds that can be drawn on. */
export const DRAWABLE = ['sketch', 'label_map'];

/** The contour of a picture. names: of the classes. size: side of a low-resolution contour. */
export function makeContour(kind, image, labels, names, size) {
  if (kind === 'low_res') return resizeBicubic(image, size);
  if (kind === 'sketch') return labels ? drawFromLabels(image, labels, names) : drawFromImage(image);
  return nearest(labels, image.h);
}

/** What the encoder reads: a picture of its size. classes: how many there are. */
export function networkInput(kind, contour, size, classes) {
  if (kind === 'low_res') return resizeBicubic(contour, size);
  if (kind === 'sketch') return resizeBicubic(map(contour, (v) => 2 * v - 1), size);
  const small = nearest(contour, size);
  const input = blank(classes, size, size);
  small.data.forEach((k, i) => {
    input.data[k * size * size + i] = 1;
  });
  return input;
}

/** A picture of a contour for people, in [-1, 1]; pixels and classes stay sharp. colours: of the classes. */
export function display(kind, contour, size, colours) {
  if (kind === 'sketch') return resizeBicubic(map(contour, (v) => 2 * v - 1), size);
  const shown = blank(3, size, size);
  for (let y = 0; y < size; y += 1) {
    for (let x = 0; x < size; x += 1) {
      const row = Math.floor(((2 * y + 1) * contour.h) / (2 * size));
      const place = row * contour.w + Math.floor(((2 * x + 1) * contour.w) / (2 * size));
      for (let k = 0; k < 3; k += 1) {
        shown.data[(k * size + y) * size + x] =
          kind === 'low_res'
            ? contour.data[k * contour.h * contour.w + place]
            : colours[contour.data[place]][k] / 127.5 - 1;
      }
    }
  }
  return shown;
}
