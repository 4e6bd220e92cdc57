//! The one integration binary: every suite is a module of it, declared below, one line each.
#![allow(clippy::disallowed_methods, reason = "tests make files, wait and look at clocks where src/ may not")]

mod common;

mod a2a;
mod ask;
mod audit;
mod backup;
mod bad_input;
mod cancel;
mod chinese;
mod cli;
mod crash;
mod daemon;
mod dead;
mod direct;
mod doctor;
mod examples;
mod exchange;
mod exec;
mod faults;
mod files;
mod golden;
mod groups;
mod hooks;
mod hostile;
mod hung;
mod layers;
mod library;
mod mcp;
mod model;
mod moved;
mod openclaw;
mod paths;
mod reports;
mod restored;
mod retention;
mod sealed;
mod search;
mod secret;
mod service;
mod share_suite;
mod shell;
mod tasks;
mod threads;
mod timed;
mod trust;
mod waking;
mod watching;
#[cfg(windows)]
mod windows;

use std::path::Path;

/// The `.rs` files (and folders with a `mod.rs`) beside `declaring` that it doesn't declare.
fn undeclared(declaring: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(declaring).unwrap();
    let declared: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
        .collect();
    let mut forgotten = vec![];
    for entry in std::fs::read_dir(declaring.parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let (file, folder) = (path.extension().is_some_and(|it| it == "rs"), path.join("mod.rs"));
        if (file && path != declaring || folder.exists()) && !declared.contains(&stem.as_str()) {
            forgotten.push(path.display().to_string());
        }
        if folder.exists() {
            forgotten.extend(undeclared(&folder));
        }
    }
    forgotten
}

#[test]
fn no_suite_is_forgotten() {
    let main = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/main.rs");
    assert_eq!(undeclared(&main), [""; 0], "each of them needs a `mod` line");
}

#[test]
fn a_forgotten_suite_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("main.rs", "mod known;\nmod common;\n// mod lost;\n");
    write("known.rs", "");
    write("lost.rs", "");
    write("common/mod.rs", "pub mod inner;\n");
    write("common/inner.rs", "");
    write("common/deep.rs", "");
    write("notes.txt", "");
    let mut found = undeclared(&folder.path().join("main.rs"));
    found.sort();
    let names: Vec<_> =
        found.iter().map(|path| Path::new(path).file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["deep.rs", "lost.rs"]);
}
