//! What everything we build from may be licensed under: the list in deny.toml.

use crate::crates::{metadata, name};
use crate::repository::{expect_none, read};
use spdx::{Expression, LicenseReq, ParseMode};

#[test]
fn every_library_may_be_passed_on_under_our_licence() {
    let policy: toml::Table = read("deny.toml").parse().expect("deny.toml is TOML");
    let allowed: Vec<&str> = policy["licenses"]["allow"]
        .as_array()
        .expect("licenses.allow is a list")
        .iter()
        .filter_map(toml::Value::as_str)
        .collect();
    let fits = |licence: &LicenseReq| allowed.contains(&licence.to_string().as_str());
    let found = metadata(&[]).into_iter().filter_map(|package| {
        let stated = package["license"].as_str().unwrap_or("none");
        let fit = Expression::parse_mode(stated, ParseMode::LAX)
            .is_ok_and(|expression| expression.evaluate(fits));
        (!fit).then(|| format!("{}: {stated}", name(&package)))
    });
    expect_none(
        "A licence outside deny.toml's list binds those who pass the binary on: take another library, or add it there with the reason.",
        found,
    );
}
