//! No tool, by any trick, shows the pairing secret, a page of the extension or a file.

use anyhow::{Context, Result};
use e2e::{Agent, Answer, World};
use serde_json::json;

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
    let pairing: serde_json::Value = serde_json::from_str(&pairing)?;
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

    /// Looks with every reading tool at every tab that the agent owns, and counts those.
    async fn look_everywhere(&self) -> Result<usize> {
        // A refused page may take a moment to be led away.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let listed = self.one.tabs().await?;
        self.clean(&listed);
        let tabs = listed.text.lines().filter_map(|line| {
            let (number, rest) = line.strip_prefix("- tab ")?.split_once(' ')?;
            rest.starts_with("(yours")
                .then(|| number.parse::<i64>().ok())?
        });
        let mut looked = 0;
        for tab in tabs {
            looked += 1;
            self.clean(
                &self
                    .one
                    .call("browser_snapshot", json!({"tabId": tab}))
                    .await?,
            );
            let function = "() => document.documentElement.outerHTML";
            let arguments = json!({"tabId": tab, "function": function});
            self.clean(&self.one.call("browser_evaluate", arguments).await?);
        }
        Ok(looked)
    }
}

#[tokio::test]
async fn an_agent_cannot_navigate_to_the_secret_a_file_or_a_page_of_the_browser() -> Result<()> {
    let scene = scene().await?;
    let mut addresses = scene.forbidden.clone();
    addresses.push("javascript:alert(1)".to_owned());
    addresses.push("data:text/html,hello".to_owned());
    addresses.push("devtools://devtools/bundled/inspector.html".to_owned());
    for url in &addresses {
        let answer = scene
            .one
            .call("browser_navigate", json!({"url": url}))
            .await?;
        assert!(answer.failed_with("url_refused"), "{url}: {answer}");
        let arguments = json!({"action": "new", "url": url});
        let answer = scene.one.call("browser_tabs", arguments).await?;
        assert!(answer.failed_with("url_refused"), "{url}: {answer}");
    }
    assert!(scene.look_everywhere().await? > 0);
    scene.world.close().await
}

#[tokio::test]
async fn a_redirect_leads_to_nothing_forbidden() -> Result<()> {
    let scene = scene().await?;
    for to in &scene.forbidden {
        let url = scene
            .world
            .site
            .url(&format!("/redirect?to={}", to.replace('/', "%2F")));
        scene.clean(
            &scene
                .one
                .call("browser_navigate", json!({"url": url}))
                .await?,
        );
        scene.look_everywhere().await?;
    }
    scene.world.close().await
}

#[tokio::test]
async fn links_and_opened_windows_lead_to_nothing_forbidden() -> Result<()> {
    let scene = scene().await?;
    for to in &scene.forbidden {
        let url = scene
            .world
            .site
            .url(&format!("/links?to={}", to.replace('/', "%2F")));
        for words in [
            ["link", "\"Go\""],
            ["link", "Go in a new tab"],
            ["button", "Open"],
            ["button", "Assign"],
        ] {
            let tab = scene.one.open_tab(&url).await?;
            scene.clean(&scene.one.click(tab, &words).await?);
            scene.look_everywhere().await?;
            // Closed by the test or already gone: either is fine here.
            let arguments = json!({"action": "close", "tabId": tab});
            scene.clean(&scene.one.call("browser_tabs", arguments).await?);
        }
    }
    scene.world.close().await
}

