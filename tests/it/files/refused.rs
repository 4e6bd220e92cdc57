//! What is not taken: its sender hears why. What is held is not fetched. What is sealed nobody reads on its way.

use std::time::Duration;

use lanpost::engine::ops::{self, Draft};
use lanpost::model::config::Size;
use lanpost::model::state::State;
use lanpost::model::trust::Policy;

use super::{bytes, file, folder, kept, on_share, send};
use crate::common::Pair;

#[test]
fn what_the_recipient_does_not_take_comes_back_with_the_cause() {
    let mut pair = Pair::new();
    let top = tempfile::tempdir().unwrap();
    file(top.path(), "tree/deep/Click me.LNK", 10, 1);
    let link = file(top.path(), "x.lnk", 10, 1);
    pair.b.configure(|config| config.files.message = Size(2 << 20));
    for (path, why) in [
        (link, "files.refuse"),
        (top.path().join("tree"), "files.refuse"),
        (file(top.path(), "big", 3 << 20, 1), "bytes are attached"),
    ] {
        let sent = send(&mut pair.a, "b", &[path], |_| {});
        pair.until("the end", |pair| pair.a.state_of(&sent) == State::Failed);
        let report = pair.a.reports().into_iter().find(|it| it.in_reply_to == Some(sent.id.clone())).unwrap();
        let reason = report.content["reason"].as_str().unwrap();
        assert!(report.content["cause"] == "refused" && reason.contains(why), "{reason}");
    }
    assert!(ops::inbox(pair.b.node(), &Default::default()).unwrap().is_empty());
}

#[test]
fn when_there_is_no_room_files_wait() {
    let mut pair = Pair::new();
    let top = tempfile::tempdir().unwrap();
    pair.b.configure(|config| config.files.kept = Size(1 << 20));
    let sent = send(&mut pair.a, "b", &[file(top.path(), "x", 2 << 20, 1)], |_| {});
    let told =
        |pair: &mut Pair| pair.b.status().problems.iter().any(|problem| problem.contains("files.kept"));
    pair.until("the problem", told);
    pair.until("the letter", |pair| pair.a.state_of(&sent) == State::Fetching);
    pair.b.configure(|config| config.files.kept = Size(1 << 30));
    pair.until("the file", |pair| pair.a.state_of(&sent) == State::Delivered);
    pair.a.configure(|config| config.files.kept = Size(1 << 20));
    let mut draft = Draft::new("b".parse().unwrap(), "x");
    let paths = [file(top.path(), "y", 2 << 20, 2)];
    let error = ops::attach(pair.a.node_mut(), &mut draft, &paths, &mut |_, _| {}).unwrap_err();
    assert!(error.to_string().contains("files"), "{error}");
}

#[test]
fn what_is_held_is_not_fetched_before_it_is_released() {
    let mut pair = Pair::with(|config| config.wake.command = vec!["x".into()]);
    pair.b.configure(|config| {
        config.peers.entry("a".into()).or_default().policy = Some(Policy::Hold);
    });
    let top = tempfile::tempdir().unwrap();
    let sent = send(&mut pair.a, "b", &[file(top.path(), "x", 2 << 20, 1)], |_| {});
    pair.until("the letter", |pair| !pair.b.inbox().is_empty());
    pair.run(Duration::from_secs(60));
    assert_eq!((kept(&pair.b), pair.b.wakes.len(), pair.b.inbox()[0].held), (0, 0, true));
    let error = ops::fetch(pair.b.node(), sent.id.as_str(), top.path(), &mut |_, _| {}).unwrap_err();
    assert!(error.to_string().contains("held"), "{error}");
    ops::release(pair.b.node_mut(), sent.id.as_str()).unwrap();
    pair.until("the file", |pair| pair.a.state_of(&sent) == State::Delivered);
    pair.settle();
    assert_eq!((kept(&pair.b), pair.b.wakes.len()), (1, 1));
}

#[test]
fn what_is_sealed_is_encrypted_on_the_share_and_opened_by_its_recipient() {
    let mut pair = Pair::new();
    pair.run(Duration::from_secs(60));
    let top = tempfile::tempdir().unwrap();
    let paths = [file(top.path(), "secret.txt", 300_000, 1), folder(top.path())];
    let sent = send(&mut pair.a, "b", &paths, |draft| draft.seal = true);
    assert!(sent.sealed);
    pair.until("the files", |pair| pair.a.state_of(&sent) == State::Delivered);
    assert!(pair.lane_lines("a", "b").iter().all(|line| !line.contains("secret.txt")));
    let needle = &bytes(300_000, 1)[..64];
    for (path, _) in on_share(&pair) {
        let hash = path.rsplit('/').next().unwrap().parse().unwrap();
        let there = pair.share.read(&lanpost::model::layout::blob(&hash), 0, 100 << 20).unwrap().unwrap();
        assert!(there.starts_with(b"age-encryption.org/v1"));
        assert!(!there.windows(64).any(|window| window == needle));
    }
    let to = top.path().join("to");
    ops::fetch(pair.b.node(), sent.id.as_str(), &to, &mut |_, _| {}).unwrap();
    assert_eq!(std::fs::read(to.join("secret.txt")).unwrap(), bytes(300_000, 1));
    assert_eq!(std::fs::read(to.join("data/large.bin")).unwrap(), bytes(3 << 20, 7));
    assert_eq!(std::fs::read(to.join("data/many/39.txt")).unwrap(), bytes(390, 39));
}

#[test]
fn who_takes_no_files_gets_none() {
    let mut pair = Pair::new();
    let top = tempfile::tempdir().unwrap();
    let paths = [file(top.path(), "x", 10, 1)];
    let refusal = |pair: &mut Pair, to: &str| {
        let mut draft = Draft { create: true, ..Draft::new(to.parse().unwrap(), "x") };
        ops::attach(pair.a.node_mut(), &mut draft, &paths, &mut |_, _| {}).unwrap_err().to_string()
    };
    assert!(refusal(&mut pair, "stranger").contains("takes them"));
    pair.a.configure(|config| {
        let direct = lanpost::model::route::Route::Direct;
        config.peers.entry("b".into()).or_default().routes = Some(vec![direct]);
    });
    assert!(refusal(&mut pair, "b").contains("share alone"));
    assert_eq!(kept(&pair.a), 0);
}

#[test]
fn mail_whose_time_runs_out_before_its_files_are_there_expires() {
    let mut pair = Pair::new();
    let top = tempfile::tempdir().unwrap();
    pair.a.faults.away(Some(std::io::ErrorKind::TimedOut));
    let paths = [file(top.path(), "x", 10, 1)];
    let sent = send(&mut pair.a, "b", &paths, |draft| draft.ttl = Some(Duration::from_secs(60)));
    pair.until("its end", |pair| pair.a.state_of(&sent) == State::Expired);
    pair.a.faults.away(None);
    assert_eq!(pair.a.reports().len(), 1);
}
