//! Files: what is attached arrives whole and verified, or its sender hears why not; nothing is sent twice or kept for ever.

mod commands;
mod damaged;
mod fetched;
mod kept;
mod met;
mod private;
mod refused;
mod rotten;
mod torn;

use std::path::{Path, PathBuf};
use std::time::Duration;

use lanpost::engine::ops::{self, Draft};
use lanpost::model::blob::Hash;
use lanpost::model::layout;
use lanpost::model::state::State;
use lanpost::store::db::Message;

use crate::common::{Fault, Pair, Site, Verb};

/// Sends `paths` to `to`.
fn send(site: &mut Site, to: &str, paths: &[PathBuf], more: impl FnOnce(&mut Draft)) -> Message {
    let mut draft = Draft::new(to.parse().unwrap(), "see the files");
    more(&mut draft);
    ops::attach(site.node_mut(), &mut draft, paths, &mut |_, _| {}).unwrap();
    ops::send(site.node_mut(), draft).unwrap()
}

/// A file of `size` bytes of its own.
fn file(folder: &Path, name: &str, size: usize, seed: u8) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, bytes(size, seed)).unwrap();
    path
}

fn bytes(size: usize, seed: u8) -> Vec<u8> {
    let mut bytes = vec![0; size];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

/// The blobs on the share, by their sizes.
fn on_share(pair: &Pair) -> Vec<(String, u64)> {
    let mut all = pair.share.walk(10_000).unwrap().files;
    all.retain(|(path, _)| path.starts_with("files/"));
    all
}

/// Files in a state folder that are kept for messages.
fn kept(site: &Site) -> usize {
    let folder = site.node().config.state.join("files");
    let files = walkdir::WalkDir::new(folder).into_iter().flatten();
    files.filter(|entry| entry.file_type().is_file()).count()
}

/// A folder with small files, a large one, and one that holds nothing.
fn folder(top: &Path) -> PathBuf {
    for n in 0..40 {
        file(top, &format!("data/many/{n:02}.txt"), n * 10, n as u8);
    }
    file(top, "data/large.bin", 3 << 20, 7);
    std::fs::create_dir_all(top.join("data/empty/inside")).unwrap();
    top.join("data")
}

#[test]
fn a_file_and_a_folder_arrive_whole_before_anybody_is_told() {
    let mut pair = Pair::with(|config| config.wake.command = vec!["x".into()]);
    let top = tempfile::tempdir().unwrap();
    let paths = [file(top.path(), "报告.pdf", 5 << 18, 1), folder(top.path())];
    let sent = send(&mut pair.a, "b", &paths, |_| {});
    assert_eq!(sent.state, State::Attaching);
    let later = pair.a.send("b", &["later".into()]).remove(0);
    pair.until("the later mail", |pair| pair.a.state_of(&later) == State::Delivered);
    pair.until("the files", |pair| pair.a.state_of(&sent) == State::Delivered);
    let inbox = pair.b.inbox();
    let came = inbox.iter().find(|message| message.id == sent.id).unwrap();
    assert_eq!((came.state, came.attachments.len()), (State::Delivered, 2));
    assert!(came.rest.is_empty(), "{:?}", came.rest);
    assert_eq!(
        (came.attachments[1].folder.as_ref().unwrap().files, &*came.attachments[1].name),
        (41, "data")
    );
    pair.settle();
    let woken = pair.b.wakes.iter().flat_map(|wake| &wake.messages).filter(|message| message.id == sent.id);
    assert_eq!(woken.count(), 1);
    assert_eq!(pair.a.journey(sent.way, &sent), ["attaching", "queued", "sent", "fetching", "delivered"]);
    let came = came.clone();
    assert_eq!(pair.b.journey(came.way, &came)[..2], ["fetching", "delivered"]);
    let to = top.path().join("to");
    let fetched = ops::fetch(pair.b.node(), sent.id.as_str(), &to, &mut |_, _| {}).unwrap();
    assert!(fetched.files.iter().all(|file| !file.already));
    assert_eq!(std::fs::read(to.join("报告.pdf")).unwrap(), bytes(5 << 18, 1));
    assert_eq!(std::fs::read(to.join("data/large.bin")).unwrap(), bytes(3 << 20, 7));
    assert_eq!(std::fs::read(to.join("data/many/39.txt")).unwrap(), bytes(390, 39));
    assert!(to.join("data/empty/inside").is_dir());
}

#[test]
fn while_its_files_are_on_their_way_a_message_is_in_no_inbox_and_wakes_nobody() {
    let mut pair = Pair::with(|config| config.wake.command = vec!["x".into()]);
    let top = tempfile::tempdir().unwrap();
    let sent = send(&mut pair.a, "b", &[file(top.path(), "x", 100, 1)], |_| {});
    let path = layout::blob(&Hash::of(&bytes(100, 1)));
    pair.until("the blob on the share", |pair| pair.share.stat(&path).unwrap().is_some());
    // The server forgets it before it was fetched; its sender hears of it, and puts it there again.
    pair.share.remove(&path).unwrap();
    pair.until("the letter", |pair| pair.a.state_of(&sent) == State::Fetching);
    pair.b.step();
    assert!(pair.b.inbox().iter().all(|message| message.state == State::Fetching));
    assert!(ops::inbox(pair.b.node(), &Default::default()).unwrap().is_empty());
    let early = ops::fetch(pair.b.node(), sent.id.as_str(), top.path(), &mut |_, _| {}).unwrap_err();
    assert!(early.to_string().contains("0 % of 100 bytes"), "{early}");
    let id = sent.id.to_string();
    assert!(ops::read(pair.b.node_mut(), &id).is_err() && ops::ack(pair.b.node_mut(), &[id], None).is_err());
    assert!(pair.b.wakes.is_empty());
    assert!(
        ops::waits_for(pair.a.node(), &ops::state_of(pair.a.node(), &sent).unwrap())
            .unwrap()
            .unwrap()
            .contains("fetches")
    );
    pair.until("the file", |pair| pair.a.state_of(&sent) == State::Delivered);
    assert!(pair.a.journey(sent.way, &sent).contains(&"missing-file".to_owned()));
    pair.settle();
    assert_eq!(pair.b.wakes.len(), 1);
}

#[test]
fn what_is_sent_again_is_there_already() {
    let mut pair = Pair::new();
    let top = tempfile::tempdir().unwrap();
    let paths = [folder(top.path()), file(top.path(), "x", 5 << 20, 9)];
    let first = send(&mut pair.a, "b", &paths, |_| {});
    pair.until("the first", |pair| pair.a.state_of(&first) == State::Delivered);
    let (before, there) = (pair.a.counting.counts(), on_share(&pair));
    let again = send(&mut pair.a, "b", &paths, |_| {});
    pair.until("the second", |pair| pair.a.state_of(&again) == State::Delivered);
    let done = pair.a.counting.counts() - before;
    assert_eq!((done.verb(Verb::Write), done.verb(Verb::Rename)), (0, 0), "{done}");
    assert_eq!(on_share(&pair), there);
    // One small file changes: its pack and the manifest go, the large ones do not.
    file(top.path(), "data/many/07.txt", 71, 1);
    let before = pair.a.counting.counts();
    let third = send(&mut pair.a, "b", &paths, |_| {});
    pair.until("the third", |pair| pair.a.state_of(&third) == State::Delivered);
    assert_eq!((pair.a.counting.counts() - before).verb(Verb::Rename), 2);
}

#[test]
fn a_cut_costs_no_more_than_a_slice() {
    for restart in [false, true] {
        let mut pair = Pair::new();
        let top = tempfile::tempdir().unwrap();
        let (size, slice, piece) = (5 << 19, 1_u64 << 20, 64_u64 << 10);
        let sent = send(&mut pair.a, "b", &[file(top.path(), "big", size, 3)], |_| {});
        let begun = |pair: &Pair| on_share(pair).first().map_or(0, |(_, len)| *len);
        pair.until("a slice", |pair| begun(pair) >= slice);
        // In the middle of the next one, and with bytes that nobody can vouch for.
        pair.a.faults.plan(Verb::Write, 3, 1, Fault::Torn(100, std::io::ErrorKind::TimedOut));
        pair.until("the cut", |pair| pair.a.faults.fired().0 == 1);
        let before = pair.a.counting.counts();
        if restart {
            pair.a.start();
        }
        pair.until("the file", |pair| pair.a.state_of(&sent) == State::Delivered);
        let done = pair.a.counting.counts() - before;
        let written = done.verb(Verb::Write) + done.verb(Verb::Append);
        assert!(written * piece < size as u64 - slice + 10 * piece, "{done}");
        let path = layout::blob(&Hash::of(&bytes(size, 3)));
        assert_eq!(on_share(&pair), [(path.as_str().to_owned(), size as u64)], "nothing stays aside");
    }
}

#[test]
fn a_small_file_does_not_wait_for_a_large_one() {
    let mut pair = Pair::new();
    let top = tempfile::tempdir().unwrap();
    let large = send(&mut pair.a, "b", &[file(top.path(), "large", 60 << 20, 3)], |_| {});
    pair.step();
    let small = send(&mut pair.a, "b", &[file(top.path(), "small", 100, 3)], |_| {});
    pair.until("the small one", |pair| pair.a.state_of(&small) == State::Delivered);
    assert_ne!(pair.a.state_of(&large), State::Delivered);
    pair.until("the large one", |pair| pair.a.state_of(&large) == State::Delivered);
    pair.run(Duration::from_secs(60));
    assert!(pair.a.problems.is_empty() && pair.b.problems.is_empty());
}

#[test]
fn a_pass_carries_files_in_both_directions() {
    let mut pair = Pair::new();
    let top = tempfile::tempdir().unwrap();
    let sent = send(&mut pair.a, "b", &[file(top.path(), "x", 100, 3)], |_| {});
    pair.a.pass();
    pair.b.pass();
    assert_eq!(pair.b.inbox()[0].state, State::Delivered);
    pair.a.pass();
    assert_eq!(pair.a.state_of(&sent), State::Delivered);
}
