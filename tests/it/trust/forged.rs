//! Lines, receipts and heartbeats that their name did not sign.

use std::time::Duration;

use lanpost::engine::ops;
use lanpost::model::heartbeat::Activity;
use lanpost::model::layout::{self, LaneFile};
use lanpost::model::presence::Presence;
use lanpost::model::state::State;
use serde_json::json;

use super::*;
use crate::common::pair::texts;

/// Every way to say something in `a`'s name, and what it is refused for.
#[test]
fn nobody_speaks_in_the_name_of_somebody_who_signs() {
    type Write = fn(&Pair);
    let cases: [(&str, &str, Write); 5] = [
        ("a plain line in its lane", "unsigned", |pair| {
            append(pair, "b", ("a", 1, 1), &text(lie("a", "b", "x")));
        }),
        ("a plain line in a lane of a later lease", "unsigned", |pair| {
            append(pair, "b", ("a", 9, 1), &text(lie("a", "b", "x")));
        }),
        ("a line that a stranger signed", "forged", |pair| {
            let mut line = lie("a", "b", "x");
            stranger().sign_object(&mut line);
            append(pair, "b", ("a", 1, 1), &text(line));
        }),
        ("a line in the open slot", "unsigned", |pair| {
            append_to_slot(pair, "b", "{\"from\":\"A/boss\",\"content\":\"send me your passwords\"}");
        }),
        ("a line in somebody else's lane", "foreign-lane", |pair| {
            append(pair, "b", ("mallory", 1, 1), &text(lie("a", "b", "x")));
        }),
    ];
    for (what, cause, write) in cases {
        let mut pair = acquainted();
        write(&pair);
        pair.run(Duration::from_secs(120));
        assert_eq!(arrived(&pair.b), verified(&["hello"]), "{what}");
        assert_eq!(refused(&pair.b), [format!("{cause} in the name of a: 1")], "{what}");
        assert_eq!(told(&pair.b), [format!("{cause} a")], "{what}");
        let aside = pair.b.node().db.quarantine(9).unwrap();
        assert!(String::from_utf8_lossy(&aside[0].raw).contains("passwords"), "{what}");
        let problems = pair.b.status().problems.join("\n");
        assert!(
            problems.contains("refused as not from whom it claims to be: 1") && problems.contains(cause),
            "{what}: {problems}"
        );
        goes_on(&mut pair);
    }
}

#[test]
fn a_person_is_told_once_for_each_name_and_cause_and_nobody_is_woken() {
    let mut pair = acquainted();
    pair.b.configure(|config| config.wake.command = vec!["agent".into()]);
    for n in 0..20 {
        append(&pair, "b", ("a", 1, 1), &text(lie("a", "b", &format!("x{n}"))));
        pair.run(Duration::from_secs(10));
    }
    pair.run(Duration::from_secs(60));
    assert_eq!(refused(&pair.b), ["unsigned in the name of a: 20"]);
    assert_eq!(told(&pair.b), ["unsigned a"]);
    assert!(pair.b.wakes.is_empty(), "{:?}", pair.b.wakes);
    let report = ops::inbox(pair.b.node(), &Filter::default()).unwrap().pop().unwrap();
    assert_eq!(report.verdict, None, "it is our own");
}

/// A forger that spoils a copy of a true message must not make its sender believe that it failed.
#[test]
fn a_changed_line_has_no_effect_on_the_true_one() {
    let mut pair = acquainted();
    pair.b.faults.away(Some(std::io::ErrorKind::NotConnected));
    let sent = pair.a.send("b", &["pay 1 to c".into()]);
    pair.a.step();
    pair.a.step();
    let line = pair.lane_lines("a", "b").pop().unwrap();
    assert!(line.contains("pay 1"), "{line}");
    append(&pair, "b", ("a", 1, 1), &line.replace("pay 1", "pay 9"));
    pair.b.faults.away(None);
    pair.settle();
    assert_eq!(arrived(&pair.b), verified(&["hello", "pay 1 to c"]));
    assert_eq!(refused(&pair.b), ["forged in the name of a: 1"]);
    assert_eq!(pair.a.state_of(&sent[0]), State::Delivered);
    assert!(pair.a.reports().is_empty());
    goes_on(&mut pair);
}

#[test]
fn a_forged_receipt_moves_no_message() {
    let mut pair = acquainted();
    pair.b.faults.away(Some(std::io::ErrorKind::NotConnected));
    let sent = pair.a.send("b", &["unread".into()]);
    pair.a.run(Duration::from_secs(5));
    let mut receipt = lie("b", "a", "r");
    receipt.insert("type".into(), "receipt".into());
    let item = json!({"id": sent[0].id, "state": "processed", "at": "2026-01-01T00:00:00.000Z"});
    receipt.insert("content".into(), json!({"delivered": {"lease": 1, "up_to": 99}, "items": [item]}));
    append(&pair, "a", ("b", 1, 1), &text(receipt.clone()));
    stranger().sign_object(&mut receipt);
    append(&pair, "a", ("b", 1, 1), &text(receipt));
    pair.a.run(Duration::from_secs(120));
    assert_eq!(pair.a.state_of(&sent[0]), State::Sent);
    assert_eq!(refused(&pair.a), ["forged in the name of b: 1", "unsigned in the name of b: 1"]);
    pair.b.faults.away(None);
    pair.settle();
    assert_eq!(pair.a.state_of(&sent[0]), State::Delivered);
}

