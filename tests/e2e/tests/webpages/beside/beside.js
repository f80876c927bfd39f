// What an extension with all rights can try, and what it saw of each: told, not judged.
const ask = async (url) => {
  try {
    const answer = await fetch(url, { cache: 'no-store' });
    return `${answer.status} ${await answer.text()}`;
  } catch (why) {
    return why.name;
  }
};

// Says all of `says` and listens until it is shown out.
const dial = (url, says) => new Promise((done) => {
  const seen = [];
  const socket = new WebSocket(url, 'interlock.2');
  socket.onopen = () => says.forEach((frame) => socket.send(JSON.stringify(frame)));
  socket.onmessage = ({ data }) => seen.push(data);
  socket.onclose = ({ code, reason }) => done([...seen, `closed ${code} ${reason}`]);
});

globalThis.try_server = async (server, paths, says) => {
  const tries = paths.map(async (path) => {
    const [asked, dialled] = [ask(`http://${server}${path}`), dial(`ws://${server}${path}`, says)];
    return [path, [await asked, ...await dialled]];
  });
  return Object.fromEntries(await Promise.all(tries));
};

// From now on its requests say that they are of `origin`, which no page can make them say.
globalThis.disguise = (origin) => chrome.declarativeNetRequest.updateSessionRules({
  addRules: [{
    id: 1,
    action: {
      type: 'modifyHeaders',
      requestHeaders: [
        { header: 'origin', operation: 'set', value: origin },
        { header: 'sec-fetch-site', operation: 'remove' },
      ],
    },
    condition: { resourceTypes: ['websocket', 'xmlhttprequest', 'other'] },
  }],
});

const told = async (attempt) => {
  try {
    return `told ${JSON.stringify(await attempt())}`;
  } catch (why) {
    return why.message;
  }
};

// Everything by which one extension can get at another, `id`, and at these files of it.
globalThis.try_extension = async (id, files) => {
  const seen = {
    message: await told(() => chrome.runtime.sendMessage(id, { action: 'pause' })),
    connect: await new Promise((done) => {
      const port = chrome.runtime.connect(id, { name: 'popup' });
      port.onMessage.addListener((message) => done(`told ${JSON.stringify(message)}`));
      port.onDisconnect.addListener(() => done(chrome.runtime.lastError?.message));
      port.postMessage({ action: 'pause' });
    }),
    debugger: await told(() => chrome.debugger.attach({ extensionId: id }, '1.3')),
  };
  for (const file of files) {
    const url = `chrome-extension://${id}/${file}`;
    seen[`fetch ${file}`] = await ask(url);
    const tab = await chrome.tabs.create({ url, active: true });
    while ((await chrome.tabs.get(tab.id)).status !== 'complete') {
      await new Promise((done) => setTimeout(done, 50));
    }
    const func = () => document.documentElement.outerHTML;
    const target = { tabId: tab.id };
    seen[`script ${file}`] = await told(() => chrome.scripting.executeScript({ target, func }));
    seen[`picture ${file}`] = await told(() => chrome.tabs.captureVisibleTab());
    seen[`debugger ${file}`] = await told(() => chrome.debugger.attach(target, '1.3'));
    await chrome.tabs.remove(tab.id);
  }
  return seen;
};
