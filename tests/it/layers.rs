//! The floors of `src/`, kept by machine: no upward import, no clock, file or runtime where it doesn't belong, no
//! file without its header.
//!
//! Reads the sources as text: comments and literals are blanked, `use` trees are unfolded, then every path is looked
//! at, in `use` lines and inline. Test code (`*/tests.rs`, a file's last `mod tests`) may make files, but not break
//! the order of the floors. The checker is itself checked, on sources that offend.

use std::fs;
use std::path::Path;

/// Floors, lowest first.
const FLOORS: [&str; 6] = ["model", "sys", "store", "engine", "adapt", "app"];

/// Words that belong to one place, and that place: path prefixes below `src/`.
const PLACES: [(&str, &[&str]); 18] = [
    ("std::fs", &["sys/"]),
    ("env::var", &["sys/"]),
    ("env::var_os", &["sys/"]),
    ("env::vars", &["sys/"]),
    ("Instant::now", &["sys/"]),
    ("SystemTime::now", &["sys/"]),
    ("thread::sleep", &["sys/"]),
    ("fs2::", &["sys/"]),
    ("walkdir::", &["sys/"]),
    ("tokio::", &["adapt/", "app/"]),
    ("hyper::", &["adapt/", "app/openclaw", "model/url", "model/config/webhook"]),
    ("notify::", &["adapt/watch"]),
    ("rusqlite::", &["store/db"]),
    ("rmcp::", &["app/mcp"]),
    ("schemars::", &["app/mcp"]),
    ("Utc::now", &["sys/clock"]),
    ("Local::now", &["sys/clock"]),
    ("encoding_rs::", &["model/text", "model/paths"]),
];

/// Words of [`PLACES`] that test code may use anywhere: it makes files of its own.
const FREE_IN_TESTS: [&str; 1] = ["std::fs"];

/// The files that may ask which platform it is.
const PLATFORM: [&str; 3] = ["sys/mod.rs", "adapt/signals/mod.rs", "adapt/service/mod.rs"];

/// What is wrong with the source `text` of the file `path` (relative to `src/`); `adapters` are the names below adapt/.
fn offences(path: &str, text: &str, adapters: &[String]) -> Vec<String> {
    let mut offences = vec![];
    if !text.starts_with("//!") {
        offences.push("does not begin with a //! header".to_owned());
    }
    let code = blank(text);
    let production = if path.ends_with("/tests.rs") { "" } else { without_tests(&code) };
    let (all, own) = (paths(&code), paths(production));
    for found in &all {
        // Tests lie in a module of their own, one further down.
        offences.extend(upward(path, found, if own.contains(found) { 0 } else { 1 }));
        offences.extend(sideways(path, found, adapters));
    }
    for (word, places) in PLACES {
        let looked_at = if FREE_IN_TESTS.contains(&word) { &own } else { &all };
        let home = places.iter().any(|place| path.starts_with(place));
        if let Some(found) = looked_at.iter().find(|found| !home && mentions(found, word)) {
            offences.push(format!("{found}: {word} belongs to {}", places.join(", ")));
        }
    }
    if path != "sys/mod.rs" && production.contains("disallowed_methods") {
        offences.push("clippy's disallowed_methods: sys/mod.rs alone may allow them".to_owned());
    }
    if !PLATFORM.contains(&path) {
        offences
            .extend(platform(production).map(|cfg| format!("{cfg}: the platform is asked for elsewhere")));
    }
    offences
}

/// The floor a file is on: `None` for lib.rs, which is on none; main.rs is on the highest.
fn floor(path: &str) -> Option<usize> {
    match path {
        "lib.rs" => None,
        "main.rs" => Some(FLOORS.len() - 1),
        _ => FLOORS.iter().position(|floor| path.starts_with(&format!("{floor}/"))),
    }
}

