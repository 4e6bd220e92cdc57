//! Files and whatever else is done with mail: it goes later, to several, again, or is taken back; and it answers.

use std::path::PathBuf;
use std::time::Duration;

use chrono::TimeDelta;
use lanpost::engine::ops::{self, Asking, Attached, Author, Call, Draft, News, Taken, Withdrawal};
use lanpost::error::{Error, Kind};
use lanpost::model::cancel::Order;
use lanpost::model::config::Size;
use lanpost::model::group::{Meant, Recipient};
use lanpost::model::state::State;
use lanpost::store::db::{Message, Way};
use lanpost::sys::clock::Clock;

use super::kept::days;
use super::{bytes, file, folder, kept, on_share, send};
use crate::common::{Fault, Pair, Site, Verb};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

fn take_back(site: &mut Site, message: &Message, order: Order) -> Withdrawal {
    ops::take_back(site.node_mut(), message.id.as_str(), order, Author::Program).unwrap()
}

fn redrive(site: &mut Site, letter: &Message) -> Result<Message, Error> {
    let ids = [letter.id.to_string()];
    ops::redrive(site.node_mut(), &ids, None, Author::Program).map(|mut all| all.remove(0))
}

/// Everybody, or one of them.
fn everybody(node: &lanpost::engine::node::Node, any: Option<Duration>) -> Call {
    match ops::meant(node, &"all".parse::<Recipient>().unwrap()) {
        Meant::Several(group) => Call { group, id: None, own: false, any },
        Meant::One(to) => panic!("{to} is one"),
    }
}

/// Keeps `paths` for a broadcast of `call`.
fn attach(site: &mut Site, call: &Call, paths: &[PathBuf]) -> Result<Attached, Error> {
    ops::attach_to_all(site.node_mut(), call, paths, &mut |_, _| {}).map(|(attached, _)| attached)
}

#[test]
fn scheduled_files_stay_here_until_their_time_and_go_then() {
    let mut pair = Pair::new();
    let top = tempfile::tempdir().unwrap();
    let at = pair.a.clock.wall() + TimeDelta::days(3);
    let path = file(top.path(), "x", 2 << 20, 1);
    let sent = send(&mut pair.a, "b", std::slice::from_ref(&path), |draft| draft.not_before = Some(at));
    assert_eq!(sent.state, State::Scheduled);
    // The same is sent at once, is done with, and goes; what waits needs it all the same.
    let now = send(&mut pair.a, "b", &[path], |_| {});
    pair.until("the other", |pair| pair.a.state_of(&now) == State::Delivered);
    days(&mut pair, 2, true);
    assert_eq!((pair.a.state_of(&sent), kept(&pair.a)), (State::Scheduled, 1));
    pair.share
        .remove(&lanpost::model::layout::blob(&lanpost::model::blob::Hash::of(&bytes(2 << 20, 1))))
        .unwrap();
    days(&mut pair, 1, true);
    pair.until("the file", |pair| pair.a.state_of(&sent) == State::Delivered);
    let journey = ["scheduled", "attaching", "queued", "sent", "fetching", "delivered"];
    assert_eq!(pair.a.journey(Way::Out, &sent), journey);
    assert_eq!(on_share(&pair).len(), 1, "it was looked at whether it is there");
}

#[test]
fn what_is_taken_back_before_its_files_are_on_the_share_ends_at_once() {
    let mut pair = Pair::new();
    let top = tempfile::tempdir().unwrap();
    let sent = send(&mut pair.a, "b", &[file(top.path(), "x", 2 << 20, 1)], |_| {});
    let withdrawal = take_back(&mut pair.a, &sent, Order::Recall);
    assert!(matches!(ops::taken(pair.a.node(), &withdrawal).unwrap(), Taken::Cancelled(_)));
    days(&mut pair, 2, true);
    assert_eq!((pair.b.inbox().len(), on_share(&pair).len(), kept(&pair.a)), (0, 0, 0));
}

#[test]
fn what_is_taken_back_while_its_files_are_fetched_ends_there_and_wakes_nobody() {
    let mut pair = Pair::with(|config| config.wake.command = vec!["x".into()]);
    pair.run(MINUTE);
    pair.b.configure(|config| config.files.kept = Size(1 << 20));
    let top = tempfile::tempdir().unwrap();
    let sent = send(&mut pair.a, "b", &[file(top.path(), "x", 2 << 20, 1)], |_| {});
    pair.until("the letter", |pair| pair.a.state_of(&sent) == State::Fetching);
    let withdrawal = take_back(&mut pair.a, &sent, Order::Recall);
    pair.until("word of it", |pair| ops::taken(pair.a.node(), &withdrawal).unwrap() != Taken::UnderWay);
    assert!(matches!(ops::taken(pair.a.node(), &withdrawal).unwrap(), Taken::Cancelled(_)));
    pair.b.configure(|config| config.files.kept = Size(1 << 30));
    days(&mut pair, 2, true);
    assert_eq!((pair.a.state_of(&sent), kept(&pair.b), pair.b.wakes.len()), (State::Cancelled, 0, 0));
    let came: Vec<_> = pair.b.inbox().into_iter().filter(|message| message.id == sent.id).collect();
    assert_eq!(came[0].state, State::Cancelled);
}

