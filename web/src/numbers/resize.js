// Every way of bringing a picture to another size, with the numbers of idnb/core/resize.py.
//
// A picture is {data: Float32Array, c, h, w}, channel by channel, row by row, as a tensor [C, H, W] lies in memory.

/** A picture of zeros. */
export function blank(c, h, w) {
  return { data: new Float32Array(c * h * w), c, h, w };
}

/** The same picture with every number changed by a function. */
export function map(picture, change) {
  return { ...picture, data: picture.data.map(change) };
}

const clamp = (low, high) => (v) => Math.min(high, Math.max(low, v));

/** Keys' cubic with a = -0.5, as in Pillow and in torch with antialias. */
function cubic(x) {
  x = Math.abs(x);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  if (x < 2) return ((-0.5 * x + 2.5) * x - 4) * x + 2;
  return 0;
}

/** For each new place: where its window begins, and the weight of each old place in it. */
function windows(before, after) {
  const scale = before / after;
  const stretch = Math.max(scale, 1);
  const support = 2 * stretch;
  return Array.from({ length: after }, (_, i) => {
    const center = scale * (i + 0.5);
    const start = Math.max(Math.trunc(center - support + 0.5), 0);
    const end = Math.min(Math.trunc(center + support + 0.5), before);
    const weights = [];
    for (let j = start; j < end; j += 1) weights.push(cubic((j - center + 0.5) / stretch));
    const total = weights.reduce((a, b) => a + b, 0);
    return { start, weights: weights.map((weight) => weight / total) };
  });
}

/** Weighted sums along rows and then along columns. */
function separable(picture, height, width, rows, columns) {
  const { c, h, w } = picture;
  const wide = new Float32Array(c * h * width);
  for (let line = 0; line < c * h; line += 1) {
    columns.forEach(({ start, weights }, x) => {
      let sum = 0;
      for (let j = 0; j < weights.length; j += 1) sum += weights[j] * picture.data[line * w + start + j];
      wide[line * width + x] = sum;
    });
  }
  const result = blank(c, height, width);
  for (let k = 0; k < c; k += 1) {
    rows.forEach(({ start, weights }, y) => {
      for (let x = 0; x < width; x += 1) {
        let sum = 0;
        for (let j = 0; j < weights.length; j += 1) sum += weights[j] * wide[(k * h + start + j) * width + x];
        result.data[(k * height + y) * width + x] = sum;
      }
    });
  }
  return result;
}

/** Bicubic with antialiasing, not clamped. */
export function bicubic(picture, height, width) {
  if (picture.h === height && picture.w === width) return { ...picture, data: picture.data.slice() };
  return separable(picture, height, width, windows(picture.h, height), windows(picture.w, width));
}

/** resize(..., "bicubic"): with antialiasing, clamped to [-1, 1]. */
export function resizeBicubic(picture, size) {
  if (picture.h === size && picture.w === size) return { ...picture, data: picture.data.slice() };
  return map(bicubic(picture, size, size), clamp(-1, 1));
}

/** Bilinear without antialiasing, as torch's interpolate with align_corners=False. */
export function bilinear(picture, height, width) {
  const between = (before, after) =>
    Array.from({ length: after }, (_, i) => {
      const place = Math.max((before / after) * (i + 0.5) - 0.5, 0);
      const start = Math.min(Math.trunc(place), before - 1);
      const share = place - start;
      return start + 1 < before ? { start, weights: [1 - share, share] } : { start, weights: [1] };
    });
  return separable(picture, height, width, between(picture.h, height), between(picture.w, width));
}

/** resize(..., "area"): larger square pictures are averaged down, smaller ones enlarged. */
export function toSize(picture, size) {
  if (picture.h < size) return bilinear(picture, size, size);
  if (picture.h === size) return picture;
  const mean = (before) =>
    Array.from({ length: size }, (_, i) => {
      const start = Math.floor((i * before) / size);
      const count = Math.ceil(((i + 1) * before) / size) - start;
      return { start, weights: new Array(count).fill(1 / count) };
    });
  return separable(picture, size, size, mean(picture.h), mean(picture.w));
}

