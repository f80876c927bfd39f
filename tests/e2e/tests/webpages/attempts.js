// All that a page can send to `server`, and what it sees of each: told, not judged.
globalThis.besiege = async (server, paths) => {
  const seen = [];
  // Four at once: Chrome lets nine sockets and more wait for each other, for seconds.
  for (let at = 0; at < paths.length; at += 4) {
    const some = paths.slice(at, at + 4).map((path) => besiegeOne(server, path));
    seen.push(...await Promise.all(some));
  }
  return seen;
};
const besiegeOne = async (server, path) => {
  const url = `http://${server}${path}`;
  // A name of its own for each, so that nothing is answered from a cache or an earlier failure.
  let count = 0;
  const fresh = () => `${url}?${(count += 1)}`;
  const late = (ms) => new Promise((done) => setTimeout(done, ms, 'silence'));
  const element = (name, set, load, fail) =>
    new Promise((done) => {
      const one = document.createElement(name);
      Object.assign(one, set);
      one[load] = () => done('load');
      one[fail] = () => done('error');
      document.documentElement.append(one);
    });
  const fetched = async (options) => {
    try {
      const answer = await fetch(fresh(), { cache: 'no-store', ...options });
      const kind = options.mode === 'no-cors' ? `${answer.type} ` : '';
      return `${kind}${answer.status} ${await answer.text()}`;
    } catch (why) {
      return why.name;
    }
  };
  const socket = (...protocols) =>
    new Promise((done) => {
      const one = new WebSocket(`ws://${server}${path}`, protocols);
      one.onopen = () => done(`open ${one.protocol}`);
      one.onmessage = ({ data }) => done(`told ${data}`);
      one.onclose = ({ code, reason }) => done(`closed ${code} ${reason}`);
    });
  const form = () =>
    new Promise((done) => {
      const frame = document.createElement('iframe');
      const sent = document.createElement('form');
      frame.name = `form${Math.random()}`;
      Object.assign(sent, { action: fresh(), method: 'post', target: frame.name });
      const field = Object.assign(document.createElement('input'), { name: 'a', value: 'b' });
      sent.append(field);
      document.documentElement.append(frame, sent);
      let loads = 0;
      frame.onload = () => {
        // The first may be of the empty page.
        loads += 1;
        let seen;
        try {
          if (frame.contentWindow.location.href === 'about:blank' && loads === 1) return;
          seen = frame.contentDocument.documentElement.innerText;
        } catch {
          seen = 'null';
        }
        done(seen);
      };
      sent.submit();
    });
  const transport = async () => {
    try {
      const one = new WebTransport(`https://${server}${path}`);
      await Promise.race([one.ready, late(3000).then(() => Promise.reject(new Error('silence')))]);
      return 'open';
    } catch {
      return 'kept out';
    }
  };
  const attempts = {
    fetch: fetched({}),
    'no-cors': fetched({ mode: 'no-cors' }),
    post: fetched({ mode: 'no-cors', method: 'POST', body: '{"type":"hello"}' }),
    image: element('img', { src: fresh() }, 'onload', 'onerror'),
    script: element('script', { src: fresh() }, 'onload', 'onerror'),
    style: element('link', { rel: 'stylesheet', href: fresh() }, 'onload', 'onerror'),
    // A frame without an origin loads none at all, from nowhere.
    object: origin === 'null' ? 'error' : element('object', { data: fresh() }, 'onload', 'onerror'),
    form: form(),
    'event source': new Promise((done) => {
      const one = new EventSource(fresh());
      one.onopen = () => done('open');
      one.onerror = () => (one.close(), done('error'));
    }),
    socket: socket('interlock.2'),
    'bare socket': socket(),
    transport: transport(),
  };
  const seen = {};
  for (const [name, attempt] of Object.entries(attempts)) {
    seen[name] = await Promise.race([attempt, late(30000)]);
  }
  // The browser's own notes about them.
  const notes = performance.getEntriesByType('resource').filter(({ name }) => name.startsWith(`${url}?`));
  const most = (pick) => Math.max(0, ...notes.map(pick));
  seen.timing = `${most((note) => note.encodedBodySize)} ${most((note) => note.responseStatus)}`;
  return seen;
};
