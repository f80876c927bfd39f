// The extension's service worker. In its first turn it registers every listener (Chrome wakes the
// worker only for those) and forwards what comes to the core, in order, once that is ready. It
// decides nothing but this: when a core breaks, the next takes over.
//
// A WebAssembly instance that has panicked must not be entered again, `init` gives a module's one
// instance for ever, and workers refuse `import()`: hence one import per generation.
import { facade } from './facade.js';
import init1, * as core1 from './pkg/extension_core.js?g=1';
import init2, * as core2 from './pkg/extension_core.js?g=2';
import init3, * as core3 from './pkg/extension_core.js?g=3';
import init4, * as core4 from './pkg/extension_core.js?g=4';

const GENERATIONS = [[init1, core1], [init2, core2], [init3, core3], [init4, core4]];
// Three falls within a minute: then it is what is stored that makes the core fall.
const FALLS_MAX = 3;
const FALLS_WITHIN_MS = 60_000;
const START_AGAIN_MS = 1000;
// Events that wait while a core starts, which takes milliseconds. A start that takes longer than
// this many events counts as a fall.
const QUEUE_MAX = 10_000;
// What a person sees while nothing runs.
const RESTS = 'Interlock broke down four times and starts anew in a minute. Agents wait for it.';

let generation = 1;
let core = null; // the exports of the living generation, once it is ready
let over = false; // the last generation has fallen
let before; // why the generation before fell
let shell; // what the living generation was given
const queue = [];
const falls = [];
const sockets = new Set(); // kept by the core: every open WebSocket
const popups = new Set();
const asks = new Set(); // `reject` of every open question

function forward(name, ...args) {
  if (over) return;
  if (!core) {
    if (queue.push([name, args]) > QUEUE_MAX) failed(generation, 'too many events while starting');
    return;
  }
  const now = generation;
  try {
    core.handle(name, args);
  } catch (error) {
    failed(now, String(error));
  }
}

async function start() {
  const own = generation;
  const [init, glue] = GENERATIONS[own - 1];
  try {
    await init({ module_or_path: new URL(`pkg/extension_core_bg.wasm?g=${own}`, import.meta.url) });
    if (own !== generation || over) return;
    const startEmpty = falls.filter((at) => Date.now() - at < FALLS_WITHIN_MS).length >= FALLS_MAX;
    shell = { sockets, before, startEmpty, fallen: false, failed: (why) => failed(own, why) };
    await glue.start(shell);
  } catch (error) {
    return failed(own, String(error));
  }
  if (own !== generation || over) return;
  core = glue;
  const waiting = queue.splice(0);
  if (own > 1) for (const port of popups) forward('popup.connect', port);
  for (const [name, args] of waiting) forward(name, ...args);
}

// Late callbacks of a generation that has fallen already change nothing.
function failed(fallen, why) {
  if (fallen !== generation || over) return;
  const started = core !== null;
  core = null;
  if (shell) shell.fallen = true; // it may still be starting, and would live on beside the next
  before = `generation ${fallen} fell: ${why}`;
  falls.push(Date.now());
  for (const socket of sockets) {
    socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
    socket.close();
  }
  sockets.clear();
  for (const reject of asks) reject(new Error('Interlock was started anew; ask again'));
  asks.clear();
  if (queue.length > QUEUE_MAX) queue.length = 0;
  if (fallen === GENERATIONS.length) return giveUp();
  generation = fallen + 1;
  // Not within the call that fell; what kept it from starting may pass.
  setTimeout(start, started ? 0 : START_AGAIN_MS);
}

// Ignores everything, so that Chrome stops this worker; the alarm starts the next one.
async function giveUp() {
  over = true;
  queue.length = 0;
  // Every minute, for one alarm alone could come while this worker still lives.
  chrome.alarms.create('interlock', { periodInMinutes: 1 });
  // The next worker draws its own.
  chrome.action.setBadgeText({ text: '!' });
  chrome.action.setBadgeBackgroundColor({ color: '#d93025' });
  chrome.action.setTitle({ title: RESTS });
  popups.forEach(tellRest);
  // What wakes it would keep it alive: the next worker listens again.
  for (const [event, listener] of listening) if (event !== chrome.alarms.onAlarm) event.removeListener(listener);
  for (const { tabId, attached } of await chrome.debugger.getTargets()) {
    // Other debuggers' attachments refuse.
    if (attached && tabId) chrome.debugger.detach({ tabId }).catch(() => {});
  }
}

function tellRest(popup) {
  popup.postMessage({ error: RESTS });
}

// A trap that no hook has seen (memory, stack): the generation stands in the trap's stack.
function trapped(event, error) {
  const stack = String(error?.stack);
  if (!(error instanceof WebAssembly.RuntimeError) && !stack.includes('extension_core')) return;
  event.preventDefault();
  failed(Number(/\?g=(\d)/.exec(stack)?.[1] ?? generation), String(error));
}
self.addEventListener('error', (event) => trapped(event, event.error));
self.addEventListener('unhandledrejection', (event) => trapped(event, event.reason));

const EVENTS = {
  alarms: ['onAlarm'],
  debugger: ['onEvent', 'onDetach'],
  runtime: ['onInstalled', 'onStartup'],
  tabs: ['onCreated', 'onUpdated', 'onRemoved', 'onReplaced', 'onMoved', 'onAttached', 'onActivated'],
  webNavigation: ['onCreatedNavigationTarget', 'onCommitted'],
  windows: ['onFocusChanged'],
};
// The person may work in a window of any type.
const FILTERS = { windows: [{ windowTypes: ['normal', 'popup', 'app', 'devtools'] }] };
const listening = [];
for (const [api, names] of Object.entries(EVENTS)) {
  for (const name of names) {
    const listener = (...args) => forward(`${api}.${name}`, ...args);
    chrome[api][name].addListener(listener, ...(FILTERS[api] ?? []));
    listening.push([chrome[api][name], listener]);
  }
}
chrome.runtime.onConnect.addListener((port) => {
  if (port.name !== 'popup') return port.disconnect();
  popups.add(port);
  port.onMessage.addListener((message) => over ? tellRest(port) : forward('popup.message', port, message));
  port.onDisconnect.addListener(() => popups.delete(port) && forward('popup.disconnect', port));
  if (over) return tellRest(port);
  forward('popup.connect', port);
});

// A question of the façade, answered by the core once.
const ask = (action, rest) => new Promise((resolve, reject) => {
  if (over) return reject(new Error(`Interlock starts anew in a minute; ${before}`));
  asks.add(reject);
  const settle = (how) => (value) => (asks.delete(reject), how(value));
  forward('person', { action, ...rest }, settle(resolve), settle(reject));
});
self.MultiInstanceManager = facade(ask, (name) => core?.property(name));

start();
