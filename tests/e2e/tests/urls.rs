//! No tool, by any trick, shows the pairing secret, a page of the extension or a file.

use anyhow::{Context, Result, bail};
use e2e::{Agent, Answer, World};
use futures_util::future::try_join_all;
use serde_json::{Value, json};

/// Tabs in which something is tried at once.
const AT_ONCE: usize = 8;

struct Scene {
    world: World,
    one: Agent,
    secret: String,
    /// Where nobody may get to, and what a leak of it would contain.
    forbidden: Vec<String>,
}

async fn scene() -> Result<Scene> {
    let world = World::start().await?;
    let one = world.agent("curious").await?;
    one.open(&world.site.url("/")).await?;
    let pairing = std::fs::read_to_string(world.extension().join("pairing.json"))?;
    let pairing: Value = serde_json::from_str(&pairing)?;
    let secret = pairing["secret"]
        .as_str()
        .context("no secret in pairing.json")?
        .to_owned();
    assert_eq!(secret.len(), 64);
    let own = format!("chrome-extension://{}", world.browser().extension_id());
    let forbidden = vec![
        format!("{own}/pairing.json"),
        format!("{own}/popup.html"),
        "file:///etc/passwd".to_owned(),
        "view-source:file:///etc/passwd".to_owned(),
        "chrome://version/".to_owned(),
    ];
    Ok(Scene {
        world,
        one,
        secret,
        forbidden,
    })
}

impl Scene {
    /// Nothing of what is forbidden stands in the answer.
    fn clean(&self, answer: &Answer) {
        let text = answer.raw.to_string();
        for leak in [
            self.secret.as_str(),
            "root:x:0",
            "No agent is connected",
            "Command Line",
        ] {
            assert!(!text.contains(leak), "{leak:?} leaked in {answer}");
        }
    }

    /// Makes a call of which nothing is expected but that it shows nothing.
    async fn call(&self, tool: &str, arguments: Value) -> Result<Answer> {
        let answer = self.one.call(tool, arguments).await?;
        self.clean(&answer);
        Ok(answer)
    }

    /// Looks at a tab with every tool that reads.
    async fn look(&self, tab: i64) -> Result<()> {
        for tool in [
            "browser_snapshot",
            "browser_network_requests",
            "browser_console_messages",
        ] {
            self.call(tool, json!({"tabId": tab})).await?;
        }
        let function = "() => document.documentElement.outerHTML";
        let arguments = json!({"tabId": tab, "function": function});
        self.call("browser_evaluate", arguments).await?;
        Ok(())
    }

    /// The tabs that the agent owns.
    async fn tabs(&self) -> Result<Vec<i64>> {
        let listed = self.one.tabs().await?;
        self.clean(&listed);
        let tabs = listed.text.lines().filter_map(|line| {
            let (number, rest) = line.strip_prefix("- tab ")?.split_once(' ')?;
            rest.starts_with("(yours")
                .then(|| number.parse::<i64>().ok())?
        });
        Ok(tabs.collect())
    }

    /// Tries each thing in a new tab with the orchard's page, several at once, and looks at the
    /// tab at once, and when the others are through at every tab that came of it. Whatever leads
    /// elsewhere has had its time then.
    async fn tries<T>(&self, all: &[T], act: impl AsyncFn(i64, &T) -> Result<()>) -> Result<()> {
        let site = self.world.site.url("/");
        for some in all.chunks(AT_ONCE) {
            try_join_all(some.iter().map(async |each| {
                let tab = self.one.open_tab(&site).await?;
                act(tab, each).await?;
                self.look(tab).await
            }))
            .await?;
            let tabs = self.tabs().await?;
            assert!(!tabs.is_empty(), "nothing is left to look at");
            try_join_all(tabs.iter().map(async |tab| {
                self.look(*tab).await?;
                let arguments = json!({"action": "close", "tabId": tab});
                self.call("browser_tabs", arguments).await
            }))
            .await?;
        }
        Ok(())
    }

