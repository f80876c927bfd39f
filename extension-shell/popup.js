// Draws the view that the core sends, and posts what the person asks for. It decides nothing.
// Titles, URLs and labels come from pages and programs: they become text, never markup.

const STATES = {
  connected: 'connected',
  orphaned: 'connection lost, may come back',
  ending: 'ended, may come back',
  standby: 'works in another browser',
};

const port = chrome.runtime.connect({ name: 'popup' });
const part = (id) => document.getElementById(id);
let asked = 0;
let drawn = '';
let held = false; // a button is being pressed: drawing now would take it from under the finger
let latest; // the view that waits for that

function ask(action, rest) {
  part('trouble').hidden = true;
  port.postMessage({ ask: ++asked, action: { action, ...rest } });
}

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

// `key` finds the same button again after the next drawing, so that the focus stays on it.
function button(text, name, key, act) {
  const element = make('button', 'small', text);
  element.type = 'button';
  element.setAttribute('aria-label', name);
  element.dataset.key = key;
  element.addEventListener('click', act);
  return element;
}

function show(id, text) {
  part(id).hidden = !text;
  part(id).textContent = text ?? '';
}

function ago(millis) {
  const seconds = Math.round(millis / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}

function drawTab(tab) {
  const item = make('li', tab.current ? 'tab current' : 'tab');
  const line = make('div', 'line');
  const title = make('span', 'title', tab.title || tab.url || `Tab ${tab.tabId}`);
  title.title = `${tab.title}\n${tab.url}`;
  line.append(title);
  const named = tab.title || `tab ${tab.tabId}`;
  if (tab.made) {
    line.append(button('Keep', `Keep ${named} when its agent ends`, `keep ${tab.tabId}`,
      () => ask('keep', { tabId: tab.tabId })));
  }
  line.append(button('Take back', `Take back ${named}`, `take ${tab.tabId}`,
    () => ask('takeBack', { tabId: tab.tabId })));
  item.append(line);
  const notes = [];
  if (tab.current) notes.push('current');
  if (!tab.made) notes.push('yours, lent');
  if (tab.turn) notes.push(`running ${tab.turn}`);
  if (tab.waiters.length) notes.push(`waiting: ${tab.waiters.join(', ')}`);
  if (notes.length) {
    const note = make('div', tab.turn ? 'note busy' : 'note', notes.join(' · '));
    note.title = note.textContent;
    item.append(note);
  }
  return item;
}

function drawInstance(instance, front) {
  const item = make('li', instance.unpaired ? 'instance unpaired' : 'instance');
  const line = make('div', 'line');
  line.append(make('span', `dot ${instance.state}`));
  line.append(make('span', 'alias', instance.alias));
  const label = make('span', 'title', instance.label);
  label.title = `${instance.label}\n${instance.sessionId}`;
  line.append(label);
  if (instance.port) line.append(make('span', 'port', `:${instance.port}`));
  if (front && !instance.unpaired && front.owner !== instance.alias) {
    line.append(button('Give tab', `Give the tab in front to ${instance.alias} ${instance.label}`,
      `give ${instance.sessionId}`,
      () => ask('give', { tabId: front.tabId, sessionId: instance.sessionId })));
  }
  item.append(line);
  const since = instance.state === 'connected' && instance.tabs.length === 0 ? ', no tab' : '';
  if (instance.unpaired) {
    item.append(make('div', 'warning', 'Not paired: whatever answers on this port is let in.'));
  }
  item.append(make('div', 'note', `${STATES[instance.state]}, ${ago(instance.sinceMs)}${since}`));
  const tabs = make('ul', 'tabs');
  tabs.append(...instance.tabs.map(drawTab));
  if (instance.tabs.length) item.append(tabs);
  return item;
}

function draw(view) {
  const focused = document.activeElement?.dataset.key;
  const name = part('browser');
  if (document.activeElement !== name) name.value = view.browser;
  show('advice', view.paused ? 'Paused: no agent acts in this browser.' : view.advice);
  part('advice').classList.toggle('paused', view.paused);
  part('pause').textContent = view.paused ? 'Resume' : 'Pause';
  part('pause').setAttribute('aria-label', view.paused ? 'Resume all agents' : 'Pause all agents');
  part('pause').className = view.paused ? 'strong' : '';
  part('pause').onclick = () => ask(view.paused ? 'resume' : 'pause');

  const { front, instances, free } = view;
  part('front').hidden = !front || !instances.length;
  show('front-title', front && (front.title || `Tab ${front.tabId}`));
  show('front-owner', front && (front.owner ? `works for ${front.owner}` : 'yours'));
  part('instances').replaceChildren(...instances.map((instance) => drawInstance(instance, front)));
  part('empty').hidden = instances.length > 0;
  part('free').hidden = !free.length;
  part('free-tabs').replaceChildren(...free.map(drawTab));
  if (focused) document.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

function drawLatest() {
  const text = JSON.stringify(latest);
  if (text !== drawn) draw(latest);
  drawn = text;
}

for (const [event, down] of [['pointerdown', true], ['pointerup', false], ['pointercancel', false]]) {
  document.addEventListener(event, () => {
    held = down;
    if (!down && latest) setTimeout(drawLatest); // after the click that follows
  });
}

port.onMessage.addListener((message) => {
  if (message.view) {
    latest = message.view;
    if (!held) drawLatest();
  }
  if (message.error) show('trouble', message.error);
});

part('naming').addEventListener('submit', (event) => {
  event.preventDefault();
  ask('name', { name: part('browser').value });
  part('browser').blur();
});
