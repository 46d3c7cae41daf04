// A sheet to draw on with mouse, pen, finger or keyboard. The strokes go to `changed`; the worker draws them again.

import { choice, make, showPicture, slider } from './dom.js';
import { display } from './numbers/contours.js';
import { withStrokes } from './numbers/strokes.js';
import { TEXTS, fill } from './texts.js';

/** size: of the generator. labels: of page.json. changed: called with all strokes after each change. */
export function drawingPad(size, labels, changed) {
  const colours = labels.map((label) => label.colour);
  const canvas = make('canvas', { class: 'pad', tabindex: 0, role: 'application', 'aria-label': TEXTS.sheet, width: size, height: size });
  const cross = make('div', { class: 'cross', hidden: true });
  const counter = make('span', { role: 'status' });
  const tools = {
    sketch: [['0', TEXTS.ink], ['255', TEXTS.eraser]],
    label_map: labels.map((label, i) => [String(i), TEXTS.parts[label.name] || label.title]),
  };
  let kind = null;
  let contour = null;
  let strokes = [];
  let stroke = null;
  const tool = choice(TEXTS.tool, tools.sketch, '0', () => {});
  const width = slider(TEXTS.width, { min: 0.5, max: 12, step: 0.5, value: 1.5 }, () => {});

  const paint = () => {
    if (contour) showPicture(canvas, display(kind, withStrokes(kind, contour, strokes), size, colours));
    counter.textContent = fill(TEXTS.strokes, { count: strokes.length });
  };
  const tell = () => {
    paint();
    changed(strokes.map((one) => ({ ...one, p: [...one.p] })));
  };
  const begin = (x, y) => {
    stroke = { v: Number(tool.input.value), r: Number(width.input.value), p: [x, y] };
    strokes = [...strokes, stroke];
    tell();
  };
  const go = (x, y) => {
    const n = stroke.p.length;
    if (Math.abs(x - stroke.p[n - 2]) + Math.abs(y - stroke.p[n - 1]) < 0.7) return;
    stroke.p.push(x, y);
    tell();
  };
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    const side = contour.w;
    const quarter = (v) => Math.round(4 * v) / 4;
    return [quarter(((event.clientX - box.left) * side) / box.width), quarter(((event.clientY - box.top) * side) / box.height)];
  };
  canvas.addEventListener('pointerdown', (event) => {
    if (!contour || event.button > 0) return;
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({ preventScroll: true });
    begin(...at(event));
  });
  canvas.addEventListener('pointermove', (event) => {
    if (stroke && canvas.hasPointerCapture(event.pointerId)) go(...at(event));
  });
  const lift = () => {
    stroke = null;
  };
  canvas.addEventListener('pointerup', lift);
  canvas.addEventListener('pointercancel', lift);

  const pen = { x: 0.5, y: 0.5 };
  const showCross = () => {
    cross.hidden = document.activeElement !== canvas;
    cross.style.left = `${100 * pen.x}%`;
    cross.style.top = `${100 * pen.y}%`;
    cross.classList.toggle('down', stroke !== null);
  };
  canvas.addEventListener('keydown', (event) => {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const place = () => [pen.x * contour.w, pen.y * contour.h];
    if (moves[event.key] && contour) {
      const far = event.shiftKey ? 8 : 2;
      pen.x = Math.min(1, Math.max(0, pen.x + (far * moves[event.key][0]) / contour.w));
      pen.y = Math.min(1, Math.max(0, pen.y + (far * moves[event.key][1]) / contour.h));
      if (stroke) go(...place());
    } else if (event.key === ' ' && contour) {
      if (stroke) lift();
      else begin(...place());
    } else return;
    event.preventDefault();
    showCross();
  });
  canvas.addEventListener('focus', () => showCross());
  canvas.addEventListener('blur', () => {
    lift();
    showCross();
  });

  const undo = make('button', { type: 'button', onclick: () => { strokes = strokes.slice(0, -1); tell(); } }, TEXTS.undo);
  const clear = make('button', { type: 'button', onclick: () => { strokes = []; tell(); } }, TEXTS.clear);
  const element = make(
    'section', { class: 'drawing', 'aria-label': TEXTS.draw },
    make('h3', {}, TEXTS.draw),
    make('div', { class: 'sheet' }, canvas, cross),
    tool.element, width.element,
    make('p', { class: 'buttons' }, undo, clear, counter),
  );
  return {
    element,
    canvas,
    /** Put another contour on the sheet; strokes: those it begins with. */
    begin(newKind, newContour, given) {
      if (newKind !== kind) {
        tool.fill(tools[newKind], newKind === 'sketch' ? '0' : String(labels.findIndex((label) => label.name === 'hair')));
        width.set(newKind === 'sketch' ? 1.5 : 4);
      }
      [kind, contour, strokes, stroke] = [newKind, newContour, given, null];
      paint();
    },
  };
}
