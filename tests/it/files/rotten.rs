//! A disk that rots: what is kept in a state folder is no longer what its name says. Nobody is told that it was verified, it
//! is had anew from whoever still has it, and where nobody has, people are told what to do.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lanpost::engine::ops::{self, Draft};
use lanpost::error::Kind;
use lanpost::model::blob::Hash;
use lanpost::model::layout;
use lanpost::model::state::State;
use lanpost::store::db::Message;

use super::{bytes, file, folder, on_share, send};
use crate::common::{Pair, Site};

const SIZE: usize = 200_000;
const MINUTE: Duration = Duration::from_secs(60);

fn copy(site: &Site, hash: &Hash) -> PathBuf {
    let hash = hash.to_string();
    site.node().config.state.join("files").join(&hash[..2]).join(hash)
}

/// Flips a bit of what is kept of the bytes.
fn rot(site: &Site, hash: &Hash) {
    let path = copy(site, hash);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

fn fetch(pair: &Pair, message: &Message, to: &Path) -> lanpost::error::Result<ops::Fetched> {
    ops::fetch(pair.b.node(), message.id.as_str(), to, &mut |_, _| {})
}

fn is_good(site: &Site, hash: &Hash) -> bool {
    std::fs::read(copy(site, hash)).is_ok_and(|bytes| Hash::of(&bytes) == *hash)
}

#[test]
fn a_rotten_copy_is_not_verified_for_the_next_message() {
    let mut pair = Pair::new();
    let top = tempfile::tempdir().unwrap();
    let paths = [file(top.path(), "x", SIZE, 1), folder(top.path())];
    let first = send(&mut pair.a, "b", &paths, |_| {});
    pair.until("the first", |pair| pair.a.state_of(&first) == State::Delivered);
    let all: Vec<Hash> = pair.b.node().db.blobs().unwrap().0.into_iter().collect();
    assert_eq!(all.len(), 4, "a file, a manifest, a pack, a large file");
    all.iter().for_each(|hash| rot(&pair.b, hash));
    let second = send(&mut pair.a, "b", &paths, |_| {});
    pair.until("the second", |pair| pair.a.state_of(&second) == State::Delivered);
    assert!(all.iter().all(|hash| is_good(&pair.b, hash)), "they were fetched anew");
    for message in [first, second] {
        let to = top.path().join(message.id.as_str());
        fetch(&pair, &message, &to).unwrap();
        assert_eq!(std::fs::read(to.join("x")).unwrap(), bytes(SIZE, 1));
    }
}

#[test]
fn fetch_throws_a_rotten_copy_away_and_has_it_anew() {
    for gone_from_the_share in [false, true] {
        let mut pair = Pair::new();
        let top = tempfile::tempdir().unwrap();
        let paths = [file(top.path(), "x", SIZE, 1), folder(top.path())];
        let sent = send(&mut pair.a, "b", &paths, |_| {});
        pair.until("the files", |pair| pair.a.state_of(&sent) == State::Delivered);
        let (x, large) = (Hash::of(&bytes(SIZE, 1)), Hash::of(&bytes(3 << 20, 7)));
        let to = top.path().join("to");
        for (hash, name) in [(x, "\"x\""), (large, "\"data\"")] {
            rot(&pair.b, &hash);
            if gone_from_the_share {
                pair.share.remove(&layout::blob(&hash)).unwrap();
            }
            let error = fetch(&pair, &sent, &to).unwrap_err();
            let said = error.to_string();
            assert!(
                error.kind() == Kind::Busy && said.contains(name) && said.contains(sent.id.as_str()),
                "{said}"
            );
            assert!(said.contains("try again") && !copy(&pair.b, &hash).exists(), "{said}");
            let error = fetch(&pair, &sent, &to).unwrap_err();
            assert!(error.kind() == Kind::NotFound && error.to_string().contains(name), "{error}");
            pair.until("it anew", |pair| is_good(&pair.b, &hash));
        }
        fetch(&pair, &sent, &to).unwrap();
        assert_eq!(std::fs::read(to.join("data/large.bin")).unwrap(), bytes(3 << 20, 7));
        assert_eq!(pair.a.state_of(&sent), State::Delivered);
    }
}

#[test]
fn what_rotted_at_its_sender_is_replaced_by_the_file_that_is_attached() {
    let mut pair = Pair::new();
    let top = tempfile::tempdir().unwrap();
    let path = file(top.path(), "x", SIZE, 1);
    let hash = Hash::of(&bytes(SIZE, 1));
    let first = send(&mut pair.a, "b", std::slice::from_ref(&path), |_| {});
    pair.until("the first", |pair| pair.a.state_of(&first) == State::Delivered);
    rot(&pair.a, &hash);
    rot(&pair.b, &hash);
    pair.share.remove(&layout::blob(&hash)).unwrap();
    let second = send(&mut pair.a, "b", &[path], |_| {});
    assert!(is_good(&pair.a, &hash));
    pair.until("the second", |pair| pair.a.state_of(&second) == State::Delivered);
    assert!(is_good(&pair.b, &hash));
}

#[test]
fn what_rots_at_its_sender_before_it_is_on_the_share_ends_with_a_word() {
    for begun in [false, true] {
        let mut pair = Pair::new();
        let top = tempfile::tempdir().unwrap();
        let (size, hash) = (5 << 19, Hash::of(&bytes(5 << 19, 1)));
        let path = file(top.path(), "big.bin", size, 1);
        let sent = send(&mut pair.a, "b", std::slice::from_ref(&path), |_| {});
        if begun {
            pair.until("a slice", |pair| on_share(pair).first().is_some_and(|(_, len)| *len >= 1 << 20));
            pair.a.start();
        }
        rot(&pair.a, &hash);
        pair.until("the end", |pair| pair.a.state_of(&sent) == State::Failed);
        assert_eq!(on_share(&pair), [], "nothing of it stays");
        let outcome = ops::trace(pair.a.node(), sent.id.as_str()).unwrap().message.outcome.unwrap();
        assert!(outcome.contains("\"big.bin\"") && outcome.contains("send it again"), "{outcome}");
        assert!(pair.a.problems.iter().any(|problem| problem.contains("damaged")), "{:?}", pair.a.problems);
        let again = send(&mut pair.a, "b", &[path], |_| {});
        pair.until("it again", |pair| pair.a.state_of(&again) == State::Delivered);
    }
}

#[test]
fn who_waits_for_what_nobody_has_any_more_is_told_and_gets_it_with_the_next_message() {
    let mut pair = Pair::new();
    let top = tempfile::tempdir().unwrap();
    let path = file(top.path(), "x", SIZE, 1);
    let hash = Hash::of(&bytes(SIZE, 1));

    let sent = send(&mut pair.a, "b", std::slice::from_ref(&path), |_| {});
    pair.until("the blob", |pair| pair.share.stat(&layout::blob(&hash)).unwrap().is_some());
    pair.share.remove(&layout::blob(&hash)).unwrap();
    rot(&pair.a, &hash);
    pair.until("word of it", |pair| {
        pair.a.status().problems.iter().any(|problem| {
            problem.contains("\"x\"")
                && problem.contains("send it again")
                && problem.contains(sent.id.as_str())
        })
    });
    let trace = ops::trace(pair.a.node(), sent.id.as_str()).unwrap();
    assert_eq!(trace.message.state, State::Fetching);
    assert!(trace.note.as_ref().is_some_and(|note| note.contains("\"x\"")), "{:?}", trace.note);
    pair.run(MINUTE);
    let again = send(&mut pair.a, "b", &[path], |_| {});
    pair.until("both", |pair| [&sent, &again].iter().all(|it| pair.a.state_of(it) == State::Delivered));
    assert!(!pair.a.status().problems.iter().any(|problem| problem.contains("\"x\"")));
}

#[test]
fn a_dead_letter_is_not_sent_again_with_rotten_files() {
    let mut pair = Pair::new();
    let top = tempfile::tempdir().unwrap();
    let sent = send(&mut pair.a, "b", &[file(top.path(), "x", SIZE, 1)], |_| {});
    pair.until("the file", |pair| pair.a.state_of(&sent) == State::Delivered);
    ops::ack(pair.b.node_mut(), &[sent.id.to_string()], Some("no time")).unwrap();
    pair.until("the end", |pair| pair.a.state_of(&sent) == State::Failed);
    rot(&pair.a, &Hash::of(&bytes(SIZE, 1)));
    let ids = [sent.id.to_string()];
    let error = ops::redrive(pair.a.node_mut(), &ids, None, ops::Author::Program).unwrap_err();
    assert!(error.kind() == Kind::NotFound && error.to_string().contains("not kept"), "{error}");
    let mut draft = Draft::new("b".parse().unwrap(), "x");
    ops::attach(pair.a.node_mut(), &mut draft, &[file(top.path(), "x", SIZE, 1)], &mut |_, _| {}).unwrap();
}