    /// Runs each script in a tab of its own.
    async fn scripts(&self, functions: &[String]) -> Result<()> {
        self.tries(functions, async |tab, function| {
            let arguments = json!({"tabId": tab, "function": function});
            self.call("browser_evaluate", arguments).await?;
            Ok(())
        })
        .await
    }

    /// A page with everything that leads to `to` when an agent acts on it, and each alone.
    async fn write(&self, tab: i64, to: &str) -> Result<()> {
        let function = format!(
            "() => {{
                const to = {};
                const go = () => {{ location.href = to }};
                const add = (name, text, set) => document.body.append(
                    Object.assign(document.createElement(name), {{textContent: text}}, set));
                document.body.replaceChildren();
                add('a', 'Go', {{href: to}});
                add('a', 'Go elsewhere', {{href: to, target: '_blank'}});
                add('button', 'Open', {{onclick: () => open(to)}});
                add('button', 'Assign', {{onclick: go}});
                add('button', 'Over', {{onmouseover: go}});
                add('button', 'Ask', {{onclick: () => confirm('go?') && go()}});
                add('button', 'Later', {{onclick: () => setTimeout(go, 300)}});
                document.body.insertAdjacentHTML('beforeend',
                    '<form><input aria-label=field></form><select><option>a<option>b</select>');
                document.forms[0].action = to;
                document.querySelector('select').onchange = go;
                history.pushState(0, '', '#later');
                onpopstate = go;
            }}",
            json!(to)
        );
        let arguments = json!({"tabId": tab, "function": function});
        self.one.ok("browser_evaluate", arguments).await?;
        Ok(())
    }

    /// Lets a tool do whatever of it leads to `to`, in each way that it has.
    async fn lead(&self, tool: &str, tab: i64, way: &Way, to: &str) -> Result<()> {
        let aim = async |words: &[&str]| self.one.aim(tab, words).await;
        let with = |mut arguments: Value, name: &str, value: Value| {
            arguments[name] = value;
            arguments
        };
        let arguments = match way {
            Way::Asks(key) => json!({"tabId": tab, *key: to}),
            Way::Opens => json!({"action": "new", "url": to}),
            Way::Acts(words, more) => {
                let mut arguments = aim(words).await?;
                for (name, value) in more.as_object().into_iter().flatten() {
                    arguments = with(arguments, name, value.clone());
                }
                arguments
            }
            Way::After(words, more) => {
                self.call("browser_click", aim(words).await?).await?;
                with(more.clone(), "tabId", json!(tab))
            }
            Way::Says(more) => with(more.clone(), "tabId", json!(tab)),
            Way::Runs(script) => {
                let function = script.replace("TO", &json!(to).to_string());
                json!({"tabId": tab, "function": function})
            }
        };
        self.call(tool, arguments).await?;
        Ok(())
    }
}

/// How a tool comes to an address, on the page of [`Scene::write`].
enum Way {
    /// It is told it, as this argument.
    Asks(&'static str),
    /// It opens a tab there.
    Opens,
    /// It acts on the element with these words, with these arguments besides.
    Acts(&'static [&'static str], Value),
    /// It is called when the element with these words was clicked.
    After(&'static [&'static str], Value),
    /// It is called with these arguments.
    Says(Value),
    /// It runs this script, in which `TO` is the address.
    Runs(&'static str),
}

