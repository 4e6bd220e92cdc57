//! Direct delivery between real daemons on loopback: by which route mail goes, and what happens when one of them is gone.

mod forged;
mod forgotten;
mod link;
mod listening;
mod slow;
mod stuck;
mod wire;

use std::fs::OpenOptions;
use std::io::Write;

use serde_json::Value;

use crate::common::hanging::DeadMount;
use crate::common::process::{Lan, Pc, until, until_true};

/// A PC that takes mail directly, at any free port.
pub fn join(lan: &Lan, name: &str) -> Pc {
    let pc = lan.join(name);
    add(&pc, "[direct]\nlisten = \"127.0.0.1:0\"\n");
    pc
}

/// Adds lines to a PC's config.
pub fn add(pc: &Pc, lines: &str) {
    OpenOptions::new().append(true).open(&pc.config).unwrap().write_all(lines.as_bytes()).unwrap();
}

/// What a message's trace says of its way, in one text.
pub fn way(pc: &Pc, id: &str) -> String {
    let trace = pc.json(&["trace", id]);
    let step = |step: &Value| {
        format!("{} {}\n", step["what"].as_str().unwrap(), step["detail"].as_str().unwrap_or(""))
    };
    trace["transitions"].as_array().unwrap().iter().map(step).collect()
}

/// Waits until mail of `pc` for `peer` takes a route that is said to be so.
pub fn takes(pc: &Pc, peer: &str, route: &str) {
    until(&format!("mail of {} for {peer} to go {route}", pc.name), || {
        pc.node().db.route(peer).unwrap().filter(|chosen| chosen.words(0).contains(route))
    });
}

#[test]
fn mail_goes_directly_and_is_acknowledged_in_the_same_breath() {
    let lan = Lan::new();
    let (office, lab) = (join(&lan, "office"), join(&lan, "lab"));
    let (_one, _two) = (office.daemon(), lab.daemon());
    takes(&office, "lab", "direct");
    takes(&lab, "office", "direct");
    let id = office.send("lab", "no share needed");
    lab.receives("no share needed");
    office.sees(&id, "delivered");
    let sent = way(&office, &id);
    assert!(sent.contains("sent directly to https://127.0.0.1:"), "{sent}");
    assert!(way(&lab, &id).contains("directly, under lease"), "{}", way(&lab, &id));
    lab.ok(&["ack", &id]);
    office.sees(&id, "processed");
}

#[test]
fn mail_goes_on_while_the_share_is_away() {
    let lan = Lan::new();
    let (office, lab) = (join(&lan, "office"), join(&lan, "lab"));
    let (_one, two) = (office.daemon(), lab.daemon());
    takes(&office, "lab", "direct");
    takes(&lab, "office", "direct");
    lan.unmount();
    let there = office.send("lab", "there");
    lab.receives("there");
    let back = lab.send("office", "and back");
    office.receives("and back");
    office.sees(&there, "delivered");
    lab.sees(&back, "delivered");
    // With both gone it waits here, and goes when one is back.
    two.stop();
    let waits = office.send("lab", "whenever you can");
    takes(&office, "lab", "share: direct");
    assert_eq!(office.json(&["trace", &waits])["state"], "queued");
    lan.mount();
    office.sees(&waits, "sent");
    let _again = lab.daemon();
    lab.receives("whenever you can");
    office.sees(&waits, "delivered");
}

#[test]
fn mail_goes_on_while_the_share_hangs() {
    let lan = Lan::new();
    let (office, lab) = (join(&lan, "office"), join(&lan, "lab"));
    let (_one, _two) = (office.daemon(), lab.daemon());
    takes(&office, "lab", "direct");
    takes(&lab, "office", "direct");
    let Some(dead) = DeadMount::over(&lan.share()) else { return };
    for pc in [&office, &lab] {
        let hangs = || pc.json(&["status"])["share"]["stalled"].is_object();
        until_true(&format!("the daemon of {} to hang", pc.name), hangs);
    }
    let there = office.send("lab", "there");
    lab.receives("there");
    let back = lab.send("office", "and back");
    office.receives("and back");
    office.sees(&there, "delivered");
    lab.sees(&back, "delivered");
    assert!(way(&office, &there).contains("sent directly to"), "{}", way(&office, &there));
    for pc in [&office, &lab] {
        assert!(pc.json(&["status"])["share"]["stalled"].is_object(), "it hung all the time");
    }
    drop(dead);
    until_true("the share to be back", || office.json(&["status"])["share"]["available"] == true);
    lab.ok(&["ack", &there]);
    office.sees(&there, "processed");
}

#[test]
fn the_share_takes_over_when_the_peer_is_gone_and_the_order_is_kept() {
    let lan = Lan::new();
    let (office, lab) = (join(&lan, "office"), join(&lan, "lab"));
    let _one = office.daemon();
    let mut sent = vec![];
    for round in 0..4 {
        let two = lab.daemon();
        takes(&office, "lab", "direct");
        sent.push(office.send("lab", &format!("direct {round}")));
        lab.receives(&format!("direct {round}"));
        assert!(two.kill());
        sent.push(office.send("lab", &format!("share {round}")));
        office.sees(sent.last().unwrap(), "sent");
        let way = way(&office, sent.last().unwrap());
        assert!(way.contains("to the lane under lease 1 (direct ") && way.contains(" before)"), "{way}");
    }
    let _two = lab.daemon();
    lab.receives("share 3");
    let mut arrived: Vec<String> =
        lab.inbox().iter().map(|message| message["id"].as_str().unwrap().to_owned()).collect();
    // The inbox shows the newest first.
    if arrived.first() != sent.first() {
        arrived.reverse();
    }
    assert_eq!(arrived, sent);
    for id in &sent {
        office.sees(id, "delivered");
    }
}

#[test]
fn a_peer_that_is_kept_off_the_network_gets_its_mail_by_the_share() {
    let lan = Lan::new();
    let (office, lab) = (join(&lan, "office"), join(&lan, "lab"));
    add(&office, "[peers.lab]\nroutes = [\"share\"]\n");
    let (_one, _two) = (office.daemon(), lab.daemon());
    takes(&lab, "office", "direct");
    let id = office.send("lab", "slowly");
    office.sees(&id, "delivered");
    assert!(way(&office, &id).contains("to the lane under lease 1\n"), "{}", way(&office, &id));
    assert_eq!(office.node().db.route("lab").unwrap(), None);
}