/// An import from a floor above, or of everything at once.
fn upward(path: &str, found: &str, deeper: usize) -> Option<String> {
    if path == "lib.rs" {
        return None;
    }
    let (climbed, rest) = from_above(found)?;
    let target = rest.split("::").next().unwrap_or_default();
    // How deep the file's own module lies: `a/b.rs` and `a/b/mod.rs` are two down from the root.
    let depth = path.trim_end_matches("/mod.rs").trim_end_matches(".rs").split('/').count() + deeper;
    if matches!(target, "*" | "") && climbed >= depth {
        return Some(format!("{found}: names the whole crate"));
    }
    let target = FLOORS.iter().position(|floor| *floor == target)?;
    match floor(path) {
        Some(own) if target <= own => None,
        _ => Some(format!("{found}: an import from a higher floor")),
    }
}

/// An adapter that knows another one.
fn sideways(path: &str, found: &str, adapters: &[String]) -> Option<String> {
    let own = path.strip_prefix("adapt/").filter(|own| *own != "mod.rs")?;
    let own = own.split('/').next().unwrap_or_default().trim_end_matches(".rs");
    let (_, rest) = from_above(found)?;
    let target = rest.strip_prefix("adapt::").unwrap_or(rest).split("::").next().unwrap_or_default();
    let other = adapters.iter().any(|adapter| adapter == target) && target != own;
    other.then(|| format!("{found}: adapters do not know each other"))
}

/// A path that leaves its module upwards: how many modules (a lot, for one from the crate's root), and the rest of it.
fn from_above(found: &str) -> Option<(usize, &str)> {
    for root in ["crate", "lanpost"] {
        if found == root {
            return Some((usize::MAX, ""));
        }
        if let Some(rest) = found.strip_prefix(&format!("{root}::")) {
            return Some((usize::MAX, rest));
        }
    }
    let (mut rest, mut climbed) = (found.strip_prefix("self::").unwrap_or(found), 0);
    while let Some(shorter) = rest.strip_prefix("super::") {
        (rest, climbed) = (shorter, climbed + 1);
    }
    match rest {
        "super" => Some((climbed + 1, "")),
        _ => (climbed > 0).then_some((climbed, rest)),
    }
}

/// Whether `found` is, begins with, or holds the path `word` at the border of a segment; a crate, `word::`, stands first.
fn mentions(found: &str, word: &str) -> bool {
    let path = format!("::{found}::");
    if word.ends_with("::") {
        return path.starts_with(&format!("::{word}"));
    }
    path.contains(&format!("::{}::", word.trim_end_matches("::")))
}

/// A `cfg` that asks for the platform, other than for a test's sake.
fn platform(code: &str) -> Option<String> {
    let squeezed: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let mut rest = squeezed.as_str();
    while let Some(at) = ["cfg(", "cfg!(", "cfg_attr("].iter().filter_map(|start| rest.find(start)).min() {
        let end = rest[at..].find([']', ';', '{']).map_or(rest.len(), |end| at + end);
        let asked = &rest[at..end];
        let words: Vec<&str> = asked.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        let platform = |word: &&str| matches!(*word, "unix" | "windows") || word.starts_with("target_");
        if words.iter().any(platform) && !words.contains(&"test") {
            return Some(asked.to_owned());
        }
        rest = &rest[at + 3..];
    }
    None
}

/// Every path in `code`: those of `use` trees one by one, and those that stand inline. `as` names are left out.
fn paths(code: &str) -> Vec<String> {
    let mut found = vec![];
    let mut rest = String::new();
    let mut statements = code.split_inclusive(';');
    for statement in &mut statements {
        match words_start(statement, "use").filter(|_| statement.ends_with(';')) {
            Some(at) => {
                rest.push_str(&statement[..at]);
                let tree: String = statement[at + 3..].trim_end_matches(';').to_owned();
                unfold("", &tree, &mut found);
            }
            None => rest.push_str(statement),
        }
    }
    let squeezed = rest.replace(":: ", "::").replace(" ::", "::");
    let inline = squeezed.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | ':' | '*')));
    found.extend(inline.map(|path| path.trim_matches(':').to_owned()).filter(|path| path.contains("::")));
    found
}