#[test]
fn a_dead_letter_is_sent_again_with_its_files_as_long_as_they_are_here() {
    let mut pair = Pair::new();
    let top = tempfile::tempdir().unwrap();
    let paths = [folder(top.path()), file(top.path(), "x", 100, 1)];
    let ids: Vec<_> = [false, true]
        .map(|seal| {
            pair.run(MINUTE);
            let sent = send(&mut pair.a, "b", &paths, |draft| draft.seal = seal);
            pair.until("the files", |pair| pair.a.state_of(&sent) == State::Delivered);
            ops::ack(pair.b.node_mut(), &[sent.id.to_string()], Some("no time")).unwrap();
            pair.until("the end", |pair| pair.a.state_of(&sent) == State::Failed);
            let again = redrive(&mut pair.a, &sent).unwrap();
            assert_eq!((again.state, &again.attachments), (State::Attaching, &sent.attachments));
            pair.until("them again", |pair| pair.a.state_of(&again) == State::Delivered);
            let to = top.path().join(again.id.as_str());
            ops::fetch(pair.b.node(), again.id.as_str(), &to, &mut |_, _| {}).unwrap();
            assert_eq!(std::fs::read(to.join("data/many/39.txt")).unwrap(), bytes(390, 39));
            again
        })
        .into();
    for again in ids {
        ops::ack(pair.b.node_mut(), &[again.id.to_string()], Some("no time")).unwrap();
        pair.until("the end", |pair| pair.a.state_of(&again) == State::Failed);
        days(&mut pair, 2, true);
        let error = redrive(&mut pair.a, &again).unwrap_err();
        assert!(error.kind() == Kind::NotFound && error.to_string().contains("not kept"), "{error}");
    }
}

#[test]
fn the_copies_of_a_broadcast_refer_to_the_same_files() {
    let mut pair = Pair::new();
    let mut third = Site::new(&pair.share, "c", 3, false);
    third.run(MINUTE);
    pair.run(MINUTE);
    let top = tempfile::tempdir().unwrap();
    let paths = [folder(top.path())];
    let call = everybody(pair.a.node(), None);
    let attached = attach(&mut pair.a, &call, &paths).unwrap();
    let draft = |to| Draft { attached: attached.clone(), ..Draft::new(to, "see the files") };
    let sealed = ops::broadcast(pair.a.node_mut(), &call, |to| Draft { seal: true, ..draft(to) });
    assert!(sealed.unwrap_err().to_string().contains("sealed for one recipient alone"));
    let sent = ops::broadcast(pair.a.node_mut(), &call, draft).unwrap();
    assert_eq!(sent.members.len(), 2, "{:?}", sent.left_out);
    let of = |to: &str| sent.members.iter().find(|member| member.to == to).unwrap();
    pair.until("the files at b", |pair| pair.a.state_of(of("b")) == State::Delivered);
    pair.until("the letter to c", |pair| pair.a.state_of(of("c")) == State::Sent);
    assert_eq!(on_share(&pair).len(), 3, "a manifest, a pack, a large file");
    third.run(MINUTE);
    pair.until("word of c", |pair| pair.a.state_of(of("c")) == State::Delivered);
    let any = everybody(pair.a.node(), Some(HOUR));
    let error = attach(&mut pair.a, &any, &paths).unwrap_err();
    assert!(error.kind() == Kind::Usage && error.to_string().contains("one alone works on it"), "{error}");
    let error = ops::broadcast(pair.a.node_mut(), &any, draft).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage, "{error}");
}

#[test]
fn an_answer_with_files_is_one_when_they_are_here() {
    let mut pair = Pair::with(|config| config.wake.command = vec!["x".into()]);
    pair.run(MINUTE);
    let mut asking = Asking::new(pair.a.node());
    let request = asking.ask(pair.a.node_mut(), Draft::new("b".parse().unwrap(), "where is it?")).unwrap();
    pair.until("the request", |pair| pair.a.state_of(&request) == State::Delivered);
    pair.a.configure(|config| config.files.kept = Size(1 << 20));
    let top = tempfile::tempdir().unwrap();
    let paths = [file(top.path(), "x", 2 << 20, 1)];
    let answer = send(&mut pair.b, "a", &paths, |draft| draft.in_reply_to = Some(request.id.clone()));
    // As `reply --ack` does; and for a while the server takes no files.
    ops::ack(pair.b.node_mut(), &[request.id.to_string()], None).unwrap();
    pair.b.faults.plan(Verb::Rename, 0, 3, Fault::Refuse(std::io::ErrorKind::StorageFull));
    pair.until("the answer", |pair| {
        let order = (pair.b.state_of(&answer), pair.a.state_of(&request));
        assert!(
            !matches!(order, (State::Attaching, State::Processed)),
            "word of the end came before the answer left"
        );
        order.0 == State::Fetching
    });
    let answered = |news: Vec<News>| {
        assert!(!news.iter().any(|news| matches!(news, News::Ended { .. })), "{news:?}");
        news.iter().any(|news| matches!(news, News::Answered { .. }))
    };
    for _ in 0..100 {
        assert!(!answered(asking.look(pair.a.node_mut()).unwrap()));
        pair.run(Duration::from_secs(1));
    }
    assert_eq!(pair.a.state_of(&request), State::Processed);
    pair.a.configure(|config| config.files.kept = Size(1 << 30));
    pair.until("its files", |pair| answered(asking.look(pair.a.node_mut()).unwrap()));
    asking.end(pair.a.node_mut(), true).unwrap();
    pair.run(10 * MINUTE);
    assert!(pair.a.wakes.is_empty(), "it was shown");
    assert_eq!(pair.b.state_of(&answer), State::Processed);
}
