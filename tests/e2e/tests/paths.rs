//! Names of files that an agent may give, and where they lead: under the roots, or nowhere.

use anyhow::Result;
use e2e::{Agent, Era, World};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Every file, folder and link below `folder`, with its size and time.
fn listed(folder: &Path, found: &mut BTreeMap<PathBuf, (u64, Option<SystemTime>)>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let about = fs::symlink_metadata(&path)?;
        // A folder's own time tells no more than what is in it.
        let at = about.is_file().then(|| about.modified()).transpose()?;
        if about.is_dir() {
            listed(&path, found)?;
        }
        found.insert(path, (about.len(), at));
    }
    Ok(())
}

/// What a picture may have been written to: all folders of the world but the browser's profile.
fn places(world: &World) -> Result<BTreeMap<PathBuf, (u64, Option<SystemTime>)>> {
    let mut found = BTreeMap::new();
    for place in ["state", "extension", "clients", "treasure"] {
        listed(&world.folder().join(place), &mut found)?;
    }
    found.retain(|path, _| path.extension().is_none_or(|end| end != "log"));
    Ok(found)
}

async fn shoot(agent: &Agent, name: &str) -> Result<e2e::Answer> {
    agent
        .call("browser_take_screenshot", json!({"filename": name}))
        .await
}

#[tokio::test]
async fn a_picture_is_written_under_the_roots_or_nowhere() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    one.open(&world.site.url("/")).await?;
    let folder = one.spawn().folder;
    let treasure = world.folder().join("treasure");
    fs::create_dir(&treasure)?;
    fs::write(treasure.join("kept.png"), "kept")?;
    symlink(&treasure, folder.join("out"))?;
    symlink("/tmp", folder.join("tmp"))?;
    symlink(world.state(), folder.join("state"))?;
    symlink(world.extension(), folder.join("extension"))?;
    symlink(&folder, folder.join("loop"))?;
    fs::create_dir(folder.join("in"))?;
    fs::create_dir(folder.join("folder.png"))?;
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let before = places(&world)?;
    let marker = format!("attack-{}.png", std::process::id());
    let names = [
        format!("../{marker}"),
        format!("in/../../{marker}"),
        format!("in/../{marker}"),
        format!("..//../../{marker}"),
        format!("./../{marker}"),
        format!("loop/../../{marker}"),
        format!("out/{marker}"),
        format!("tmp/{marker}"),
        format!("state/{marker}"),
        format!("state/registry/{marker}"),
        format!("extension/{marker}"),
        format!("extension/icons/{marker}"),
        format!("loop/out/{marker}"),
        format!("/tmp/{marker}"),
        format!("/dev/shm/{marker}"),
        format!("//tmp/{marker}"),
        format!("/proc/self/cwd/../{marker}"),
        format!("/proc/self/root/tmp/{marker}"),
        format!("/proc/{}/cwd/../{marker}", one.pid()),
        format!("~/{marker}"),
        format!("$HOME/{marker}"),
        format!("file:///tmp/{marker}"),
        format!("..\\{marker}"),
        format!("missing/{marker}"),
        text(treasure.join(&marker)),
        text(treasure.join("kept.png")),
        text(world.state().join(&marker)),
        text(world.extension().join(&marker)),
        text(folder.join("..").join(&marker)),
        "out/kept.png".to_owned(),
        "folder.png".to_owned(),
        "folder.png/".to_owned(),
        "state/secret".to_owned(),
        "extension/pairing.json".to_owned(),
        "/etc/passwd".to_owned(),
        "a.png\0.txt".to_owned(),
        "secret\0.png".to_owned(),
        format!("{}.png", "a".repeat(300)),
        ".png".to_owned(),
        "/".to_owned(),
        ".".to_owned(),
        "..".to_owned(),
        "in/".to_owned(),
        "server.log".to_owned(),
        "run.sh".to_owned(),
        ".bashrc".to_owned(),
        "page.png.html".to_owned(),
    ];
    for name in &names {
        let answer = shoot(&one, name).await?;
        // A backslash is a letter of a name here, and lands in the folder like any other.
        if name.starts_with("..\\") {
            assert!(answer.is_ok(), "{name}: {answer}");
            fs::remove_file(folder.join(name))?;
            continue;
        }
        assert!(!answer.is_ok(), "{name}: {answer}");
        let refused = answer.failed_with("bad_arguments");
        // Too long a name is the file system's to refuse.
        assert!(refused || name.len() > 255, "{name}: {answer}");
        assert_eq!(places(&world)?, before, "{name} has left something");
    }
    for place in ["/tmp", "/dev/shm", "/"] {
        let path = Path::new(place).join(&marker);
        assert!(!path.exists(), "{} is there", path.display());
    }
    world.close().await
}