/// Where the keyword `word` stands in a statement: at its start, or after an earlier item's end.
fn words_start(statement: &str, word: &str) -> Option<usize> {
    let bytes = statement.as_bytes();
    statement.match_indices(word).map(|(at, _)| at).find(|at| {
        let before = statement[..*at].trim_end();
        let starts = before.is_empty() || before.ends_with(['}', ']', '{', ')']) || before.ends_with("pub");
        let apart = *at == 0 || !bytes[at - 1].is_ascii_alphanumeric() && bytes[at - 1] != b'_';
        starts && apart && bytes.get(at + word.len()).is_some_and(u8::is_ascii_whitespace)
    })
}

/// The single paths of a `use` tree.
fn unfold(prefix: &str, tree: &str, found: &mut Vec<String>) {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        let path: String = path.chars().filter(|c| !c.is_whitespace()).collect();
        let full = format!("{prefix}{path}");
        found.push(full.strip_suffix("::self").unwrap_or(&full).trim_start_matches(':').to_owned());
        return;
    };
    let stem: String = tree[..open].chars().filter(|c| !c.is_whitespace()).collect();
    let prefix = format!("{prefix}{stem}");
    let inner = &tree[open + 1..tree.rfind('}').unwrap_or(tree.len())];
    let (mut depth, mut start) = (0, 0);
    for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !inner[start..at].trim().is_empty() {
                    unfold(&prefix, &inner[start..at], found);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// The code before a file's last `#[cfg(test)] mod tests`, or before one that has a file of its own.
fn without_tests(code: &str) -> &str {
    let marks = ["#[cfg(test)]\nmod tests", "#[cfg(all(test,", "#[cfg(all( test"];
    let first = marks.iter().filter_map(|mark| code.find(mark)).min();
    first.map_or(code, |at| &code[..at])
}

/// `text` with comments and the insides of literals taken out; everything else stays where it is, line by line.
fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let (mut out, mut i) = (String::new(), 0);
    while i < chars.len() {
        let word_before = i > 0 && (at(i - 1).is_alphanumeric() || at(i - 1) == '_');
        match (at(i), at(i + 1)) {
            ('/', '/') => {
                while i < chars.len() && at(i) != '\n' {
                    i += 1;
                }
            }
            ('/', '*') => {
                let mut depth = 0;
                loop {
                    match (at(i), at(i + 1)) {
                        ('/', '*') => (depth, i) = (depth + 1, i + 2),
                        ('*', '/') => (depth, i) = (depth - 1, i + 2),
                        _ => i += 1,
                    }
                    if depth == 0 || i >= chars.len() {
                        break;
                    }
                }
            }
            ('r', '"' | '#') if !word_before || at(i - 1) == 'b' => {
                let hashes = (i + 1..).take_while(|n| at(*n) == '#').count();
                if at(i + 1 + hashes) != '"' {
                    out.push('r');
                    i += 1;
                    continue;
                }
                i += hashes + 2;
                while i < chars.len() && !(at(i) == '"' && (1..=hashes).all(|n| at(i + n) == '#')) {
                    i += 1;
                }
                i += hashes + 1;
                out.push_str("\"\"");
            }
            ('"', _) => {
                i += 1;
                while i < chars.len() && at(i) != '"' {
                    i += if at(i) == '\\' { 2 } else { 1 };
                }
                i += 1;
                out.push_str("\"\"");
            }
            ('\'', '\\') => {
                i += 3;
                while i < chars.len() && at(i) != '\'' {
                    i += 1;
                }
                i += 1;
            }
            ('\'', _) if at(i + 2) == '\'' => i += 3,
            (c, _) => {
                out.push(c);
                i += 1;
            }
        }
    }
    out
}

/// Every `.rs` file below `root`, with its path relative to `root` and its text.
fn sources(root: &Path) -> Vec<(String, String)> {
    let mut found = vec![];
    for entry in walkdir::WalkDir::new(root).sort_by_file_name() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if error.io_error().is_some_and(|e| e.kind() == std::io::ErrorKind::NotFound) => {
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        if entry.path().extension().is_some_and(|it| it == "rs") {
            let path = entry.path().strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            found.push((path, fs::read_to_string(entry.path()).unwrap()));
        }
    }
    found
}

