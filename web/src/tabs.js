// The parts of the page, one shown at a time, as the pattern for tabs wants it: arrow keys move between them.

import { make } from './dom.js';

/** parts: [name, title, panel]. chosen: called with the name of the part that is shown. Returns {element, show}. */
export function tabs(parts, chosen) {
  const list = make('div', { role: 'tablist', class: 'tabs' });
  const buttons = parts.map(([name, title, panel]) => {
    panel.id = `panel-${name}`;
    panel.setAttribute('role', 'tabpanel');
    panel.setAttribute('aria-labelledby', `tab-${name}`);
    const button = make('button', { type: 'button', role: 'tab', id: `tab-${name}`, 'aria-controls': panel.id }, title);
    button.addEventListener('click', () => show(name, true));
    list.append(button);
    return button;
  });
  list.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = (buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length;
    show(parts[next][0], true);
    buttons[next].focus();
  });
  function show(name, tell) {
    parts.forEach(([other, , panel], i) => {
      panel.hidden = other !== name;
      buttons[i].setAttribute('aria-selected', String(other === name));
      buttons[i].tabIndex = other === name ? 0 : -1;
    });
    if (tell) chosen(name);
  }
  return { element: list, show };
}
