//! What nobody needs goes: here, and on the share, where only what we put is ours to remove.

use std::time::Duration;

use lanpost::engine::ops;
use lanpost::model::blob::Hash;
use lanpost::model::layout;
use lanpost::model::state::State;

use super::{bytes, file, kept, on_share, send};
use crate::common::{Pair, Site};

const DAY: Duration = Duration::from_secs(86_400);

/// Days pass in long strides for a, and for b if it is on.
pub(super) fn days(pair: &mut Pair, days: u32, b_is_on: bool) {
    for _ in 0..days * 4 {
        pair.advance(DAY / 4);
        for _ in 0..40 {
            pair.a.step();
            if b_is_on {
                pair.b.step();
            }
        }
    }
}

fn blob(size: usize, seed: u8) -> layout::SharePath {
    layout::blob(&Hash::of(&bytes(size, seed)))
}

#[test]
fn what_was_fetched_goes_when_its_time_is_over() {
    let mut pair = Pair::new();
    let top = tempfile::tempdir().unwrap();
    let sent = send(&mut pair.a, "b", &[file(top.path(), "x", 2 << 20, 1)], |_| {});
    pair.until("the file", |pair| pair.a.state_of(&sent) == State::Delivered);
    ops::ack(pair.b.node_mut(), &[sent.id.to_string()], None).unwrap();
    days(&mut pair, 2, true);
    assert_eq!(
        (kept(&pair.a), kept(&pair.b), on_share(&pair).len()),
        (0, 1, 1),
        "the sender's copy is of no use"
    );
    days(&mut pair, 7, true);
    assert_eq!((on_share(&pair), kept(&pair.b)), (vec![], 1), "as long as its message is here, so is it");
    days(&mut pair, 30, true);
    assert_eq!((pair.b.inbox().len(), kept(&pair.b)), (0, 0));
    for site in [&pair.a, &pair.b] {
        assert!(site.node().db.blobs().unwrap().0.is_empty(), "nothing is remembered of it");
    }
}

#[test]
fn what_its_recipient_does_not_have_yet_stays_and_what_is_lost_comes_back() {
    let mut pair = Pair::new();
    let top = tempfile::tempdir().unwrap();
    let sent = send(&mut pair.a, "b", &[file(top.path(), "x", 100, 1)], |_| {});
    days(&mut pair, 20, false);
    assert!(pair.share.stat(&blob(100, 1)).unwrap().is_some() && kept(&pair.a) == 1);
    pair.share.remove(&blob(100, 1)).unwrap();
    days(&mut pair, 1, false);
    assert!(pair.share.stat(&blob(100, 1)).unwrap().is_some(), "it was looked at, and put there again");
    pair.until("the file", |pair| pair.a.state_of(&sent) == State::Delivered);
}

#[test]
fn what_somebody_else_sends_too_stays_for_them() {
    let mut pair = Pair::new();
    let mut third = Site::new(&pair.share, "c", 3, false);
    let top = tempfile::tempdir().unwrap();
    let path = file(top.path(), "x", 100, 1);
    let sent = send(&mut pair.a, "b", std::slice::from_ref(&path), |_| {});
    pair.until("the file", |pair| pair.a.state_of(&sent) == State::Delivered);
    third.run(Duration::from_secs(60));
    send(&mut third, "b", &[path], |_| {});
    third.run(Duration::from_secs(60));
    days(&mut pair, 20, true);
    assert!(pair.share.stat(&blob(100, 1)).unwrap().is_some(), "a put it there, and c wants it to stay");
    assert_eq!(pair.a.node().db.unneeded_there(i64::MAX).unwrap(), [], "a has left it to c");
}

#[test]
fn what_was_copied_here_and_never_sent_goes() {
    let mut pair = Pair::new();
    let top = tempfile::tempdir().unwrap();
    let mut draft = ops::Draft::new("b".parse().unwrap(), "never sent");
    let paths = [file(top.path(), "x", 2 << 20, 1)];
    ops::attach(pair.a.node_mut(), &mut draft, &paths, &mut |_, _| {}).unwrap();
    assert_eq!(kept(&pair.a), 1);
    days(&mut pair, 2, true);
    assert_eq!((kept(&pair.a), on_share(&pair)), (0, vec![]));
}
