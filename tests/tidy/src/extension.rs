//! Rules for the extension's folder: what the manifest says must be so elsewhere too.

use crate::crates::{members, name};
use crate::repository::{expect_none, read, root};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

fn manifest() -> Value {
    serde_json::from_str(&read("extension-shell/manifest.json")).expect("the manifest is JSON")
}

#[test]
fn the_manifest_has_the_version_of_the_workspace() {
    let members = members();
    let server = members
        .iter()
        .find(|package| name(package) == "interlock")
        .expect("the server is in the workspace");
    assert_eq!(
        manifest()["version"],
        server["version"],
        "Binary and extension are released together; chrome://extensions must show the version people ask for."
    );
}

/// The id Chrome gives to an extension with this key: the first half of its hash in the letters a to p.
fn id_of(key: &str) -> String {
    let der = STANDARD.decode(key).expect("the key is base64");
    Sha256::digest(der)
        .iter()
        .take(16)
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|half| char::from(b'a' + half))
        .collect()
}

#[test]
fn the_manifest_key_makes_the_id_that_servers_let_in() {
    let manifest = manifest();
    let key = manifest["key"].as_str().expect("the manifest has a key");
    assert_eq!(
        id_of(key),
        protocol::EXTENSION_ID,
        "Servers refuse every other Origin: with this key the extension could not connect."
    );
}

/// The files that the manifest names.
fn named_files(manifest: &Value) -> Vec<String> {
    let icons = [&manifest["icons"], &manifest["action"]["default_icon"]];
    let icons = icons
        .into_iter()
        .filter_map(Value::as_object)
        .flat_map(|icons| icons.values());
    [
        &manifest["background"]["service_worker"],
        &manifest["action"]["default_popup"],
    ]
    .into_iter()
    .chain(icons)
    .filter_map(Value::as_str)
    .map(str::to_owned)
    .collect()
}

#[test]
fn every_file_the_manifest_names_is_there() {
    let files = named_files(&manifest());
    assert!(!files.is_empty(), "the manifest names a worker and a popup");
    let missing = files
        .into_iter()
        .filter(|file| !root().join("extension-shell").join(file).is_file());
    expect_none(
        "Chrome refuses to load an extension with a missing file.",
        missing,
    );
}
