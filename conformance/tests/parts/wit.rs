//! `wit/` carries the contracts as they were given, and every package parses.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::path::{Path, PathBuf};

use wit_parser::Resolve;

fn wit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")
}

fn text(path: &str) -> String {
    std::fs::read_to_string(wit().join(path)).unwrap()
}

fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// The part of a text from one marker to another, both included; an empty end marker means all the rest.
fn part<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let start = text.find(from).unwrap();
    match to {
        "" => &text[start..],
        to => &text[start..start + text[start..].find(to).unwrap() + to.len()],
    }
}

#[test]
fn every_package_parses_and_has_its_worlds() {
    let worlds = [
        ("pie", vec!["inferlet"]),
        ("akshi", vec!["agent"]),
        ("yoi", vec!["instance"]),
        ("actr", vec!["actr-workload-guest"]),
        (
            "uni",
            vec!["aggregate-plugin", "procedure-plugin", "scalar-plugin"],
        ),
        ("driver", vec![]),
    ];
    for (folder, expected) in worlds {
        let mut resolve = Resolve::new();
        let (package, _) = resolve.push_dir(wit().join(folder)).unwrap();
        let mut found: Vec<&str> = resolve.packages[package]
            .worlds
            .keys()
            .map(String::as_str)
            .collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{folder}");
    }
}

#[test]
fn the_texts_are_those_that_were_given() {
    let same =
        |file: &str, given: &str| assert_eq!(squeezed(&text(file)), squeezed(given), "{file}");

    same("uni/plugin.wit", &text("seeds/uni-plugin.txt"));
    same(
        "yoi/plugin.wit",
        part(
            &text("seeds/yoi-plugin-instance.txt"),
            "package yoi:plugin",
            "",
        ),
    );
    same(
        "actr/workload.wit",
        part(
            &text("seeds/actr-workload.txt"),
            "// actr workload contract",
            "",
        ),
    );

    let akshi = text("seeds/akshi-runtime.txt");
    let parts = [
        part(&akshi, "package akshi:runtime", ";"),
        part(&akshi, "interface host {", "\n}"),
        part(&akshi, "world agent {", "\n}"),
    ];
    same("akshi/runtime.wit", &parts.concat());

    let added = "interface run { run: func() -> result<_, string>; } world inferlet { import core; export run; }";
    let pie = format!(
        "package pie:inferlet; {} {added}",
        text("seeds/pie-core.txt")
    );
    same("pie/core.wit", &pie);
}
