//! Asking: the answer is printed, or it is mail; what is no answer ends no waiting; nobody is woken for what is shown.

use std::time::Duration;

use lanpost::engine::ops::{self, Asking, Author, Draft, News};
use lanpost::model::state::State;
use lanpost::store::db::{Filter, Message};
use lanpost::sys::clock::Clock as _;
use serde_json::{Value, json};

use crate::common::pair::{Pair, Site};
use crate::common::process::{Done, Follower, Lan, Pc, text_of, until_true};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Two sites with agents that are woken.
fn pair() -> Pair {
    Pair::with(|config| {
        config.wake.command = vec!["agent".into()];
        config.wake.window = Duration::ZERO;
        config.ask.abandoned_after = Some(2 * MINUTE);
    })
}

fn ask(site: &mut Site, text: &str) -> (Asking, Message) {
    let mut asking = Asking::new(site.node());
    let draft = Draft::new("b".parse().unwrap(), text);
    let request = asking.ask(site.node_mut(), draft).unwrap();
    (asking, request)
}

fn reply(site: &mut Site, to: &Message, text: &str) -> Message {
    let node = site.node_mut();
    ops::reply(node, to.id.as_str(), Value::from(text), None, Author::Person, false).unwrap()
}

/// Goes on until there is news about what was asked at `a`.
fn news(pair: &mut Pair, asking: &mut Asking) -> News {
    let mut found = vec![];
    pair.until("news", |pair| {
        found = asking.look(pair.a.node_mut()).unwrap();
        !found.is_empty()
    });
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn state(site: &Site, message: &Message) -> State {
    let all = ops::inbox(site.node(), &Filter { all: true, ..Filter::default() }).unwrap();
    all.into_iter().find(|found| found.id == message.id).unwrap().state
}

#[test]
fn an_answer_that_is_shown_wakes_nobody_and_its_sender_sees_it() {
    let mut pair = pair();
    let (mut asking, request) = ask(&mut pair.a, "is it green?");
    assert_eq!(request.kind, "request");
    pair.until("the request", |pair| !pair.b.inbox().is_empty());
    let answer = reply(&mut pair.b, &request, "yes");
    let News::Answered { answer: shown, .. } = news(&mut pair, &mut asking) else { panic!("no answer") };
    assert_eq!((&shown.id, &shown.content), (&answer.id, &json!("yes")));
    assert!(ops::is_awaited(pair.a.node(), &shown).unwrap());
    assert!(asking.is_over());
    asking.end(pair.a.node_mut(), true).unwrap();
    pair.run(10 * MINUTE);
    assert_eq!(pair.a.wakes.len(), 0);
    assert_eq!(pair.b.wakes.len(), 1, "who was asked was woken");
    assert_eq!(state(&pair.a, &shown), State::Processed);
    assert_eq!(pair.b.state_of(&answer), State::Processed);
}

#[test]
fn an_answer_that_nobody_was_shown_is_mail() {
    for given_up in [true, false] {
        let mut pair = pair();
        let (asking, request) = ask(&mut pair.a, "is it green?");
        pair.until("the request", |pair| !pair.b.inbox().is_empty());
        reply(&mut pair.b, &request, "yes");
        pair.until("the answer", |pair| !pair.a.inbox().is_empty());
        pair.step();
        assert_eq!(pair.a.wakes.len(), 0, "somebody waits for it");
        let killed = pair.a.clock.now();
        match given_up {
            true => asking.end(pair.a.node_mut(), false).unwrap(),
            // As after SIGKILL.
            false => drop(asking),
        }
        pair.until("the wake", |pair| !pair.a.wakes.is_empty());
        assert!(pair.a.clock.now() - killed < MINUTE);
        let message = pair.a.inbox().remove(0);
        assert!(!ops::is_awaited(pair.a.node(), &message).unwrap());
        assert_eq!(message.state, State::Delivered);
    }
}

#[test]
fn the_same_request_again_wakes_again() {
    let mut pair = pair();
    for times in 1..3 {
        let (asking, _) = ask(&mut pair.a, "is it green?");
        asking.end(pair.a.node_mut(), false).unwrap();
        pair.until("the wake", |pair| pair.b.wakes.len() == times);
    }
}

#[test]
fn a_late_answer_is_mail_and_ends_a_later_waiting() {
    let mut pair = pair();
    let (asking, request) = ask(&mut pair.a, "is it green?");
    asking.end(pair.a.node_mut(), false).unwrap();
    pair.until("the request", |pair| !pair.b.inbox().is_empty());
    reply(&mut pair.b, &request, "yes");
    pair.until("the wake", |pair| !pair.a.wakes.is_empty());
    let mut again = Asking::new(pair.a.node());
    again.ask_again(pair.a.node_mut(), request.id.as_str()).unwrap();
    assert!(matches!(news(&mut pair, &mut again), News::Answered { .. }));
}

#[test]
fn a_progress_note_is_shown_to_who_waits_and_wakes_nobody() {
    let mut pair = pair();
    let (mut asking, request) = ask(&mut pair.a, "build it");
    pair.until("the request", |pair| !pair.b.inbox().is_empty());
    let id = request.id.as_str();
    let note = ops::progress(pair.b.node_mut(), id, "half of it".into(), None, Author::Program).unwrap();
    let News::Progress { note: shown, .. } = news(&mut pair, &mut asking) else { panic!("no note") };
    assert_eq!(shown.content, json!("half of it"));
    assert!(!asking.is_over());
    asking.end(pair.a.node_mut(), false).unwrap();
    pair.run(MINUTE);
    assert_eq!(pair.a.wakes.len(), 0);
    assert_eq!(ops::inbox(pair.a.node(), &Filter::default()).unwrap().len(), 0, "it is no unread mail");
    assert_eq!(pair.a.texts(), ["half of it"]);
    assert_eq!(pair.b.state_of(&note), State::Processed);
    assert_eq!(pair.a.state_of(&request), State::Read, "whoever works on it has read it");
}

/// The word was in use before it meant anything.
#[test]
fn mail_of_that_type_that_answers_nothing_of_ours_is_mail() {
    let mut pair = pair();
    pair.b.send_one("a", "about something else", |draft| draft.kind = Some("progress".into()));
    pair.until("the wake", |pair| !pair.a.wakes.is_empty());
    assert_eq!(ops::inbox(pair.a.node(), &Filter::default()).unwrap().len(), 1);
}

#[test]
fn nobody_tells_the_progress_of_what_is_no_open_request() {
    let mut pair = pair();
    let mail = pair.a.send("b", &["no request".to_owned()]).remove(0);
    let (_asking, request) = ask(&mut pair.a, "build it");
    pair.until("both", |pair| pair.b.inbox().len() == 2);
    let progress = |site: &mut Site, id: &str| {
        let done = ops::progress(site.node_mut(), id, "half of it".into(), None, Author::Program);
        done.unwrap_err().to_string()
    };
    assert!(progress(&mut pair.b, mail.id.as_str()).contains("lanpost reply"));
    ops::ack(pair.b.node_mut(), &[request.id.to_string()], None).unwrap();
    assert!(progress(&mut pair.b, request.id.as_str()).contains("processed already"));
    assert!(progress(&mut pair.a, request.id.as_str()).contains("no id begins so"), "it is our own");
}

#[test]
fn what_ends_a_request_ends_the_waiting_for_it() {
    for failed in [None, Some("no such branch")] {
        let mut pair = pair();
        let (mut asking, request) = ask(&mut pair.a, "build it");
        pair.until("the request", |pair| !pair.b.inbox().is_empty());
        ops::ack(pair.b.node_mut(), &[request.id.to_string()], failed).unwrap();
        let News::Ended { request } = news(&mut pair, &mut asking) else { panic!("no end") };
        assert_eq!(request.outcome.as_deref(), failed);
        asking.end(pair.a.node_mut(), true).unwrap();
        let unread = ops::inbox(pair.a.node(), &Filter::default()).unwrap();
        assert_eq!(unread.len(), 0, "the report says what was said: {unread:?}");
    }
}

fn causes(site: &Site) -> Vec<String> {
    site.reports().iter().map(|report| report.content["cause"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_request_that_was_read_and_then_forgotten_is_reported_once_and_may_still_be_answered() {
    let mut pair = pair();
    let (mut asking, request) = ask(&mut pair.a, "build it");
    pair.until("the request", |pair| !pair.b.inbox().is_empty());
    pair.run(4 * MINUTE);
    assert_eq!(causes(&pair.a), [""; 0], "nobody read it");
    ops::read(pair.b.node_mut(), request.id.as_str()).unwrap();
    pair.run(90 * SECOND);
    ops::progress(pair.b.node_mut(), request.id.as_str(), "on it".into(), None, Author::Program).unwrap();
    assert!(matches!(news(&mut pair, &mut asking), News::Progress { .. }));
    pair.run(90 * SECOND);
    assert_eq!(causes(&pair.a), [""; 0], "somebody works on it");
    let News::Note { words, .. } = news(&mut pair, &mut asking) else { panic!("no note") };
    assert!(words.contains("nobody said more of it"), "{words}");
    assert!(!asking.is_over());
    pair.run(8 * MINUTE);
    assert_eq!(causes(&pair.a), ["abandoned"]);
    assert_eq!(pair.a.state_of(&request), State::Read);
    reply(&mut pair.b, &request, "sorry, here it is");
    assert!(matches!(news(&mut pair, &mut asking), News::Answered { .. }));
    assert_eq!(pair.a.wakes.len(), 0, "reports, notes and what is waited for wake nobody");
}

#[test]
fn whoever_asked_learns_that_nobody_is_there_to_answer() {
    let mut pair = pair();
    let (_asking, request) = ask(&mut pair.a, "build it");
    pair.until("the receipt", |pair| pair.a.state_of(&request) == State::Delivered);
    let note = |site: &Site| ops::trace(site.node(), request.id.as_str()).unwrap().note;
    pair.until("a look at who is there", |pair| note(&pair.a).is_none());
    pair.b.engine().stop("asked to").unwrap();
    pair.a.until("word of it", |site| note(site).is_some_and(|note| note.contains("b is gone")));
}

#[test]
fn nothing_but_an_unanswered_request_is_abandoned() {
    let mut pair = pair();
    let mail = pair.a.send("b", &["no request".to_owned()]).remove(0);
    let [answered, done] = ["answer it", "do it"].map(|text| ask(&mut pair.a, text).1);
    pair.until("all of it", |pair| pair.b.inbox().len() == 3);
    for message in [&mail, &answered, &done] {
        ops::read(pair.b.node_mut(), message.id.as_str()).unwrap();
    }
    reply(&mut pair.b, &answered, "here it is");
    ops::ack(pair.b.node_mut(), &[done.id.to_string()], None).unwrap();
    pair.run(8 * MINUTE);
    assert_eq!(causes(&pair.a), [""; 0]);
    pair.b.configure(|config| config.ask.abandoned_after = None);
    let (_, never) = ask(&mut pair.a, "one more");
    pair.until("the request", |pair| pair.b.inbox().len() == 4);
    ops::read(pair.b.node_mut(), never.id.as_str()).unwrap();
    pair.run(8 * MINUTE);
    assert_eq!(causes(&pair.a), [""; 0]);
}

/// A PC that asks, in a thread of its own.
fn asks(pc: &Pc, args: &[&str], meanwhile: impl FnOnce()) -> Done {
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| pc.run(&[&["ask"], args].concat()));
        meanwhile();
        asking.join().unwrap()
    })
}

#[test]
fn the_answer_is_printed_alone_and_the_progress_beside_it() {
    let lan = Lan::new();
    let (lab, office) = (lan.join("lab"), lan.join("office"));
    let _daemons = [lab.daemon(), office.daemon()];
    let follower = Follower::start(office.command(&["--json", "inbox", "--follow", "--limit", "0"]));
    let done = asks(&office, &["lab", "is it green?"], || {
        let id = text_of(&lab.receives("is it green?"), "id");
        lab.ok(&["progress", &id, "half of it"]);
        office.receives("half of it");
        lab.ok(&["reply", &id, "yes", "--ack"]);
    });
    let done = done.exits(0).says(&["lab: half of it"]);
    assert_eq!(done.out, "yes\n");
    assert_eq!(office.json(&["inbox"]), json!([]));
    let done = asks(&office, &["lab", "and now?", "--json"], || {
        let id = text_of(&lab.receives("and now?"), "id");
        lab.ok(&["progress", &id, "a bit"]);
        lab.ok(&["ack", &id, "--failed", "no power"]);
    });
    let done = done.exits(5);
    assert_eq!(done.json()["outcome"], "failed");
    assert!(done.json_error().contains("no power"), "{}", done.err);
    // Where it takes long, it is said first what was asked.
    let mut said = done.err.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let progress = said.find(|said| said["progress"].is_object()).unwrap();
    assert_eq!(progress["progress"]["content"], "a bit");
    // None of it was mail for others.
    lab.send("office", "after");
    let first: Value = serde_json::from_str(&follower.line()).unwrap();
    assert_eq!(first["content"], "after");
}

#[test]
fn a_request_without_an_answer_in_time_stays_open() {
    let lan = Lan::new();
    let (lab, office) = (lan.join("lab"), lan.join("office"));
    // Without a daemon there, commands look at the share.
    let _daemon = lab.daemon();
    let done = office.run(&["--json", "ask", "lab", "is it green?", "--timeout", "300ms"]).exits(4);
    assert_eq!(done.json()["outcome"], "open");
    let id = text_of(&done.json()["request"], "id");
    assert!(done.json_error().contains(&format!("lanpost ask --wait {id}")), "{}", done.err);
    lab.receives("is it green?");
    // Whoever was not asked can't answer.
    let stranger = format!(r#"{{"from":"eve","in_reply_to":"{id}","content":"no"}}"#);
    std::fs::write(lan.share().join("messages/to-office.jsonl"), format!("{stranger}\n")).unwrap();
    until_true("the stranger's answer", || office.inbox().iter().any(|message| message["content"] == "no"));
    office.run(&["ask", "--wait", &id, "--timeout", "300ms"]).exits(4);
    lab.ok(&["reply", &id, "yes"]);
    assert_eq!(office.run(&["ask", "--wait", &id]).exits(0).out, "yes\n");
    assert_eq!(office.run(&["ask", "--wait", &id]).exits(0).out, "yes\n", "as often as is asked");
}

#[test]
fn a_request_that_expires_has_an_exit_code_of_its_own() {
    let lan = Lan::new();
    let (_lab, office) = (lan.join("lab"), lan.join("office"));
    let _daemon = office.daemon();
    until_true("lab to be known", || office.run(&["send", "lab", "before"]).code == Some(0));
    lan.unmount();
    until_true("the daemon to notice", || office.json(&["status"])["share"]["available"] == false);
    let done = office.run(&["ask", "lab", "is it green?", "--ttl", "1s"]).exits(7);
    assert!(done.out.is_empty() && done.err.contains("expired"), "{}", done.err);
}