/// All ways of a tool; none for those that read what is there, and do so wherever a test looks.
///
/// # Errors
/// A tool that is new here: say how it comes to an address.
fn ways(tool: &str) -> Result<Vec<Way>> {
    let none = || json!({});
    Ok(match tool {
        "browser_navigate" => vec![
            Way::Asks("url"),
            Way::Says(json!({"action": "back"})),
            Way::After(&["button", "Later"], json!({"action": "reload"})),
            Way::After(&["button", "Assign"], json!({"action": "reload"})),
            Way::After(&["button", "Assign"], json!({"action": "forward"})),
        ],
        "browser_navigate_back" => {
            vec![Way::Says(none()), Way::After(&["button", "Assign"], none())]
        }
        "browser_click" => vec![
            Way::Acts(&["link", "\"Go\""], none()),
            Way::Acts(&["link", "\"Go\""], json!({"button": "middle"})),
            Way::Acts(&["link", "\"Go\""], json!({"modifiers": ["Control"]})),
            Way::Acts(&["link", "\"Go\""], json!({"modifiers": ["Shift"]})),
            Way::Acts(&["link", "Go elsewhere"], none()),
            Way::Acts(&["button", "Open"], none()),
            Way::Acts(&["button", "Assign"], none()),
        ],
        "browser_type" => vec![
            Way::Acts(&["textbox"], json!({"text": "x", "submit": true})),
            Way::Acts(
                &["textbox"],
                json!({"text": "x", "submit": true, "slowly": true}),
            ),
        ],
        "browser_press_key" => vec![
            Way::After(&["textbox"], json!({"key": "Enter"})),
            Way::After(&["button", "Later"], json!({"key": "F5"})),
            Way::Says(json!({"key": "Alt+ArrowLeft"})),
            Way::Says(json!({"key": "Control+l"})),
            Way::Says(json!({"key": "Control+u"})),
        ],
        "browser_hover" => vec![Way::Acts(&["button", "Over"], none())],
        "browser_mouse_wheel" => vec![Way::After(&["button", "Later"], json!({"deltaY": 300}))],
        "browser_select_option" => vec![Way::Acts(&["combobox"], json!({"values": ["b"]}))],
        "browser_handle_dialog" => vec![Way::After(&["button", "Ask"], json!({"accept": true}))],
        "browser_wait_for" => vec![Way::After(&["button", "Later"], json!({"time": 1}))],
        "browser_take_screenshot" => vec![
            Way::After(&["button", "Assign"], none()),
            Way::After(&["link", "Go elsewhere"], none()),
        ],
        "browser_evaluate" => vec![
            Way::Runs("() => { location.href = TO }"),
            Way::Runs("() => { open(TO) }"),
            Way::Runs("() => fetch(TO).then((all) => all.text()).catch(String)"),
        ],
        "browser_tabs" => vec![Way::Opens],
        "browser_snapshot"
        | "browser_console_messages"
        | "browser_network_requests"
        | "browser_session" => Vec::new(),
        other => bail!("{other} is new: say here how it comes to an address, or that it does not"),
    })
}

#[tokio::test]
async fn no_tool_leads_to_the_secret_a_file_or_a_page_of_the_browser() -> Result<()> {
    let scene = scene().await?;
    let mut tries = Vec::new();
    for tool in scene.one.tools().await? {
        let tool = tool["name"].as_str().context("no name")?.to_owned();
        for way in ways(&tool)? {
            tries.push((tool.clone(), way));
        }
    }
    // What a page of the web may not do for one address it may for none: two kinds are enough.
    let tries: Vec<_> = [&scene.forbidden[0], &scene.forbidden[2]]
        .into_iter()
        .flat_map(|to| tries.iter().map(move |(tool, way)| (to, tool, way)))
        .collect();
    scene
        .tries(&tries, async |tab, (to, tool, way)| {
            scene.write(tab, to).await?;
            scene.lead(tool, tab, way, to).await
        })
        .await?;
    scene.world.close().await
}

#[tokio::test]
async fn an_agent_that_names_such_an_address_is_refused() -> Result<()> {
    let scene = scene().await?;
    let mut addresses = scene.forbidden.clone();
    addresses.push("javascript:alert(1)".to_owned());
    addresses.push("data:text/html,hello".to_owned());
    addresses.push("devtools://devtools/bundled/inspector.html".to_owned());
    for url in &addresses {
        for (tool, arguments) in [
            ("browser_navigate", json!({"url": url})),
            ("browser_tabs", json!({"action": "new", "url": url})),
        ] {
            let answer = scene.call(tool, arguments).await?;
            // No more of it than the scheme, which is all that the rule is about.
            let scheme = url.split_inclusive(':').next().unwrap_or_default();
            answer.must_fail("url_refused", &[scheme, "http, https"]);
        }
    }
    assert!(!scene.tabs().await?.is_empty());
    scene.world.close().await
}