/** Class numbers under the middle of each new pixel: {data: Uint8Array, h, w}. */
export function nearest(labels, size) {
  if (labels.h === size && labels.w === size) return labels;
  const data = new Uint8Array(size * size);
  for (let y = 0; y < size; y += 1) {
    const row = Math.floor(((2 * y + 1) * labels.h) / (2 * size));
    for (let x = 0; x < size; x += 1) {
      data[y * size + x] = labels.data[row * labels.w + Math.floor(((2 * x + 1) * labels.w) / (2 * size))];
    }
  }
  return { data, h: size, w: size };
}

/** `gaussian_blur`: edges repeated, the kernel reaches to three sigma. */
export function gaussianBlur(picture, sigma) {
  if (sigma <= 0) return picture;
  const radius = Math.max(1, Math.ceil(3 * sigma));
  let kernel = [];
  for (let i = -radius; i <= radius; i += 1) kernel.push(Math.exp(-0.5 * (i / sigma) ** 2));
  const total = kernel.reduce((a, b) => a + b, 0);
  kernel = Float32Array.from(kernel, (v) => v / total);
  const { c, h, w } = picture;
  const pass = (source, horizontal) => {
    const out = new Float32Array(source.length);
    for (let k = 0; k < c; k += 1) {
      for (let y = 0; y < h; y += 1) {
        for (let x = 0; x < w; x += 1) {
          let sum = 0;
          for (let j = -radius; j <= radius; j += 1) {
            const yy = horizontal ? y : Math.min(h - 1, Math.max(0, y + j));
            const xx = horizontal ? Math.min(w - 1, Math.max(0, x + j)) : x;
            sum += kernel[j + radius] * source[(k * h + yy) * w + xx];
          }
          out[(k * h + y) * w + x] = sum;
        }
      }
    }
    return out;
  };
  return { ...picture, data: pass(pass(picture.data, true), false) };
}

/** The largest (or smallest) number in a square window around each pixel; what lies outside does not count. */
export function extreme(picture, reach, largest = true) {
  const { c, h, w } = picture;
  const half = (reach - 1) / 2;
  const pick = largest ? Math.max : Math.min;
  const pass = (source, horizontal) => {
    const out = new Float32Array(source.length);
    for (let k = 0; k < c; k += 1) {
      for (let y = 0; y < h; y += 1) {
        for (let x = 0; x < w; x += 1) {
          let best = largest ? -Infinity : Infinity;
          const middle = horizontal ? x : y;
          const last = horizontal ? w - 1 : h - 1;
          for (let j = Math.max(0, middle - half); j <= Math.min(last, middle + half); j += 1) {
            best = pick(best, source[horizontal ? (k * h + y) * w + j : (k * h + j) * w + x]);
          }
          out[(k * h + y) * w + x] = best;
        }
      }
    }
    return out;
  };
  return { ...picture, data: pass(pass(picture.data, true), false) };
}

/** The largest square in the middle of a picture, moved and narrowed as asked: {left, top, side} in whole pixels. */
export function squareCrop(width, height, zoom = 1, right = 0, down = 0) {
  const side = Math.max(1, Math.floor(Math.min(width, height) / zoom));
  const place = (room, shift) => Math.floor((room * (1 + shift)) / 2);
  return { left: place(width - side, right), top: place(height - side, down), side };
}

/** Bytes [H, W, 4] of a canvas to a picture in [-1, 1]; what is transparent is laid on white. */
export function fromBytes(bytes, width, height) {
  const picture = blank(3, height, width);
  for (let i = 0; i < width * height; i += 1) {
    const share = bytes[4 * i + 3] / 255;
    for (let k = 0; k < 3; k += 1) {
      const value = share === 1 ? bytes[4 * i + k] : Math.round(share * bytes[4 * i + k] + 255 * (1 - share));
      picture.data[k * width * height + i] = Math.fround(value / 127.5) - 1;
    }
  }
  return picture;
}

/** A picture around [-1, 1] as bytes [H, W, 4] for a canvas; one channel is grey. */
export function toBytes(picture) {
  const { c, h, w, data } = picture;
  const bytes = new Uint8ClampedArray(4 * h * w);
  for (let i = 0; i < h * w; i += 1) {
    for (let k = 0; k < 3; k += 1) {
      bytes[4 * i + k] = (Math.min(1, Math.max(-1, data[(c === 1 ? 0 : k) * h * w + i])) + 1) * 127.5;
    }
    bytes[4 * i + 3] = 255;
  }
  return bytes;
}
