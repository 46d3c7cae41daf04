// Small helpers to make the page: elements, controls with their names, pictures on canvases.

import { toBytes } from './numbers/resize.js';

let count = 0;

/** An element with attributes (or handlers, as onclick) and children. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat());
  return element;
}

/** A slider with its name and its value beside it: {element, input, value, set}. changed: called when it moves. */
export function slider(title, { min, max, step, value }, changed) {
  count += 1;
  const input = make('input', { type: 'range', id: `control-${count}`, min, max, step });
  input.value = value;
  const output = make('output', { for: input.id });
  const digits = step < 1 ? 2 : 0;
  const show = () => {
    output.textContent = Number(input.value).toFixed(digits);
  };
  input.addEventListener('input', () => {
    show();
    changed(Number(input.value));
  });
  show();
  const set = (number) => {
    input.value = number;
    show();
  };
  return { element: make('div', { class: 'slider' }, make('label', { for: input.id }, title), input, output), input, set };
}

/** A list to choose from: {element, input, set}. options: [value, title]. */
export function choice(title, options, value, changed) {
  count += 1;
  const input = make('select', { id: `control-${count}`, onchange: () => changed(input.value) });
  const fill = (list, chosen) => {
    input.replaceChildren(...list.map(([key, text]) => make('option', { value: key }, text)));
    input.value = chosen;
  };
  fill(options, value);
  return { element: make('div', { class: 'choice' }, make('label', { for: input.id }, title), input), input, fill };
}

/** Radio buttons in a group: {element, set}. options: [value, content]. */
export function radios(title, options, value, changed, className = '') {
  count += 1;
  const name = `group-${count}`;
  const group = make('fieldset', { class: className }, make('legend', {}, title));
  const add = (key, content) => {
    const input = make('input', { type: 'radio', name, value: key, onchange: () => changed(key) });
    group.append(make('label', {}, input, content));
  };
  for (const [key, content] of options) add(key, content);
  const set = (key) => {
    for (const input of group.querySelectorAll('input')) input.checked = input.value === String(key);
  };
  set(value);
  return { element: group, set, add };
}

/** Show a picture on a canvas, of the picture's own size. */
export function showPicture(canvas, picture) {
  canvas.width = picture.w;
  canvas.height = picture.h;
  canvas.getContext('2d').putImageData(new ImageData(toBytes(picture), picture.w, picture.h), 0, 0);
}

/** A canvas with a caption below: {element, canvas, caption}. */
export function figure(title, className = '') {
  const canvas = make('canvas', { role: 'img', 'aria-label': title, width: 1, height: 1 });
  const caption = make('figcaption', {}, title);
  return { element: make('figure', { class: className }, canvas, caption), canvas, caption };
}
