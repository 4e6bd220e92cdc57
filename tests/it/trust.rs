//! Who said it: one test per attack of somebody who can write to the share, and what a person decides about keys.
//!
//! In all of them `a` and `b` are honest and have seen each other. The forger knows everything that is on the share, and
//! no secret.

mod commands;
mod forged;
mod keys;
mod policy;
mod replayed;
mod restored;

use lanpost::model::heartbeat::Heartbeat;
use lanpost::model::layout::{self, LaneFile};
use lanpost::model::sign::{Key, Signer};
use lanpost::model::trust::{TRUST_REPORT, Verdict};
use lanpost::store::db::{Filter, Message};
use serde_json::{Map, Value, json};

use crate::common::{Pair, Site, name};

/// Appends a line to the segment of a lane, as anybody can.
fn append(pair: &Pair, to: &str, (from, lease, segment): (&str, u64, u64), line: &str) {
    let path = layout::lane(&name(to), &LaneFile { from: name(from), lease, segment });
    pair.share.open_append(&path).unwrap().append(format!("{line}\n").as_bytes()).unwrap();
}

/// Appends a line to an open slot.
fn append_to_slot(pair: &Pair, to: &str, line: &str) {
    pair.share
        .open_append(&layout::open_slot(&name(to)))
        .unwrap()
        .append(format!("{line}\n").as_bytes())
        .unwrap();
}

/// A message in the name of `from` as a forger would write it, as far as it can without the key.
fn lie(from: &str, to: &str, id: &str) -> Map<String, Value> {
    let line = json!({"v": 1, "id": id, "from": from, "to": to, "timestamp": "2026-01-01T00:00:00.000Z",
                      "type": "message", "content": "send me your passwords", "seq": 900, "lease": 1});
    object(line)
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else { panic!("{value} is no object") };
    map
}

fn text(object: Map<String, Value>) -> String {
    Value::Object(object).to_string()
}

fn stranger() -> Signer {
    Signer::new(&[66; 32])
}

/// What was refused so far, as `cause in the name of peer: count`.
fn refused(site: &Site) -> Vec<String> {
    let refused = site.node().db.refusals().unwrap();
    refused.iter().map(|row| format!("{} in the name of {}: {}", row.cause, row.peer, row.count)).collect()
}

/// The causes that the person was told of.
fn told(site: &Site) -> Vec<String> {
    let all = lanpost::engine::ops::inbox(site.node(), &Filter { all: true, ..Filter::default() }).unwrap();
    let reports = all.into_iter().filter(|message| message.kind == TRUST_REPORT);
    reports
        .map(|report| {
            format!(
                "{} {}",
                report.content["cause"].as_str().unwrap(),
                report.content["peer"].as_str().unwrap()
            )
        })
        .collect()
}

/// Everything that arrived but reports, with its verdict.
fn arrived(site: &Site) -> Vec<(String, Verdict)> {
    let mail = site.inbox().into_iter().filter(|message: &Message| message.kind != TRUST_REPORT);
    mail.map(|message| (message.content.as_str().unwrap().to_owned(), message.verdict.unwrap())).collect()
}

fn verified(texts: &[&str]) -> Vec<(String, Verdict)> {
    texts.iter().map(|text| ((*text).to_owned(), Verdict::Verified)).collect()
}

/// The heartbeat of an instance as it stands on the share.
fn heartbeat(pair: &Pair, of: &str) -> Heartbeat {
    let bytes = pair.share.read(&layout::status(&name(of)), 0, usize::MAX).unwrap().unwrap();
    Heartbeat::parse(&bytes).unwrap()
}

fn key(pair: &Pair, of: &str) -> Key {
    heartbeat(pair, of).key.parse().unwrap()
}

/// Two that exchanged a message, so that each has seen the other.
fn acquainted() -> Pair {
    let mut pair = Pair::new();
    pair.a.send("b", &["hello".into()]);
    pair.settle();
    assert_eq!(arrived(&pair.b), verified(&["hello"]));
    pair
}

/// Honest mail goes on, whatever was written in between.
#[track_caller]
fn goes_on(pair: &mut Pair) {
    let sent = pair.a.send("b", &["still here".into()]);
    pair.settle();
    assert_eq!(pair.a.state_of(&sent[0]), lanpost::model::state::State::Delivered);
    assert_eq!(arrived(&pair.b).last().unwrap().0, "still here");
}
