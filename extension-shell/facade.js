// `self.MultiInstanceManager`: the façade for people at the DevTools console, with the person's
// rights. Methods answer with promises, state properties are copies, and the core decides.
const PROPERTIES = [
  'tabLocks', 'waitQueues', 'instances', 'socketToInstance', 'messageHandlers', 'log', 'view',
];

// `ask(action, rest)` promises the core's answer; `property(name)` reads its state.
export function facade(ask, property) {
  const manager = {
    tryConnect: (port) => ask('connect', { port }),
    scanPorts: () => ask('scan'),
    startPortScanning: () => ask('scan'), // it never stops; this makes it look at once
    trackPortFailure: (port) => ask('portFailed', { port }),
    updateKnownPorts: (ports) => ask('knownPorts', { ports }),
    handleInstanceMessage: (sessionId, message) => ask('message', { sessionId, message }),
    acquireTabLock: (tabId, sessionId) => ask('give', { tabId, sessionId }),
    releaseTabLock: (tabId, sessionId) => ask('release', { tabId, sessionId }),
    cleanup: () => ask('cleanUp'),
    handleNewConnection: () => Promise.reject(new Error(
      'refused: this extension dials servers, which prove the pairing secret; nothing connects to it')),
  };
  for (const name of PROPERTIES) {
    Object.defineProperty(manager, name, { enumerable: true, get: () => property(name) });
  }
  return Object.freeze(manager);
}
