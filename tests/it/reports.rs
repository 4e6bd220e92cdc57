//! Non-delivery reports: what ends without being processed comes back to its sender with a named cause, once, and
//! wakes nobody.

use std::io::ErrorKind;
use std::time::Duration;

use lanpost::engine::ops;
use lanpost::engine::wake::Outcome;
use lanpost::model::layout;
use lanpost::model::state::State;
use lanpost::store::db::Message;
use serde_json::{Value, json};

use crate::common::{Pair, Site, texts};

/// The cause of the one report in a site's inbox, after a look at what every report has.
fn cause(site: &Site, about: &Message) -> String {
    let reports = site.reports();
    let [report] = &reports[..] else { panic!("{} reports: {reports:?}", reports.len()) };
    assert_eq!(report.in_reply_to.as_ref(), Some(&about.id));
    assert_eq!((report.to.as_str(), report.state), (about.from.as_str(), State::Delivered));
    assert_eq!(report.content["message"], about.id.as_str());
    assert_eq!(report.content["to"], about.to.as_str());
    assert!(!report.content["reason"].as_str().unwrap().is_empty());
    assert_eq!(site.wakes.len(), 0, "a report wakes nobody");
    report.content["cause"].as_str().unwrap().to_owned()
}

fn waking(site: &mut Site) {
    site.configure(|config| config.wake.command = vec!["agent".into()]);
}

#[test]
fn what_expires_is_reported_at_either_end() {
    let mut pair = Pair::new();
    waking(&mut pair.a);
    pair.a.faults.away(Some(ErrorKind::NotConnected));
    let here = pair.a.send_one("b", "here", |draft| draft.ttl = Some(Duration::from_secs(60)));
    pair.run(Duration::from_secs(90));
    assert_eq!(cause(&pair.a, &here), "expired");

    let mut pair = Pair::new();
    let there = pair.a.send_one("b", "there", |draft| draft.ttl = Some(Duration::from_secs(60)));
    pair.a.step();
    pair.b.clock.advance(Duration::from_secs(300));
    pair.a.run(Duration::from_secs(300));
    pair.settle();
    assert_eq!(cause(&pair.a, &there), "expired");
}

/// Of one receipt for all of them nothing would be left: it would be larger than what its recipient takes.
#[test]
fn receipts_go_in_as_many_parts_as_their_recipient_takes() {
    let mut pair = Pair::with(|config| config.limits.message.0 = 2_048);
    let sent = pair.a.send("b", &texts("x", 40));
    pair.settle();
    let ids: Vec<String> = sent.iter().map(|message| message.id.to_string()).collect();
    ops::ack(pair.b.node_mut(), &ids, Some(&"because \"so\" 因为 ".repeat(200))).unwrap();
    pair.settle();
    let states: Vec<State> = sent.iter().map(|message| pair.a.state_of(message)).collect();
    assert_eq!(states, [State::Failed; 40]);
    let report = pair.a.reports().remove(0);
    assert!(report.content["reason"].as_str().unwrap().starts_with("because \"so\" 因为"), "{report:?}");
}

#[test]
fn what_its_agent_could_not_do_is_reported_with_its_words() {
    let mut pair = Pair::new();
    waking(&mut pair.a);
    let sent = pair.a.send_one("b", "do it", |_| {});
    pair.settle();
    ops::ack(pair.b.node_mut(), &[sent.id.to_string()], Some("no such file")).unwrap();
    pair.settle();
    assert_eq!(cause(&pair.a, &sent), "failed");
    let report = pair.a.reports().remove(0);
    assert_eq!(report.content["reason"], "no such file");
    // Answered by nobody: it is ours.
    let before = pair.lane_lines("a", "a").len();
    ops::ack(pair.a.node_mut(), &[report.id.to_string()], None).unwrap();
    pair.settle();
    assert_eq!(pair.lane_lines("a", "a").len(), before);
}

#[test]
fn a_wake_that_failed_for_good_is_reported_and_the_mail_may_still_be_read() {
    let mut pair = Pair::new();
    waking(&mut pair.a);
    waking(&mut pair.b);
    pair.b.answer = Some(Outcome::Permanent);
    let sent = pair.a.send_one("b", "wake up", |_| {});
    pair.settle();
    assert_eq!(cause(&pair.a, &sent), "wake-failed");
    assert_eq!(pair.a.state_of(&sent), State::Delivered);
    ops::read(pair.b.node_mut(), sent.id.as_str()).unwrap();
    pair.settle();
    assert_eq!(pair.a.state_of(&sent), State::Read);
}

#[test]
fn what_is_larger_than_the_recipient_takes_ends_and_what_follows_goes() {
    let mut pair = Pair::new();
    waking(&mut pair.a);
    // Accepted while b was not known to take less.
    pair.a.faults.away(Some(ErrorKind::NotConnected));
    let long = pair.a.send_one("b", &"x".repeat(5_000), |_| {});
    let after = pair.a.send("b", &texts("a", 2));
    pair.b.configure(|config| config.limits.message.0 = 4_096);
    pair.run(Duration::from_secs(30));
    pair.a.faults.away(None);
    pair.settle();
    assert_eq!(cause(&pair.a, &long), "too-large");
    assert_eq!(pair.b.texts(), texts("a", 2));
    assert!(after.iter().all(|message| pair.a.state_of(message) == State::Delivered));
    assert_eq!(pair.b.status().quarantined, 0);
}

#[test]
fn what_the_recipients_lanpost_sets_aside_is_reported_as_refused() {
    let mut pair = Pair::new();
    waking(&mut pair.a);
    pair.a.send("b", &texts("a", 1));
    pair.settle();
    pair.a.faults.away(Some(ErrorKind::NotConnected));
    let sent = pair.a.send_one("b", "a 1", |_| {});
    let file = pair.lanes("a", "b").remove(0);
    // A sender gone mad: it signs a line that is no message.
    let line = json!({"v": 1, "id": sent.id, "from": "a", "to": "b", "type": 7, "content": 1, "seq": 9,
                      "lease": file.lease});
    let Value::Object(mut line) = line else { panic!() };
    pair.a.signer().sign_object(&mut line);
    let line = format!("{}\n", Value::Object(line));
    let path = layout::lane(&crate::common::name("b"), &file);
    pair.share.open_append(&path).unwrap().append(line.as_bytes()).unwrap();
    pair.share.touch(&layout::bell(&crate::common::name("b"))).unwrap();
    pair.run(Duration::from_secs(60));
    assert_eq!(pair.b.status().quarantined, 1);
    pair.a.faults.away(None);
    pair.settle();
    assert_eq!(cause(&pair.a, &sent), "refused");
    assert_eq!(pair.a.state_of(&sent), State::Failed);
}