#[tokio::test]
async fn a_redirect_leads_to_nothing_forbidden() -> Result<()> {
    let scene = scene().await?;
    scene
        .tries(&scene.forbidden, async |tab, to| {
            let to = to.replace('/', "%2F");
            let url = scene.world.site.url(&format!("/redirect?to={to}"));
            let arguments = json!({"tabId": tab, "url": url});
            scene.call("browser_navigate", arguments).await?;
            Ok(())
        })
        .await?;
    scene.world.close().await
}

#[tokio::test]
async fn a_tab_that_the_person_took_to_a_forbidden_page_is_not_read() -> Result<()> {
    let scene = scene().await?;
    let person = scene.world.browser().extension_page("popup.html").await?;
    let own = format!(
        "chrome-extension://{}",
        scene.world.browser().extension_id()
    );
    let files = ["pairing.json", "config.json", "popup.html"];
    scene
        .tries(&files, async |tab, name| {
            let to = format!("{own}/{name}");
            let going = format!("chrome.tabs.update({tab}, {{url: {}}})", json!(to));
            person.evaluate(&going).await?;
            e2e::until(format!("tab {tab} to show {to}"), async || {
                let tabs = person.tabs().await?;
                let there = tabs.iter().any(|one| one.id == tab && one.url == to);
                Ok(there.then_some(()))
            })
            .await?;
            for (tool, arguments) in [
                ("browser_snapshot", json!({"tabId": tab})),
                ("browser_take_screenshot", json!({"tabId": tab})),
                ("browser_console_messages", json!({"tabId": tab})),
                ("browser_network_requests", json!({"tabId": tab})),
                (
                    "browser_navigate",
                    json!({"tabId": tab, "action": "reload"}),
                ),
                (
                    "browser_evaluate",
                    e2e::reading(tab, "document.documentElement.outerHTML"),
                ),
            ] {
                let answer = scene.call(tool, arguments).await?;
                assert!(answer.failed_with("url_refused"), "{tool}: {answer}");
            }
            // Nor is it when the agent goes on, and back to it.
            let url = scene.world.site.url("/form");
            let onward = json!({"tabId": tab, "url": url});
            scene.call("browser_navigate", onward).await?;
            let back = json!({"tabId": tab});
            scene.call("browser_navigate_back", back).await?;
            Ok(())
        })
        .await?;
    scene.world.close().await
}

