// Pictures: those of the galleries, and those of one's own, which stay in the page.

import { make, slider } from './dom.js';
import { fromBytes, resizeBicubic, squareCrop } from './numbers/resize.js';
import { TEXTS, fill } from './texts.js';

const LIMIT = 30; // MB
const LARGEST = 1024; // pixels of the longer side that are kept of an own picture
const LEAST = 32;

function pixels(bitmap, width = bitmap.width, height = bitmap.height) {
  const canvas = new OffscreenCanvas(width, height);
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  pen.drawImage(bitmap, 0, 0, width, height);
  return pen.getImageData(0, 0, width, height);
}

/** Bytes [H, W, 4] of a picture at an address: {data, width, height}. */
async function fetched(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  return pixels(await createImageBitmap(await answer.blob(), { colorSpaceConversion: 'none' }));
}

const known = new Map();

/** A picture of a gallery, with its label map where it has one: {key, image, labels}. Fetched once, then kept. */
export function galleryPicture(entry) {
  if (!known.has(entry.file)) {
    const made = decoded(entry);
    made.catch(() => known.delete(entry.file)); // so that a later request tries again
    known.set(entry.file, made);
  }
  return known.get(entry.file);
}

async function decoded(entry) {
  const found = await fetched(`data/${entry.file}`);
  const source = { key: entry.file, image: fromBytes(found.data, found.width, found.height), labels: null };
  if (entry.labels) {
    const map = await fetched(`data/${entry.labels}`);
    source.labels = { data: map.data.filter((_, i) => i % 4 === 0), h: map.height, w: map.width };
  }
  return source;
}

/** An own file as pixels. Throws an Error whose message says what is wrong with it. */
async function ownPixels(file) {
  if (file.size === 0) throw new Error(fill(TEXTS.fileEmpty, { name: file.name }));
  if (file.size > LIMIT * 1e6) throw new Error(fill(TEXTS.fileLarge, { name: file.name, limit: LIMIT }));
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(fill(TEXTS.fileBroken, { name: file.name }));
  }
  const { width, height } = bitmap;
  if (Math.min(width, height) < LEAST) throw new Error(fill(TEXTS.fileSmall, { name: file.name, width, height, least: LEAST }));
  const share = Math.min(1, LARGEST / Math.max(width, height));
  return pixels(bitmap, Math.round(width * share), Math.round(height * share));
}

/** The square of an own picture, brought to the generator's size as `resize(..., "bicubic")` does. */
function cut(whole, size, { zoom, right, down }) {
  const { left, top, side } = squareCrop(whole.width, whole.height, zoom, right, down);
  const bytes = new Uint8ClampedArray(4 * side * side);
  for (let y = 0; y < side; y += 1) {
    const begin = 4 * ((top + y) * whole.width + left);
    bytes.set(whole.data.subarray(begin, begin + 4 * side), 4 * y * side);
  }
  return resizeBicubic(fromBytes(bytes, side, side), size);
}

/**
 * A place for a picture of one's own: a button, a drop zone, and sliders that move the square.
 * size: of the generator. accept: called with {key, image, labels: null} when there is a picture, and when it moves.
 */
export function ownPicture(title, size, accept) {
  const message = make('p', { class: 'hint', role: 'status' }, TEXTS.ownHint);
  const square = { zoom: 1, right: 0, down: 0 };
  let whole = null;
  let number = 0;
  const send = () => {
    number += 1;
    accept({ key: `own ${title} ${number}`, image: cut(whole, size, square), labels: null });
  };
  const move = (name, limits) =>
    slider(TEXTS[name], limits, (value) => {
      square[name] = value;
      if (whole) send();
    });
  const controls = [
    move('zoom', { min: 1, max: 4, step: 0.05, value: 1 }),
    move('right', { min: -1, max: 1, step: 0.05, value: 0 }),
    move('down', { min: -1, max: 1, step: 0.05, value: 0 }),
  ];
  const moving = make('div', { hidden: true }, controls.map((control) => control.element));
  const take = async (file) => {
    try {
      whole = await ownPixels(file);
      moving.hidden = false;
      message.className = 'hint';
      message.textContent = fill(TEXTS.fileTaken, { name: file.name });
      send();
    } catch (error) {
      message.className = 'hint wrong';
      message.textContent = error.message;
    }
  };
  const input = make('input', { type: 'file', accept: 'image/*', 'aria-label': title });
  input.addEventListener('change', () => {
    if (input.files.length) take(input.files[0]);
    input.value = '';
  });
  const element = make('div', { class: 'own' }, make('label', { class: 'button' }, title, input), message, moving);
  element.addEventListener('dragover', (event) => {
    event.preventDefault();
    element.classList.add('over');
  });
  element.addEventListener('dragleave', () => element.classList.remove('over'));
  element.addEventListener('drop', (event) => {
    event.preventDefault();
    element.classList.remove('over');
    if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
  });
  return { element };
}
