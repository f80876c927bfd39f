(() => {
  const one = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const text = (element) => element?.textContent.trim() ?? null;
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  const seen = (element) => element.getClientRects().length > 0;
  const read = (element, name) =>
    name === 'textContent' ? text(element) : element.getAttribute(name) || element[name] || null;
  const put = (element, value) => {
    if (!element) return false;
    if (['checkbox', 'radio'].includes(element.type)) element.checked = Boolean(value);
    else element.value = value;
    for (const name of ['input', 'change']) element.dispatchEvent(new Event(name, { bubbles: true }));
    return true;
  };
  const each = (selector, act) => {
    const elements = all(selector);
    elements.forEach(act);
    return elements.length;
  };
  const field = (form, name) => {
    const quoted = CSS.escape(name);
    const labels = [...form.querySelectorAll('label')];
    const label = labels.find((each) => each.textContent.toLowerCase().includes(name.toLowerCase()));
    return form.querySelector(`[name="${quoted}"],#${quoted}`) ?? label?.control;
  };
  return {
    $: one,
    $$: all,
    wait,
    getText: (selector) => text(one(selector)),
    getValue: (selector) => one(selector)?.value ?? null,
    getAttribute: (selector, name) => one(selector)?.getAttribute(name) ?? null,
    getHTML: (selector) => one(selector)?.innerHTML ?? null,
    getOuterHTML: (selector) => one(selector)?.outerHTML ?? null,
    exists: (selector) => Boolean(one(selector)),
    count: (selector) => all(selector).length,
    click: (selector) => { one(selector)?.click(); return Boolean(one(selector)); },
    setValue: (selector, value) => put(one(selector), value),
    hide: (selector) => each(selector, (element) => { element.style.display = 'none'; }),
    show: (selector) => each(selector, (element) => { element.style.display = ''; }),
    addClass: (selector, name) => each(selector, (element) => element.classList.add(name)),
    removeClass: (selector, name) => each(selector, (element) => element.classList.remove(name)),
    log: (...words) => { console.log(...words); return words[0]; },
    scrollTo: (selector) => { one(selector)?.scrollIntoView({ block: 'center' }); return Boolean(one(selector)); },
    getPageInfo: () => ({
      url: location.href, title: document.title, domain: location.hostname, path: location.pathname,
      params: Object.fromEntries(new URLSearchParams(location.search)),
    }),
    extractTable: (selector) => one(selector) && [...one(selector).querySelectorAll('tr')]
      .map((row) => [...row.querySelectorAll('td, th')].map(text)),
    async scroll({ to = 'bottom', steps = 1, delayMs = 500, smooth = true } = {}) {
      const behavior = smooth ? 'smooth' : 'auto';
      for (let step = 0; step < steps; step++) {
        if (step) await wait(delayMs);
        const top = to === 'top' ? 0 : to === 'bottom' ? document.body.scrollHeight : to;
        if (typeof top === 'number') scrollTo({ top, behavior });
        else one(to)?.scrollIntoView({ behavior });
      }
      return true;
    },
    setInput(selector, value, { pressEnter = false } = {}) {
      const element = one(selector);
      const done = put(element, value);
      for (const name of done && pressEnter ? ['keydown', 'keyup'] : []) {
        element.dispatchEvent(new KeyboardEvent(name, { key: 'Enter', bubbles: true }));
      }
      return done;
    },
    query: (selector, { attrs = ['textContent', 'href', 'value'], limit = 100, includeHidden = false } = {}) =>
      all(selector).filter((element) => includeHidden || seen(element)).slice(0, limit)
        .map((element) => Object.fromEntries(attrs.map((name) => [name, read(element, name)]))),
    async waitFor(selector, { timeoutMs = 10000, visible = false, intervalMs = 100 } = {}) {
      for (const end = performance.now() + timeoutMs; ; await wait(intervalMs)) {
        const element = one(selector);
        if (element && (!visible || seen(element))) return true;
        if (performance.now() > end) return false;
      }
    },
    fillForm(selector, fields) {
      const form = one(selector);
      return Boolean(form) && Object.entries(fields).filter(([name, value]) => put(field(form, name), value)).length > 0;
    },
    extractLinks(selector, { hrefContains, textContains, exclude = [], unique = true, limit = 100 } = {}) {
      const container = one(selector || 'body');
      if (!container) return { links: [], error: 'Container not found' };
      const links = [...container.querySelectorAll('a[href]')]
        .filter((link) => !hrefContains || link.href.includes(hrefContains))
        .filter((link) => !textContains || link.textContent.toLowerCase().includes(textContains.toLowerCase()))
        .filter((link) => !exclude.some((part) => link.href.includes(part)))
        .filter((link, at, before) => !unique || before.findIndex((other) => other.href === link.href) === at)
        .slice(0, limit)
        .map((link) => ({ href: link.href, text: text(link), title: link.title, target: link.target || '_self' }));
      return { links, count: links.length };
    },
    extractSchema(selector, schema, limit = 100) {
      const item = (container) => Object.fromEntries(Object.entries(schema).map(([name, wanted]) => {
        const found = [...container.querySelectorAll(wanted.selector ?? name)];
        const values = found.map((element) => read(element, wanted.attr ?? 'textContent'));
        return [name, wanted.multiple ? values : values[0] ?? null];
      }));
      const data = all(selector).slice(0, limit).map(item);
      return { data, count: data.length };
    },
    dismissOverlays: (more = []) => ['[aria-label*="close" i]', '[aria-label*="dismiss" i]',
      'button[class*="close" i]', 'button[class*="dismiss" i]', '.modal-close', '.popup-close',
      '.overlay-close', ...more].flatMap(all).filter(seen).map((element) => element.click()).length,
  };
})()
