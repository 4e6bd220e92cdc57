//! Where a daemon listens: it says so only while it does, and tries until it can.

use std::net::TcpListener;

use serde_json::Value;

use super::{add, join, takes, way};
use crate::common::process::{Lan, Pc, until};

fn heartbeat(pc: &Pc) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(pc.share.join(format!("status/{}.json", pc.name))).ok()?).ok()
}

#[test]
fn a_place_that_is_taken_is_had_later_and_announced_only_then() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap();
    let lan = Lan::new();
    let (office, lab) = (join(&lan, "office"), lan.join("lab"));
    add(&lab, &format!("[direct]\nlisten = \"{at}\"\n"));
    let (_one, two) = (office.daemon(), lab.daemon());
    let said = || lab.json(&["status"])["problems"].to_string();
    let listens = |said: &str| said.contains(&format!("listen on {at}"));
    assert!(listens(&said()) && said().contains("tried again"), "{}", said());
    let id = office.send("lab", "by the share");
    lab.receives("by the share");
    office.sees(&id, "delivered");
    assert_eq!(heartbeat(&lab).unwrap().get("direct"), None);

    drop(taken);
    takes(&office, "lab", "direct");
    assert!(!listens(&said()), "{}", said());
    assert_eq!(heartbeat(&lab).unwrap()["direct"]["urls"][0], format!("https://{at}"));
    assert_eq!(lab.json(&["status"])["listens"][0], format!("https://{at}"));
    assert!(lab.ok(&["status"]).contains(&format!("listens   at https://{at}")), "{}", lab.ok(&["status"]));
    assert!(two.log().contains("takes mail directly at"), "{}", two.log());
}

#[test]
fn a_killed_daemon_leaves_no_route_to_be_shown() {
    let lan = Lan::new();
    let (office, lab) = (join(&lan, "office"), join(&lan, "lab"));
    let (one, _two) = (office.daemon(), lab.daemon());
    takes(&office, "lab", "direct");
    let route = || office.json(&["peers"])[0]["route"].clone();
    assert_eq!(route()["via"], "direct");
    assert!(one.kill());
    assert!(office.node().db.route("lab").unwrap().is_some(), "it could not clear its note");
    assert_eq!(route()["via"], "share");
    assert_eq!(route()["words"], "share");
    let _again = office.daemon();
    until("the route to be back", || (route()["via"] == "direct").then_some(()));
}

#[test]
fn a_peer_that_announces_our_own_addresses_alone_is_said_to() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    for pc in [&office, &lab] {
        add(pc, "[direct]\nlisten = \"127.0.0.1:0\"\nannounce = [\"https://127.0.0.1:9\"]\n");
    }
    let (_one, _two) = (office.daemon(), lab.daemon());
    let words = || office.json(&["peers"])[0]["route"]["words"].as_str().map(str::to_owned);
    until("it to be said", || {
        words().filter(|words| words == "share: direct: all its addresses are this PC's own")
    });
    let id = office.send("lab", "all the same");
    office.sees(&id, "delivered");
    assert!(
        way(&office, &id).contains("(direct: all its addresses are this PC's own)"),
        "{}",
        way(&office, &id)
    );
}
