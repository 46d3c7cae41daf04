// The page: what it loads, its parts, and what they share.

import { compute } from './compute.js';
import { faceDefaults, faceLimits, facePart } from './face.js';
import { make } from './dom.js';
import { galleryPicture } from './files.js';
import { gamePart } from './game.js';
import { fromLink, toLink } from './link.js';
import { samplesDefaults, samplesLimits, samplesPart } from './samples.js';
import { tabs } from './tabs.js';
import { TEXTS, fill } from './texts.js';

const began = performance.now();
const json = async (name) => (await fetch(`data/${name}`)).json();
const line = make('p', { id: 'status', role: 'status' }, TEXTS.loading);
const main = make('main', {});
document.documentElement.lang = TEXTS.language;
document.title = TEXTS.title;
document.body.append(
  make('header', {}, make('h1', {}, TEXTS.title), make('p', {}, TEXTS.lead), make('p', { class: 'private' }, TEXTS.private)),
  main,
  make('footer', {}, line, make('p', {}, TEXTS.invented), make('p', {}, TEXTS.about)),
);

async function begin() {
  const [networks, page] = await Promise.all([json('networks.json'), json('page.json')]);
  const names = ['face', 'samples', 'game'];
  const defaults = { tab: 'face', ...faceDefaults(networks, page), ...samplesDefaults(networks) };
  const limits = { tab: names, ...faceLimits(page), ...samplesLimits(networks) };
  const state = fromLink(window.location.hash, defaults, limits);
  const { threads } = await compute('begin', { base: document.baseURI, networks, page });
  let first = true;

  const status = (milliseconds, error) => {
    line.classList.toggle('wrong', Boolean(error));
    line.textContent = error
      ? fill(TEXTS.failed, { why: error.message })
      : fill(TEXTS.status, { milliseconds: Math.round(milliseconds), threads });
    document.body.dataset.milliseconds = String(Math.round(milliseconds));
    if (!first || error) return;
    first = false;
    document.body.dataset.firstPicture = String(Math.round(performance.now() - began));
    // From here on the page needs no network: all that it may want comes now.
    const rest = Object.keys(networks.networks);
    const pictures = [...page.people, ...page.contours].map(galleryPicture);
    Promise.all([compute('load', { names: rest }), ...pictures]).then(() => {
      document.body.dataset.complete = 'yes';
    }, () => {});
  };
  const changed = () => {
    const text = toLink(state, defaults);
    window.history.replaceState(null, '', text ? `#${text}` : window.location.pathname + window.location.search);
  };
  const shared = { networks, page, state, changed, status };
  const parts = { face: facePart(shared), samples: samplesPart(shared), game: gamePart(shared) };
  const bar = tabs(
    names.map((name) => [name, TEXTS.tabs[name], parts[name].element]),
    (name) => {
      state.tab = name;
      changed();
      parts[name].request();
    },
  );
  main.append(bar.element, ...names.map((name) => parts[name].element));
  bar.show(state.tab, false);
  parts[state.tab].request();
  window.addEventListener('hashchange', () => window.location.reload());
}

begin().catch((error) => {
  line.classList.add('wrong');
  line.textContent = fill(TEXTS.failed, { why: error.message });
});
