//! Dead letters: what came to nothing is listed with its cause, sent again once, or dropped.

use std::time::Duration;

use lanpost::engine::ops::{self, Author};
use lanpost::engine::wake::Outcome;
use lanpost::model::state::State;
use lanpost::store::db::Message;
use serde_json::json;

use crate::common::process::{Lan, list, text_of};
use crate::common::{Pair, Site};

fn dead(site: &Site) -> Vec<(String, String)> {
    let dead = ops::dead(site.node()).unwrap();
    dead.into_iter()
        .map(|letter| (letter.message.content.as_str().unwrap().to_owned(), letter.cause))
        .collect()
}

fn redrive(site: &mut Site, letter: &Message, to: Option<&str>) -> Message {
    let to = to.map(|to| to.parse().unwrap());
    let ids = [letter.id.to_string()];
    ops::redrive(site.node_mut(), &ids, to.as_ref(), Author::Program).unwrap().remove(0)
}

fn said(text: &str, cause: &str) -> (String, String) {
    (text.to_owned(), cause.to_owned())
}

#[test]
fn what_failed_is_sent_again_once_and_names_the_old_one() {
    let mut pair = Pair::new();
    let sent = pair.a.send_one("b", "build it", |draft| {
        draft.thread = Some("t".into());
        draft.ttl = Some(Duration::from_secs(3_600));
    });
    pair.settle();
    ops::ack(pair.b.node_mut(), &[sent.id.to_string()], Some("no compiler")).unwrap();
    pair.settle();
    assert_eq!(dead(&pair.a), [said("build it", "failed")]);
    let again = redrive(&mut pair.a, &sent, None);
    assert_eq!(redrive(&mut pair.a, &sent, None).id, again.id, "the same letter again is the same message");
    pair.settle();
    assert_eq!(dead(&pair.a), []);
    assert_eq!(pair.b.texts(), ["build it", "build it"]);
    let came = pair.b.inbox().remove(1);
    assert_eq!((came.id, came.rest["redrive_of"].as_str()), (again.id.clone(), Some(sent.id.as_str())));
    assert_eq!((came.thread.as_deref(), came.expires.is_some()), (Some("t"), true));
    assert!(
        pair.a.reports().iter().all(|report| report.state == State::Processed),
        "the report is dealt with"
    );
    assert_eq!(pair.a.state_of(&sent), State::Failed, "what became of the old one stays as it is");

    ops::ack(pair.b.node_mut(), &[again.id.to_string()], Some("still none")).unwrap();
    pair.settle();
    assert_eq!(dead(&pair.a), [said("build it", "failed")]);
    let third = redrive(&mut pair.a, &again, None);
    assert_ne!(third.id, again.id);
}

#[test]
fn a_letter_goes_to_somebody_else_or_is_dropped() {
    let mut pair = Pair::new();
    pair.a.faults.away(Some(std::io::ErrorKind::NotConnected));
    let ttl = |draft: &mut ops::Draft| draft.ttl = Some(Duration::from_secs(60));
    let first = pair.a.send_one("b", "first", ttl);
    let second = pair.a.send_one("b", "second", ttl);
    pair.run(Duration::from_secs(90));
    assert_eq!(dead(&pair.a), [said("first", "expired"), said("second", "expired")]);
    pair.a.faults.away(None);
    redrive(&mut pair.a, &first, Some("b/agent"));
    ops::drop_dead(pair.a.node_mut(), &[second.id.to_string()]).unwrap();
    assert_eq!(dead(&pair.a), []);
    let refused = ops::redrive(pair.a.node_mut(), &[second.id.to_string()], None, Author::Program);
    assert!(refused.unwrap_err().to_string().contains("dropped"));
    pair.settle();
    assert_eq!(pair.b.inbox()[0].to, "b/agent");
    let id = pair.b.inbox()[0].id.to_string();
    let alive = ops::redrive(pair.b.node_mut(), &[id], None, Author::Program);
    assert!(alive.unwrap_err().to_string().contains("no dead letter"));
}

#[test]
fn mail_whose_wakes_failed_for_good_is_listed_and_wakes_again() {
    let mut pair = Pair::new();
    pair.b.configure(|config| config.wake.command = vec!["agent".into()]);
    pair.b.answer = Some(Outcome::Permanent);
    let sent = pair.a.send_one("b", "x", |_| {});
    pair.settle();
    assert_eq!(dead(&pair.b), [said("x", "wake-failed")]);
    pair.b.answer = Some(Outcome::Done);
    let wakes = pair.b.wakes.len();
    redrive(&mut pair.b, &sent, None);
    pair.settle();
    assert_eq!((dead(&pair.b), pair.b.wakes.len()), (vec![], wakes + 1));

    pair.b.answer = Some(Outcome::Permanent);
    let other = pair.a.send_one("b", "y", |_| {});
    pair.settle();
    ops::drop_dead(pair.b.node_mut(), &[other.id.to_string()]).unwrap();
    pair.settle();
    assert_eq!(dead(&pair.b), []);
    assert_eq!(pair.b.inbox().len(), 2, "it stays in the inbox");
}

#[test]
fn the_command_lists_sends_again_and_drops() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    for text in ["one", "two"] {
        let id = office.send("lab", text);
        lab.receives(text);
        lab.run(&["ack", &id, "--failed", "no\u{1b}[2J time"]).exits(0);
        office.sees(&id, "failed");
    }
    let text = office.ok(&["dead"]);
    assert!(text.contains("to lab") && text.contains("no\\u{1b}[2J time"), "{text}");
    let listed = list(office.json(&["dead", "list"]));
    assert_eq!(
        (listed.len(), &listed[0]["cause"], listed[0]["since"].is_string()),
        (2, &json!("failed"), true)
    );
    office.ok(&["dead", "drop", &text_of(&listed[0], "id")]);
    let sent = list(office.json(&["dead", "redrive", "--all"]));
    assert_eq!((sent.len(), &sent[0]["rest"]["redrive_of"]), (1, &listed[1]["id"]));
    assert_eq!(list(office.json(&["dead"])).len(), 0);
    assert_eq!(list(lab.json(&["inbox"])).len(), 1);
    office.run(&["dead", "redrive"]).exits(2);
    office.run(&["dead", "drop", "nothing"]).exits(3);
}
