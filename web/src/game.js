// "Which of four?": a face is made from one person's identity and somebody else's contour; who was it?

import { compute } from './compute.js';
import { figure, make, showPicture } from './dom.js';
import { galleryPicture } from './files.js';
import { TEXTS, fill } from './texts.js';

const CHOICES = 4;

/** So many different numbers below a bound. */
function draw(count, bound) {
  const numbers = Array.from({ length: bound }, (_, i) => i);
  for (let i = 0; i < count; i += 1) {
    const j = i + Math.floor(Math.random() * (bound - i));
    [numbers[i], numbers[j]] = [numbers[j], numbers[i]];
  }
  return numbers.slice(0, count);
}

/** Returns {element, request}. */
export function gamePart({ networks, page, status }) {
  const shown = figure(TEXTS.result, 'result');
  const score = { right: 0, all: 0 };
  const scored = make('p', { class: 'value', role: 'status' }, fill(TEXTS.gameScore, score));
  const verdict = make('p', { role: 'status' });
  const choices = make('div', { class: 'choices', role: 'group', 'aria-label': TEXTS.gameQuestion });
  let begun = false;

  async function next() {
    try {
      const people = draw(CHOICES, page.people.length);
      const answer = Math.floor(Math.random() * CHOICES);
      const others = page.contours.map((_, i) => i).filter((i) => !people.some((k) => page.people[k].person === page.contours[i].person));
      const [source, a] = await Promise.all([
        galleryPicture(page.contours[others[Math.floor(Math.random() * others.length)]]),
        galleryPicture(page.people[people[answer]]),
      ]);
      const kinds = Object.keys(page.kinds);
      const kind = kinds[Math.floor(Math.random() * kinds.length)];
      const { steps, low_res_size: side } = networks.encoders[kind];
      const state = { kind, source, side, strokes: [], a, b: a, mix: 0, strength: 1, steps };
      const found = await compute('face', { state, walks: {}, look: steps });
      showPicture(shown.canvas, found.shown);
      shown.caption.textContent = TEXTS.gameQuestion;
      verdict.textContent = '';
      again.hidden = true;
      status(found.milliseconds);
      const judged = await compute('similarity', { image: found.shown, person: a });
      const similarity = judged.similarity.toFixed(2);
      const buttons = people.map((k, i) => {
        const number = i + 1;
        const picture = make('img', { src: `data/${page.people[k].file}`, alt: '', width: 96, height: 96 });
        const title = fill(TEXTS.gameChoice, { number });
        return make('button', { type: 'button', class: 'pick', onclick: () => choose(i), 'data-right': i === answer ? 'yes' : 'no' }, picture, title);
      });
      choices.replaceChildren(...buttons);
      const choose = (i) => {
        for (const button of buttons) button.disabled = true;
        buttons[answer].classList.add('right');
        if (i !== answer) buttons[i].classList.add('wrong');
        score.all += 1;
        score.right += i === answer ? 1 : 0;
        verdict.textContent = fill(i === answer ? TEXTS.gameRight : TEXTS.gameWrong, { number: answer + 1, similarity });
        scored.textContent = fill(TEXTS.gameScore, score);
        again.hidden = false;
        again.focus();
      };
    } catch (error) {
      status(0, error);
    }
  }
  const again = make('button', { type: 'button', hidden: true, onclick: next }, TEXTS.gameNext);
  const element = make('div', { class: 'game' }, shown.element, choices, make('p', { class: 'buttons' }, verdict, again), scored);
  return {
    element,
    request() {
      if (!begun) next();
      begun = true;
    },
  };
}