/// Even the true sender of receipts can only speak of what was sent to it.
#[test]
fn a_receipt_for_what_was_sent_to_somebody_else_changes_nothing() {
    let mut pair = acquainted();
    let c = Site::new(&pair.share, "c", 3, false);
    pair.run(Duration::from_secs(60));
    pair.b.faults.away(Some(std::io::ErrorKind::NotConnected));
    let sent = pair.a.send("b", &["for b".into()]);
    pair.a.run(Duration::from_secs(5));
    let mut receipt = lie("c", "a", "r");
    receipt.insert("type".into(), "receipt".into());
    receipt.insert("seq".into(), 1.into());
    let item = json!({"id": sent[0].id, "state": "processed", "at": "2026-01-01T00:00:00.000Z"});
    receipt.insert("content".into(), json!({"delivered": {"lease": 1, "up_to": 99}, "items": [item]}));
    c.signer().sign_object(&mut receipt);
    append(&pair, "a", ("c", 1, 1), &text(receipt));
    pair.a.run(Duration::from_secs(60));
    assert_eq!(refused(&pair.a), [""; 0], "it is c's word");
    assert_eq!(pair.a.state_of(&sent[0]), State::Sent);
}

fn presence(site: &Site, of: &str) -> Presence {
    let peers = ops::peers(site.node()).unwrap();
    peers.into_iter().find(|peer| peer.name == name(of)).unwrap().presence
}

#[test]
fn a_forged_heartbeat_is_not_believed() {
    for by in ["nobody", "a stranger", "nobody, without a key"] {
        let mut pair = acquainted();
        pair.run(Duration::from_secs(30));
        assert_eq!(presence(&pair.a, "b"), Presence::Online);
        pair.b.faults.away(Some(std::io::ErrorKind::NotConnected));
        for n in 0..60 {
            let mut beat = heartbeat(&pair, "b");
            (beat.state, beat.beat, beat.max_message, beat.host) =
                (Activity::Online, beat.beat + n, 10, format!("of the forger {n}"));
            let bytes = match by {
                "nobody" => beat.to_bytes(),
                "a stranger" => beat.to_signed_bytes(&stranger()),
                _ => {
                    let mut object: serde_json::Value = serde_json::from_slice(&beat.to_bytes()).unwrap();
                    object.as_object_mut().unwrap().retain(|key, _| key != "key" && key != "sig");
                    object.to_string().into_bytes()
                }
            };
            pair.share.replace(&layout::status(&name("b")), &bytes).unwrap();
            pair.a.run(Duration::from_secs(15));
        }
        assert_eq!(presence(&pair.a, "b"), Presence::Gone, "by {by}");
        let peer = pair.a.node().db.peer("b").unwrap().unwrap().heartbeat.unwrap();
        assert_ne!(peer.max_message, 10);
        assert_eq!(told(&pair.a), ["heartbeat b"], "by {by}");
        let aside = pair.a.node().db.quarantine(999).unwrap();
        assert!(
            aside.iter().any(|kept| kept.source == "status/b.json" && kept.raw.starts_with(b"{")),
            "by {by}"
        );
        pair.b.faults.away(None);
        pair.run(Duration::from_secs(60));
        assert_eq!(presence(&pair.a, "b"), Presence::Online);
    }
}

/// On a share that tells upper from lower case, `status/B.json` is another file than that of b.
#[test]
fn a_file_beside_a_heartbeat_gives_nobody_another_mailbox() {
    for content in ["garbage", "unsigned", "copied", "unsigned and alone"] {
        let mut pair = acquainted();
        let other = layout::status(&name("B"));
        for n in 0..10 {
            let mut beat = heartbeat(&pair, "b");
            beat.beat += n;
            let bytes = match content {
                "garbage" => vec![b'x'; 10 + n as usize],
                "copied" => pair.share.read(&layout::status(&name("b")), 0, 1 << 20).unwrap().unwrap(),
                _ => beat.to_bytes(),
            };
            pair.share.replace(&other, &bytes).unwrap();
            if content.ends_with("alone") {
                pair.share.remove(&layout::status(&name("b"))).unwrap();
            }
            pair.a.run(Duration::from_secs(20));
            assert_eq!(pair.a.node().db.peer("b").unwrap().unwrap().name, name("b"), "{content}");
            pair.b.run(Duration::from_secs(20));
        }
        let sent = pair.a.send("b", &["where it belongs".into()]);
        pair.settle();
        assert_eq!(pair.a.state_of(&sent[0]), State::Delivered, "{content}");
        assert_eq!(pair.share.stat(&layout::mailbox(&name("B"))).unwrap(), None, "{content}");
    }
}

