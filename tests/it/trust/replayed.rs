//! True lines in the wrong place or at the wrong time.

use std::time::Duration;

use lanpost::engine::ops;
use lanpost::sys::clock::Clock as _;

use super::*;

#[test]
fn a_signed_line_is_good_in_its_own_mailbox_lane_and_place_alone() {
    type Copy = fn(&Pair, &str);
    let cases: [(&str, Copy); 4] = [
        ("another mailbox", |pair, line| append(pair, "c", ("a", 1, 1), line)),
        ("a lane of another lease", |pair, line| append(pair, "b", ("a", 5, 1), line)),
        ("the open slot", |pair, line| append_to_slot(pair, "b", line)),
        ("another's open slot", |pair, line| append_to_slot(pair, "c", line)),
    ];
    for (what, copy) in cases {
        let mut pair = acquainted();
        let mut c = Site::new(&pair.share, "c", 3, false);
        c.run(Duration::from_secs(30));
        let line = pair.lane_lines("a", "b").into_iter().find(|line| line.contains("hello")).unwrap();
        copy(&pair, &line);
        pair.run(Duration::from_secs(90));
        c.run(Duration::from_secs(90));
        assert_eq!(arrived(&pair.b), verified(&["hello"]), "{what}");
        assert!(arrived(&c).is_empty(), "{what}");
        let refused = [refused(&pair.b), refused(&c)].concat();
        assert_eq!(refused, ["copied in the name of a: 1"], "{what}");
        let counted = pair.b.node().db.lane_out("a").unwrap();
        assert!(counted.is_some(), "{what}: b still answers under its own numbers");
        goes_on(&mut pair);
    }
}

#[test]
fn the_same_line_again_is_known_and_no_offence() {
    let mut pair = acquainted();
    let line = pair.lane_lines("a", "b").into_iter().find(|line| line.contains("hello")).unwrap();
    append(&pair, "b", ("a", 1, 1), &line);
    pair.run(Duration::from_secs(90));
    assert_eq!(arrived(&pair.b), verified(&["hello"]));
    assert_eq!(refused(&pair.b), [""; 0]);
}

#[test]
fn an_id_with_another_content_is_kept_aside_and_shown() {
    let mut pair = acquainted();
    for content in ["one", "one", "two"] {
        append_to_slot(&pair, "b", &json!({"from": "script", "id": "7", "content": content}).to_string());
    }
    pair.settle();
    let texts: Vec<String> = arrived(&pair.b).into_iter().map(|(text, _)| text).collect();
    assert_eq!(texts, ["hello", "one"]);
    assert_eq!(refused(&pair.b), ["same-id in the name of script: 1"]);
    let aside = pair.b.node().db.quarantine(9).unwrap();
    assert!(String::from_utf8_lossy(&aside[0].raw).contains("two"), "{aside:?}");
}

/// Ids are forgotten after more than a year; what they named does not come again.
#[test]
fn a_message_that_was_forgotten_does_not_come_again() {
    let mut pair = acquainted();
    let line = pair.lane_lines("a", "b").into_iter().find(|line| line.contains("hello")).unwrap();
    let received = pair.b.inbox().remove(0);
    ops::ack(pair.b.node_mut(), &[received.id.to_string()], None).unwrap();
    pair.settle();
    let now = pair.b.clock.wall_ms() + 1;
    let db = &mut pair.b.node_mut().db;
    db.age_messages(0, now, now).unwrap();
    while db.age_rows(0, 0, 0, now + 500 * 86_400_000).unwrap() {}
    assert!(arrived(&pair.b).is_empty());
    append(&pair, "b", ("a", 1, 1), &line);
    pair.run(Duration::from_secs(90));
    assert!(arrived(&pair.b).is_empty(), "{:?}", pair.b.inbox());
    goes_on(&mut pair);
}
