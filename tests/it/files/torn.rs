//! A file that changes while it is read: what is sent is one version of it, or nothing.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use lanpost::engine::ops::{self, Draft};
use lanpost::error::Kind;
use lanpost::model::state::State;

use super::{bytes, file, kept, send};
use crate::common::Pair;

/// A file of some age, so that a write to it gives it another time.
fn aged(top: &Path, name: &str, size: usize) -> PathBuf {
    let path = file(top, name, size, 1);
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_modified(then).unwrap();
    path
}

#[test]
fn a_file_that_changes_while_it_is_read_goes_whole_or_not_at_all() {
    let mut pair = Pair::new();
    pair.run(Duration::from_secs(60));
    let top = tempfile::tempdir().unwrap();
    for (size, inside) in [(3 << 20, false), (1_000, false), (1_000, true), (3 << 20, true)] {
        let path = aged(top.path(), "folder/log", size);
        let named = if inside { top.path().join("folder") } else { path.clone() };
        let mut draft = Draft::new("b".parse().unwrap(), "x");
        let error = ops::attach(pair.a.node_mut(), &mut draft, &[named], &mut |_, _| {
            fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"more").unwrap();
        });
        let error = error.unwrap_err();
        assert!(error.kind() == Kind::Busy && error.to_string().contains("is done"), "{error}");
        assert_eq!(kept(&pair.a), 0, "nothing of it stays");
    }
    for (seal, seed) in [(false, 2), (true, 3)] {
        // Once, in the same size, and then no more.
        let path = aged(top.path(), "table", 3 << 20);
        let mut draft = Draft { seal, ..Draft::new("b".parse().unwrap(), "x") };
        let mut news = Some(bytes(3 << 20, seed));
        ops::attach(pair.a.node_mut(), &mut draft, std::slice::from_ref(&path), &mut |_, _| {
            news.take().into_iter().for_each(|bytes| fs::write(&path, bytes).unwrap());
        })
        .unwrap();
        let sent = ops::send(pair.a.node_mut(), draft).unwrap();
        pair.until("the file", |pair| pair.a.state_of(&sent) == State::Delivered);
        let to = top.path().join(sent.id.as_str());
        ops::fetch(pair.b.node(), sent.id.as_str(), &to, &mut |_, _| {}).unwrap();
        assert!(fs::read(to.join("table")).unwrap() == bytes(3 << 20, seed), "it is one version");
    }
    let sent = send(&mut pair.a, "b", &[aged(top.path(), "quiet", 10)], |_| {});
    assert_eq!(sent.attachments[0].size, 10);
}
