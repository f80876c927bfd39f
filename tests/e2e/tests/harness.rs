//! The harness proves itself on an extension of three lines, before it judges the product.

use anyhow::Result;
use e2e::{Options, Shown, World, listening_ports, processes_of};
use std::fs;
use std::path::{Path, PathBuf};

/// Writes an extension that logs `awake` and can list tabs.
fn trivial_extension(name: &str) -> Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("e2e-trivial-{}-{name}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let manifest = r#"{"manifest_version":3,"name":"Trivial","version":"1",
        "permissions":["tabs","tabGroups"],"background":{"service_worker":"sw.js"}}"#;
    fs::write(folder.join("manifest.json"), manifest)?;
    fs::write(
        folder.join("sw.js"),
        "console.log('awake'); self.ready = 42;",
    )?;
    fs::write(
        folder.join("popup.html"),
        "<!doctype html><button title=Ring>Bell</button><p></p>
        <script src=popup.js></script>",
    )?;
    fs::write(
        folder.join("popup.js"),
        "document.querySelector('button').onclick = () => {
        document.querySelector('p').textContent = 'rang' }",
    )?;
    Ok(folder)
}

struct Trivial(PathBuf);

impl Drop for Trivial {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn trivial_world(name: &str) -> Result<(World, Trivial)> {
    let extension = trivial_extension(name)?;
    let options = Options {
        extension: Some(extension.clone()),
        ..Options::default()
    };
    Ok((World::with(options).await?, Trivial(extension)))
}

fn exists(path: &Path) -> bool {
    path.exists()
}

#[tokio::test]
async fn a_page_of_the_extension_is_opened_read_and_clicked() -> Result<()> {
    let (world, _folder) = trivial_world("page").await?;
    let page = world.browser().extension_page("popup.html").await?;
    page.click("Ring").await?;
    assert!(page.text().await?.contains("rang"));
    assert!(
        page.tabs()
            .await?
            .iter()
            .any(|tab| tab.url == "about:blank")
    );
    assert!(page.groups().await?.is_empty());
    page.close().await?;
    world.close().await
}

#[tokio::test]
async fn the_console_of_the_worker_is_heard_and_its_errors_are_problems() -> Result<()> {
    let (world, _folder) = trivial_world("console").await?;
    let console = world.browser().watch_worker().await?;
    // What was said before is told again on attaching.
    e2e::until("the worker's word", async || {
        Ok(console
            .lines()
            .iter()
            .any(|(_, text)| text == "awake")
            .then_some(()))
    })
    .await?;
    assert!(console.problems().is_empty(), "{:?}", console.problems());
    let page = world.browser().extension_page("popup.html").await?;
    assert_eq!(page.evaluate("1 + 1").await?, 2);
    world.close().await
}

#[tokio::test]
async fn the_site_counts_the_clicks_of_a_real_page() -> Result<()> {
    let (world, _folder) = trivial_world("clicks").await?;
    let url = world.site.url("/counter?name=seven");
    world
        .browser()
        .cdp()
        .call(None, "Target.createTarget", serde_json::json!({"url": url}))
        .await?;
    let page = world.browser().page(&url).await?;
    e2e::until("the button", async || {
        Ok((page.evaluate("Boolean(window.count)").await? == true).then_some(()))
    })
    .await?;
    for _ in 0..7 {
        page.evaluate("count.click()").await?;
    }
    world.site.until_hits("seven", 7).await?;
    assert_eq!(world.site.hits("seven"), 7);
    world.close().await
}

#[tokio::test]
async fn a_closed_world_leaves_no_process_no_folder_and_no_listener() -> Result<()> {
    let (world, _folder) = trivial_world("gone").await?;
    let (group, folder) = (world.browser().group(), world.folder().to_owned());
    let mark = folder
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or("")
        .to_owned();
    let ports = world.ports.all();
    assert!(exists(&folder) && !processes_of(&[group], &mark).is_empty());
    world.close().await?;
    assert!(!exists(&folder), "{} is still there", folder.display());
    assert_eq!(processes_of(&[group], &mark), []);
    assert!(listening_ports(ports)?.is_empty());
    Ok(())
}

#[tokio::test]
async fn two_browsers_run_side_by_side_with_the_same_extension() -> Result<()> {
    let (world, folder) = trivial_world("restart").await?;
    let first = world.browser().group();
    let profile = world.browser().profile().to_owned();
    let again = e2e::Browser::start(e2e::Start {
        extension: &folder.0,
        profile: &profile.with_file_name("other"),
        mark: "restart-",
        window: e2e::Window::Headless,
        beside: None,
        rebound: None,
        trusted: None,
    })
    .await?;
    assert_ne!(again.group(), first);
    assert_eq!(again.extension_id(), world.browser().extension_id());
    drop(again);
    world.close().await
}

#[tokio::test]
async fn a_killed_worker_is_gone_and_the_next_one_is_another() -> Result<()> {
    let (world, _folder) = trivial_world("kill").await?;
    let browser = world.browser();
    let first = browser.worker().await?;
    assert!(first.is_some());
    browser.kill_worker().await?;
    assert_ne!(browser.worker().await?, first);
    world.close().await
}

#[tokio::test]
async fn a_screen_shows_a_window_to_a_person_and_leaves_no_lock() -> Result<()> {
    let extension = Trivial(trivial_extension("screen")?);
    let options = Options {
        extension: Some(extension.0.clone()),
        shown: Shown::ToAPerson,
        ..Options::default()
    };
    let world = World::with(options).await?;
    let person = world.person().await?;
    person.types("Hello, 1 & 2").await?;
    e2e::until("the text", async || {
        Ok((person.text().await? == "Hello, 1 & 2").then_some(()))
    })
    .await?;
    let noticed = person.noticed().await?;
    assert!(noticed.contains(&"keydown H".to_owned()), "{noticed:?}");
    let (x, y) = person.on_screen((300, 300)).await?;
    assert_eq!(world.screen().picture()?.at(x, y), Some([255; 3]));
    // Fails where the X server left something behind.
    world.close().await
}

/// Runs another test of this file where `E2E_HEADED` asks for a window.
fn headed_run(display: &str) -> std::process::Command {
    let mut run = std::process::Command::new(std::env::current_exe().unwrap_or_default());
    run.args([
        "--exact",
        "a_page_of_the_extension_is_opened_read_and_clicked",
    ])
    .env("E2E_HEADED", "1")
    .env("DISPLAY", display)
    .env_remove("WAYLAND_DISPLAY")
    .stdout(std::process::Stdio::piped())
    .stderr(std::process::Stdio::piped());
    run
}

#[tokio::test]
async fn a_window_asked_for_where_there_is_no_display_is_refused_in_one_line() -> Result<()> {
    let done = headed_run("").output()?;
    let said = String::from_utf8_lossy(&done.stdout);
    let wanted = "Error: a window was asked for, but neither DISPLAY nor WAYLAND_DISPLAY is set";
    assert!(
        !done.status.success() && said.lines().any(|line| line == wanted),
        "{said}"
    );
    Ok(())
}

#[tokio::test]
async fn a_window_asked_for_opens_on_the_users_display() -> Result<()> {
    let mark = format!("e2e-display-{}.", std::process::id());
    let folder = std::env::temp_dir().join(&mark);
    let screen = e2e::Screen::start(&folder, &mark).await?;
    let mut run = headed_run(screen.name()).spawn()?;
    e2e::until("a window on the display", async || {
        let found = screen.hand(&["search", "--onlyvisible", "--class", "chromium"]);
        Ok(found.ok())
    })
    .await?;
    let status = e2e::until("the run to end", async || Ok(run.try_wait()?)).await?;
    assert!(status.success());
    screen.close()?;
    Ok(fs::remove_dir_all(folder)?)
}

/// Not a test by itself: the child of the next one, which starts a browser and is killed.
#[tokio::test]
async fn the_death_of_a_test_run_ends_its_browser() -> Result<()> {
    let Ok(role) = std::env::var("E2E_HARNESS_CHILD") else {
        return kill_a_run_and_look().await;
    };
    let (world, _folder) = trivial_world("killed").await?;
    fs::write(role, world.browser().group().to_string())?;
    // Killed here by the parent.
    std::future::pending().await
}

async fn kill_a_run_and_look() -> Result<()> {
    let note = std::env::temp_dir().join(format!("e2e-killed-{}", std::process::id()));
    let mut run = std::process::Command::new(std::env::current_exe()?)
        .args(["--exact", "the_death_of_a_test_run_ends_its_browser"])
        .env("E2E_HARNESS_CHILD", &note)
        .stdout(std::process::Stdio::null())
        .spawn()?;
    let group: i32 = e2e::until("the child's browser", async || {
        Ok(fs::read_to_string(&note)
            .ok()
            .and_then(|text| text.parse().ok()))
    })
    .await?;
    let nobody = "\u{1}nobody\u{1}";
    assert!(!processes_of(&[group], nobody).is_empty());
    run.kill()?;
    run.wait()?;
    e2e::until("the browser of the killed run to end", async || {
        Ok(processes_of(&[group], nobody).is_empty().then_some(()))
    })
    .await?;
    // What only a killed run leaves: its folders.
    for folder in [
        format!("interlock-e2e-{}-0.", run.id()),
        format!("e2e-trivial-{}-killed", run.id()),
    ] {
        let _ = fs::remove_dir_all(std::env::temp_dir().join(folder));
    }
    Ok(fs::remove_file(note)?)
}