#[tokio::test]
async fn no_way_of_writing_an_address_gets_past_the_rule() -> Result<()> {
    let scene = scene().await?;
    let id = scene.world.browser().extension_id();
    let site = scene.world.site.url("/");
    let addresses = [
        format!("CHROME-EXTENSION://{id}/pairing.json"),
        format!(" \t chrome-extension://{id}/pairing.json"),
        format!("chrome-\nextension://{id}/pairing.json"),
        format!("chrome\t-extension:\r\n//{id}/pairing.json"),
        format!("\u{1}\u{1f}chrome-extension://{id}/pairing.json"),
        format!("\u{feff}chrome-extension://{id}/pairing.json"),
        format!("chrome-extension:{id}/pairing.json"),
        format!("chrome-extension:\\\\{id}\\pairing.json"),
        format!("//{id}/pairing.json"),
        format!("blob:chrome-extension://{id}/0b8e6f0e-3c5f-4f6e-9d2a-7a1b2c3d4e5f"),
        format!("filesystem:chrome-extension://{id}/temporary/pairing.json"),
        format!("view-source:chrome-extension://{id}/pairing.json"),
        format!("view-source:{site}"),
        format!("blob:{site}0b8e6f0e-3c5f-4f6e-9d2a-7a1b2c3d4e5f"),
        format!("googlechrome:{site}"),
        "FILE:///etc/passwd".to_owned(),
        "file:/etc/passwd".to_owned(),
        "file:etc/passwd".to_owned(),
        "file://localhost/etc/passwd".to_owned(),
        "file:\\\\\\etc\\passwd".to_owned(),
        "f\nile:///etc/passwd".to_owned(),
        "externalfile:///etc/passwd".to_owned(),
        "/etc/passwd".to_owned(),
        "../../etc/passwd".to_owned(),
        "\\\\localhost\\etc\\passwd".to_owned(),
        "view-source:view-source:file:///etc/passwd".to_owned(),
        "jar:file:///etc/passwd!/".to_owned(),
        "about:version".to_owned(),
        "about:srcdoc".to_owned(),
        "about:blank\u{0}chrome://version".to_owned(),
        "chrome:version".to_owned(),
        "chrome-untrusted://print/".to_owned(),
        "chrome-search://local-ntp/".to_owned(),
        "chrome-error://chromewebdata/".to_owned(),
        "isolated-app://aerugqztij5biqquuk3mfwpsaibuegaqcitgfchwuosuofdjabzqaaac/".to_owned(),
        "devtools://devtools/bundled/inspector.html?ws=127.0.0.1".to_owned(),
        "java\nscript:alert(1)".to_owned(),
        " JavaScript:alert(1)".to_owned(),
        "data:text/html;base64,PGgxPg==".to_owned(),
        "ftp://127.0.0.1/".to_owned(),
        "ws://127.0.0.1/".to_owned(),
        "mailto:a@b.test".to_owned(),
        "ssh://127.0.0.1/".to_owned(),
        ":".to_owned(),
    ];
    for url in &addresses {
        for (tool, arguments) in [
            ("browser_navigate", json!({"url": url})),
            ("browser_tabs", json!({"action": "new", "url": url})),
        ] {
            let answer = scene.call(tool, arguments).await?;
            // A blank page with something behind it is a blank page or nothing, and what has no
            // scheme may be taken for a host that there is not.
            let blank = url.starts_with("about:blank") && answer.is_ok();
            let host = !url.contains(':') && answer.failed_with("navigation_failed");
            assert!(
                blank || host || answer.failed_with("url_refused"),
                "{tool} {url:?}: {answer}"
            );
        }
    }
    let going: Vec<_> = addresses
        .iter()
        .map(|url| format!("() => {{ location.href = {} }}", json!(url)))
        .collect();
    scene.scripts(&going).await?;
    scene.world.close().await
}

#[tokio::test]
async fn no_element_of_a_page_leads_to_anything_forbidden() -> Result<()> {
    let scene = scene().await?;
    let mut functions = Vec::new();
    for to in [&scene.forbidden[0], &scene.forbidden[2]] {
        let to = json!(to);
        let adds = |html: &str| {
            let html = html.replace("TO", to.as_str().unwrap_or(""));
            format!("() => {{ document.body.innerHTML = {}; }}", json!(html))
        };
        functions.extend([
            adds("<embed src='TO'><object data='TO'></object>"),
            adds("<iframe sandbox='allow-scripts' src='TO'></iframe><frame src='TO'>"),
            adds("<link rel=prerender href='TO'><link rel=stylesheet href='TO'><img src='TO'>"),
            format!(
                "() => new Promise(done => {{ const f = document.createElement('iframe'); \
                 f.src = {to}; f.onload = () => {{ try {{ \
                 done(f.contentDocument.documentElement.outerHTML) }} catch (e) {{ \
                 done(String(e)) }} }}; document.body.append(f); setTimeout(done, 500) }})"
            ),
            format!(
                "() => {{ document.write('<meta http-equiv=refresh content=\"0;' + {to} + '\">') }}"
            ),
            format!("() => {{ const other = open('about:blank'); other.location = {to} }}"),
            format!("() => {{ location.replace('view-source:' + {to}) }}"),
            format!("() => navigation.navigate({to}).committed.catch(String)"),
            format!("() => import({to}).then((all) => Object.keys(all)).catch(String)"),
            format!(
                "() => {{ const page = new Blob(['<iframe src=' + {to} + '></iframe>'], \
                 {{type: 'text/html'}}); location = URL.createObjectURL(page) }}"
            ),
        ]);
    }
    scene.scripts(&functions).await?;
    scene.world.close().await
}