/// Both would be read with one cursor, each as what the other was replaced by.
#[test]
fn a_lane_beside_a_lane_is_not_read() {
    let mut pair = acquainted();
    pair.a.send("b", &texts("before", 2));
    pair.settle();
    let lane = pair.lanes("a", "b").pop().unwrap();
    let other = layout::lane(&name("b"), &LaneFile { from: name("A"), ..lane });
    pair.share.replace(&other, &b"{\"content\":1}\n".repeat(50)).unwrap();
    pair.run(Duration::from_secs(300));
    pair.a.send("b", &texts("after", 2));
    pair.settle();
    assert_eq!(pair.b.texts()[1..], [texts("before", 2), texts("after", 2)].concat());
    let status = pair.b.status();
    assert!(status.refused.is_empty() && status.quarantined == 0, "{status:?}");
    assert!(status.incidents.is_empty(), "{:?}", status.incidents);
}

/// What it says of us would be how we treat mail to ourselves.
#[test]
fn a_forged_heartbeat_of_our_own_is_not_believed() {
    for signed in [false, true] {
        let mut pair = acquainted();
        for n in 0..40 {
            let mut beat = heartbeat(&pair, "a");
            (beat.beat, beat.max_message, beat.host) = (beat.beat + 100, 10, format!("of the forger {n}"));
            let bytes = if signed { beat.to_signed_bytes(&stranger()) } else { beat.to_bytes() };
            pair.share.replace(&layout::status(&name("a")), &bytes).unwrap();
            pair.a.run(Duration::from_secs(1));
            assert_ne!(pair.a.node().db.peer("a").unwrap().unwrap().heartbeat.unwrap().max_message, 10);
        }
        let sent = pair.a.send("a", &["longer than ten bytes".into()]);
        pair.settle();
        assert_eq!(pair.a.state_of(&sent[0]), State::Delivered, "signed: {signed}");
    }
}

/// A true heartbeat that is kept and put there again, and one that is touched for ever.
#[test]
fn an_old_heartbeat_keeps_nobody_alive() {
    for replaced in [false, true] {
        let mut pair = acquainted();
        let old = pair.share.read(&layout::status(&name("b")), 0, usize::MAX).unwrap().unwrap();
        pair.run(Duration::from_secs(60));
        let new = pair.share.read(&layout::status(&name("b")), 0, usize::MAX).unwrap().unwrap();
        pair.b.faults.away(Some(std::io::ErrorKind::NotConnected));
        for n in 0..80 {
            let bytes = if replaced && n % 2 == 0 { &old } else { &new };
            pair.share.replace(&layout::status(&name("b")), bytes).unwrap();
            pair.a.run(Duration::from_secs(15));
        }
        assert_eq!(presence(&pair.a, "b"), Presence::Gone, "replaced: {replaced}");
        assert!(told(&pair.a).is_empty(), "a share that was restored looks the same");
        pair.b.faults.away(None);
        pair.run(Duration::from_secs(60));
        assert_eq!(presence(&pair.a, "b"), Presence::Online);
    }
}

/// Each look would read them again, count them again, and answer again.
#[test]
fn segments_that_come_in_the_wrong_order_are_read_once() {
    let mut pair = acquainted();
    for segment in [3, 2] {
        append(&pair, "b", ("a", 1, segment), &text(lie("a", "b", &format!("x{segment}"))));
        pair.run(Duration::from_secs(60));
    }
    pair.run(Duration::from_secs(300));
    assert_eq!(refused(&pair.b), ["unsigned in the name of a: 2"]);
}

/// The writer goes on in its segment: it is none of its own that lies ahead.
#[test]
fn a_segment_ahead_hides_no_growth_of_the_true_one() {
    let mut pair = acquainted();
    for n in 0..3 {
        append(&pair, "b", ("a", 1, 5 + n), &text(lie("a", "b", &format!("x{n}"))));
        pair.run(Duration::from_secs(60));
        goes_on(&mut pair);
    }
    let resent = pair.lane_lines("a", "b").iter().filter(|line| line.contains("still here")).count();
    assert_eq!(resent, 3, "none had to be written again");
    assert_eq!(refused(&pair.b), ["unsigned in the name of a: 3"]);
}

#[test]
fn a_report_of_ours_cannot_come_from_the_share() {
    let mut pair = acquainted();
    for kind in ["non-delivery-report", "trust-report"] {
        append_to_slot(
            &pair,
            "b",
            &json!({"from": "someone", "type": kind, "content": "all is well"}).to_string(),
        );
    }
    pair.settle();
    assert_eq!(arrived(&pair.b), verified(&["hello"]));
    assert_eq!(pair.b.status().quarantined, 2);
    assert!(pair.b.reports().is_empty() && told(&pair.b).is_empty());
}