/// The children of adapt/ but for `program` and `http`, which are there for them to share.
fn adapters(sources: &[(String, String)]) -> Vec<String> {
    let below = sources.iter().filter_map(|(path, _)| path.strip_prefix("adapt/"));
    let names =
        below.map(|path| path.split('/').next().unwrap_or_default().trim_end_matches(".rs").to_owned());
    names.filter(|name| !["mod", "program", "http"].contains(&name.as_str())).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_source_keeps_to_its_floor() {
    let sources = sources(&root().join("src"));
    assert!(sources.len() > 60, "src/ was not found: {} files", sources.len());
    let adapters = adapters(&sources);
    let offences: Vec<String> = sources
        .iter()
        .flat_map(|(path, text)| {
            offences(path, text, &adapters).into_iter().map(move |it| format!("{path}: {it}"))
        })
        .collect();
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

#[test]
fn every_test_bench_and_example_says_what_it_is() {
    for folder in ["tests", "benches", "examples"] {
        for (path, text) in sources(&root().join(folder)) {
            assert!(text.starts_with("//!"), "{folder}/{path} does not begin with a //! header");
        }
    }
}

/// What the checker says of a made-up source; the header is added.
fn said(path: &str, code: &str) -> String {
    let adapters = ["watch", "wake", "signals"].map(str::to_owned);
    offences(path, &format!("//! Made up.\n{code}"), &adapters).join("\n")
}

#[test]
fn an_upward_import_is_found_however_it_is_written() {
    for (path, code) in [
        ("model/name.rs", "use crate::store::db::Db;"),
        ("model/name.rs", "pub(crate) use crate::{error::Result, sys::clock};"),
        ("model/name.rs", "use crate::{\n    error::Result,\n    engine::{node, ops::{self}},\n};"),
        ("model/name.rs", "fn f() { crate::engine::ops::inbox() }"),
        ("model/name.rs", "fn f() -> crate :: engine :: Step { todo!() }"),
        ("model/name.rs", "use crate::engine as e;"),
        ("model/name.rs", "use crate as root;"),
        ("model/name.rs", "use crate::*;"),
        ("model/name.rs", "use lanpost::engine::Engine;"),
        ("model/name.rs", "use super::super::sys::clock::Clock;"),
        ("model/mod.rs", "use super::sys;"),
        ("model/mod.rs", "use super::*;"),
        ("store/db/mod.rs", "fn f() { super::super::super::engine::f() }"),
        ("store/db/mod.rs", "use super::super::*;"),
        ("sys/disk.rs", "use super::super::{store::db, model};"),
        ("error.rs", "use crate::model::name::Name;"),
        ("engine/step.rs", "#[cfg(test)]\nmod tests {\n    use crate::app::daemon;\n}"),
        ("engine/intake/tests.rs", "use crate::adapt::watch;"),
    ] {
        let said = said(path, code);
        assert!(
            said.contains("higher floor") || said.contains("whole crate"),
            "{path}: {code}\nsaid: {said}"
        );
    }
}

#[test]
fn what_is_allowed_is_left_alone() {
    for (path, code) in [
        ("engine/step.rs", "use crate::store::db::Db;\nuse super::super::model::name::Name;"),
        ("engine/step.rs", "/// See crate::app::daemon.\nfn f() { let s = \"crate::app::x std::fs\"; }"),
        ("engine/step.rs", "/* std::fs /* nested */ tokio:: */ fn f<'a>(x: &'a str) { let q = '\"'; }"),
        ("engine/step.rs", "fn f() { let s = r#\"std::fs::read(\"x\")\"#; }"),
        ("engine/wake.rs", "use super::ops;\nuse super::super::error::Error;"),
        (
            "store/key.rs",
            "fn f() {}\n#[cfg(test)]\nmod tests {\n    use std::fs;\n    fn g() { fs::read(1); }\n}",
        ),
        ("model/config/tests.rs", "use super::*;\nuse std::fs;"),
        ("model/text.rs", "#[cfg(all(test, unix))]\nmod tests {}"),
        ("sys/mod.rs", "#[cfg(windows)]\nmod windows;"),
        ("sys/disk.rs", "use std::fs::File;"),
        ("adapt/wake/command.rs", "use tokio::time::timeout;\nuse super::command;"),
        ("adapt/watch/native.rs", "use notify::Watcher;"),
        ("app/daemon.rs", "use crate::adapt::{signals, watch};"),
        ("adapt/service/systemd.rs", "fn f() { sd_notify::notify(1) }"),
        ("app/daemon.rs", "fn f() { std::env::args_os() }"),
        ("error.rs", "#[cfg(test)]\nmod tests {\n    use super::*;\n}"),
        ("model/unix.rs", "fn unix() { windows(); }"),
    ] {
        assert_eq!(said(path, code), "", "{path}: {code}");
    }
}

#[test]
fn what_belongs_elsewhere_is_found() {
    for (path, code, word) in [
        ("engine/step.rs", "use std::fs;", "std::fs"),
        ("engine/step.rs", "use std::{io, fs::{self, File}};", "std::fs"),
        ("engine/step.rs", "fn f() { std::fs::read(1) }", "std::fs"),
        ("engine/step.rs", "fn f() { let t = std::time::Instant::now(); }", "Instant::now"),
        ("engine/step.rs", "use std::time::Instant;\nfn f() { Instant::now() }", "Instant::now"),
        ("engine/step.rs", "#[cfg(test)]\nmod tests {\n    fn f() { Instant::now() }\n}", "Instant::now"),
        ("app/log.rs", "fn f() { SystemTime::now() }", "SystemTime::now"),
        ("app/log.rs", "fn f() { std::env::var(1) }", "env::var"),
        ("app/log.rs", "use std::env;\nfn f() { env::var_os(1) }", "env::var_os"),
        ("app/log.rs", "use std::env::vars;", "env::vars"),
        ("app/daemon.rs", "fn f() { std::thread::sleep(1) }", "thread::sleep"),
        ("store/lane.rs", "use fs2::FileExt;", "fs2::"),
        ("store/lane.rs", "fn f() { walkdir::WalkDir::new(1) }", "walkdir::"),
        ("engine/step.rs", "use tokio::time;", "tokio::"),
        ("adapt/wake/command.rs", "use notify::Watcher;", "notify::"),
        ("store/lane.rs", "use rusqlite::Connection;", "rusqlite::"),
        ("sys/files.rs", "fn f() { chrono::Utc::now() }", "Utc::now"),
        ("sys/files.rs", "use chrono::Local;\nfn f() { Local::now() }", "Local::now"),
        ("model/json.rs", "use encoding_rs::UTF_8;", "encoding_rs::"),
        ("app/log.rs", "#![allow(clippy::disallowed_methods)]", "disallowed_methods"),
        ("sys/disk.rs", "#[cfg(windows)]\nfn f() {}", "platform"),
        ("adapt/watch.rs", "fn f() { if cfg!(target_os = \"linux\") {} }", "platform"),
        ("adapt/watch.rs", "#[cfg_attr(not(unix), allow(x))]\nfn f() {}", "platform"),
        ("sys/disk.rs", "#[cfg(any(\n    unix,\n    feature = \"x\"\n))]\nfn f() {}", "platform"),
    ] {
        let said = said(path, code);
        assert!(said.contains(word), "{path}: {code}\nsaid: {said}");
    }
}

#[test]
fn an_adapter_that_knows_another_is_found() {
    for (path, code) in [
        ("adapt/watch.rs", "use crate::adapt::wake::command;"),
        ("adapt/watch.rs", "use super::wake;"),
        ("adapt/wake/command.rs", "use super::super::{signals, watch};"),
        ("adapt/wake/command.rs", "fn f() { crate::adapt::signals::stop() }"),
    ] {
        assert!(said(path, code).contains("do not know each other"), "{path}: {code}");
    }
}

#[test]
fn a_source_without_its_header_is_found() {
    for text in ["use std::io;", "// A comment.\n//! Too late.", "", "\n//! Too late."] {
        assert!(offences("model/x.rs", text, &[]).join("").contains("header"), "{text:?}");
    }
}
