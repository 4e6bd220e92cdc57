//! Fetching: nothing is overwritten, no name leads out of the folder, and what is there already is left alone.

use std::path::Path;

use lanpost::engine::ops::{self, Fetched};
use lanpost::model::blob::Blob;
use lanpost::model::state::State;
use lanpost::store::db::Message;
use serde_json::json;

use super::{file, folder, send};
use crate::common::{Pair, Site};

fn fetch(site: &Site, message: &Message, to: &Path) -> Fetched {
    ops::fetch(site.node(), message.id.as_str(), to, &mut |_, _| {}).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_there_is_left_alone() {
    let mut pair = Pair::new();
    let top = tempfile::tempdir().unwrap();
    let paths = [file(top.path(), "report.pdf", 100, 1), folder(top.path())];
    let sent = send(&mut pair.a, "b", &paths, |_| {});
    pair.until("the files", |pair| pair.a.state_of(&sent) == State::Delivered);
    let to = top.path().join("new/folder");
    assert!(fetch(&pair.b, &sent, &to).files.iter().all(|file| !file.already));
    assert!(fetch(&pair.b, &sent, &to).files.iter().all(|file| file.already), "the same is there");
    assert_eq!(names(&to), ["data", "report.pdf"]);
    std::fs::write(to.join("report.pdf"), "mine").unwrap();
    std::fs::write(to.join("data/many/03.txt"), "mine").unwrap();
    let again = fetch(&pair.b, &sent, &to);
    assert!(again.files.iter().all(|file| !file.already));
    assert_eq!(names(&to), ["data", "data (2)", "report (2).pdf", "report.pdf"]);
    assert_eq!(std::fs::read_to_string(to.join("report.pdf")).unwrap(), "mine");
    assert_eq!(names(&to.join("data (2)")), ["empty", "large.bin", "many"]);
    let third = fetch(&pair.b, &sent, &to);
    assert!(third.files.iter().all(|file| file.already), "it has its number, and gets no other one");
    assert!(third.files[0].path.ends_with("report (2).pdf") && third.files[1].path.ends_with("data (2)"));
    assert_eq!(names(&to).len(), 4);
    // Its blob is spoilt on the disk: half of it is worse than nothing.
    let hash = sent.attachments[0].blake3.to_string();
    let blob = pair.b.node().config.state.join("files").join(&hash[..2]).join(&hash);
    std::fs::write(&blob, vec![0; 100]).unwrap();
    let before = names(&to);
    std::fs::remove_file(to.join("report (2).pdf")).unwrap();
    let error = ops::fetch(pair.b.node(), sent.id.as_str(), &to, &mut |_, _| {}).unwrap_err();
    assert!(error.to_string().contains("\"report.pdf\" was damaged"), "{error}");
    assert_eq!(names(&to).len(), before.len() - 1);
}

#[test]
fn no_name_leads_out_of_the_folder() {
    let mut pair = Pair::new();
    let top = tempfile::tempdir().unwrap();
    // As a hostile sender would write it: the blob is honest, its name is not.
    let evil = ["../../evil", "C:\\evil", "/evil", "CON", "..", "a/b", "evil.txt:stream", "x\u{202e}gpj.exe"];
    let blob = Blob::of(b"evil");
    let path = top.path().join("evil");
    std::fs::write(&path, "evil").unwrap();
    let first = send(&mut pair.a, "b", &[path], |_| {});
    pair.until("the blob", |pair| pair.a.state_of(&first) == State::Delivered);
    let all: Vec<_> =
        evil.iter().map(|name| json!({"name": name, "size": 4, "blake3": blob.blake3})).collect();
    let sent = pair.a.send_one("b", "all of them", |_| {});
    let rest = json!({"attachments": all});
    let text = rest.to_string();
    let db = rusqlite::Connection::open(pair.a.node().config.state.join("lanpost.db")).unwrap();
    db.execute("UPDATE message SET rest = ?1 WHERE id = ?2", [&text, sent.id.as_str()]).unwrap();
    pair.until("the names", |pair| {
        pair.b.inbox().iter().any(|it| it.id == sent.id && it.state == State::Delivered)
    });
    let to = top.path().join("deep/er/to");
    let fetched = fetch(&pair.b, &sent, &to);
    assert_eq!(fetched.files.len(), evil.len());
    for file in &fetched.files {
        assert_eq!(file.path.parent().unwrap(), to, "{file:?}");
        assert_eq!(std::fs::read(&file.path).unwrap(), b"evil");
    }
    let mut names = names(&to);
    assert!(names.iter().all(|name| !name.contains(['/', '\\', ':', '\u{202e}'])), "{names:?}");
    names.dedup();
    assert_eq!(names.len(), evil.len(), "{names:?}");
    assert_eq!(std::fs::read_dir(top.path()).unwrap().count(), 2, "nothing beside it");
}