#[tokio::test]
async fn scripts_reach_nothing_forbidden() -> Result<()> {
    let scene = scene().await?;
    for to in &scene.forbidden {
        let quoted = json!(to);
        for function in [
            format!("() => {{ location.href = {quoted} }}"),
            format!("() => {{ open({quoted}) }}"),
            format!("() => fetch({quoted}).then(r => r.text()).catch(String)"),
            format!(
                "() => new Promise(done => {{ const f = document.createElement('iframe'); \
                 f.src = {quoted}; f.onload = () => {{ try {{ \
                 done(f.contentDocument.documentElement.outerHTML) }} catch (e) {{ \
                 done(String(e)) }} }}; document.body.append(f); setTimeout(done, 500) }})"
            ),
        ] {
            let tab = scene.one.open_tab(&scene.world.site.url("/")).await?;
            let arguments = json!({"tabId": tab, "function": function});
            scene.clean(&scene.one.call("browser_evaluate", arguments).await?);
            scene.look_everywhere().await?;
            let arguments = json!({"action": "close", "tabId": tab});
            scene.clean(&scene.one.call("browser_tabs", arguments).await?);
        }
    }
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
    for name in ["pairing.json", "config.json", "popup.html"] {
        let to = format!("{own}/{name}");
        let tab = scene.one.open_tab(&scene.world.site.url("/")).await?;
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
            (
                "browser_evaluate",
                e2e::reading(tab, "document.documentElement.outerHTML"),
            ),
        ] {
            let answer = scene.one.call(tool, arguments).await?;
            assert!(answer.failed_with("url_refused"), "{tool}: {answer}");
            scene.clean(&answer);
        }
        scene.look_everywhere().await?;
    }
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
            let answer = scene.one.call(tool, arguments).await?;
            // A blank page with something behind it is a blank page or nothing, and what has no
            // scheme may be taken for a host that there is not.
            let blank = url.starts_with("about:blank") && answer.is_ok();
            let host = !url.contains(':') && answer.failed_with("navigation_failed");
            assert!(
                blank || host || answer.failed_with("url_refused"),
                "{tool} {url:?}: {answer}"
            );
            scene.clean(&answer);
        }
    }
    assert!(scene.look_everywhere().await? > 0);
    scene.world.close().await
}

#[tokio::test]
async fn no_element_of_a_page_leads_to_anything_forbidden() -> Result<()> {
    let scene = scene().await?;
    for to in [&scene.forbidden[0], &scene.forbidden[2]] {
        let to = json!(to);
        let adds = |html: &str| {
            let html = html.replace("TO", to.as_str().unwrap_or(""));
            format!("() => {{ document.body.innerHTML = {}; }}", json!(html))
        };
        for function in [
            adds("<embed src='TO'><object data='TO'></object>"),
            adds("<iframe sandbox='allow-scripts' src='TO'></iframe><frame src='TO'>"),
            adds("<link rel=prerender href='TO'><link rel=stylesheet href='TO'><img src='TO'>"),
            format!(
                "() => {{ document.write('<meta http-equiv=refresh content=\"0;' + {to} + '\">') }}"
            ),
            format!(
                "() => {{ const form = document.createElement('form'); form.action = {to}; \
                 document.body.append(form); form.submit() }}"
            ),
            format!("() => {{ const other = open('about:blank'); other.location = {to} }}"),
            format!("() => {{ location.replace('view-source:' + {to}) }}"),
            format!("() => navigation.navigate({to}).committed.catch(String)"),
            format!("() => import({to}).then((all) => Object.keys(all)).catch(String)"),
            format!(
                "() => {{ const page = new Blob(['<iframe src=' + {to} + '></iframe>'], \
                 {{type: 'text/html'}}); location = URL.createObjectURL(page) }}"
            ),
        ] {
            let tab = scene.one.open_tab(&scene.world.site.url("/")).await?;
            let arguments = json!({"tabId": tab, "function": function});
            scene.clean(&scene.one.call("browser_evaluate", arguments).await?);
            scene.look_everywhere().await?;
            for tool in ["browser_network_requests", "browser_console_messages"] {
                scene.clean(&scene.one.call(tool, json!({"tabId": tab})).await?);
            }
            let arguments = json!({"action": "close", "tabId": tab});
            scene.clean(&scene.one.call("browser_tabs", arguments).await?);
        }
    }
    scene.world.close().await
}