#[tokio::test]
async fn a_link_by_the_name_of_the_picture_is_replaced_and_never_followed() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    one.open(&world.site.url("/")).await?;
    let folder = one.spawn().folder;
    let secret = world.state().join("secret");
    let kept = fs::read(&secret)?;
    symlink(&secret, folder.join("link.png"))?;
    symlink(
        world.folder().join("nowhere.png"),
        folder.join("dangling.png"),
    )?;
    fs::hard_link(&secret, folder.join("hard.png"))?;
    for name in ["link.png", "dangling.png", "hard.png"] {
        let answer = shoot(&one, name).await?;
        assert!(answer.is_ok(), "{name}: {answer}");
        let about = fs::symlink_metadata(folder.join(name))?;
        assert!(about.is_file() && about.len() > 1_000, "{name}: {about:?}");
    }
    assert_eq!(fs::read(&secret)?, kept);
    assert!(!world.folder().join("nowhere.png").exists());
    world.close().await
}

#[tokio::test]
async fn a_root_that_becomes_a_link_is_no_root_any_more() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    one.open(&world.site.url("/")).await?;
    let folder = one.spawn().folder;
    let treasure = world.folder().join("treasure");
    fs::create_dir(&treasure)?;
    assert!(shoot(&one, "before.png").await?.is_ok());
    for (number, to) in [treasure.clone(), world.state(), world.extension()]
        .iter()
        .enumerate()
    {
        let aside = folder.with_extension(format!("{number}"));
        fs::rename(&folder, &aside)?;
        symlink(to, &folder)?;
        let before = places(&world)?;
        let absolute = folder.join("after.png").to_string_lossy().into_owned();
        for name in ["after.png", &absolute] {
            let answer = shoot(&one, name).await?;
            assert!(answer.failed_with("bad_arguments"), "{name}: {answer}");
        }
        assert_eq!(places(&world)?, before, "{} has something", to.display());
        fs::remove_file(&folder)?;
        fs::rename(&aside, &folder)?;
    }
    assert!(shoot(&one, "again.png").await?.is_ok());
    world.close().await
}

#[tokio::test]
async fn a_root_may_be_a_link_but_leads_to_no_secret() -> Result<()> {
    let world = World::start().await?;
    let treasure = world.folder().join("treasure");
    fs::create_dir_all(treasure.join("chest"))?;
    fs::write(treasure.join("chest/pairing.json"), "{}")?;
    let link = world.folder().join("link");
    symlink(&treasure, &link)?;
    let mut spawn = world.spawn("one", Era::Legacy);
    for root in [link.clone(), world.state(), world.extension()] {
        let root = root.to_string_lossy().into_owned();
        spawn.arguments.extend(["--roots".to_owned(), root]);
    }
    let one = world.agent_of(spawn).await?;
    one.open(&world.site.url("/")).await?;
    // Its state is written while it works, but nothing by this name.
    let holds = |folder: &Path| fs::read_dir(folder).map(Iterator::count);
    for folder in [
        world.state(),
        world.state().join("registry"),
        world.extension(),
        world.extension().join("icons"),
        link.join("chest"),
    ] {
        let before = holds(&folder)?;
        let name = folder.join("a.png").to_string_lossy().into_owned();
        let answer = shoot(&one, &name).await?;
        assert!(answer.failed_with("bad_arguments"), "{name}: {answer}");
        assert_eq!(holds(&folder)?, before, "{name}");
    }
    let name = link.join("a.png").to_string_lossy().into_owned();
    let answer = shoot(&one, &name).await?;
    assert!(answer.is_ok(), "{answer}");
    assert!(treasure.join("a.png").is_file());
    world.close().await
}
