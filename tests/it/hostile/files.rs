//! Files that are not what they should be: endless, sparse, in the way, of the wrong number, full of tiny things.

use std::sync::Arc;
use std::time::Duration;

use lanpost::model::layout::{self, LaneFile};
use lanpost::sys::disk::DiskShare;
use lanpost::sys::share::Share;
use serde_json::json;

use crate::common::counting::Verb;
use crate::common::pair::{Pair, name};

const MIB: usize = 1 << 20;

fn lane_of(of: &str, lease: u64, segment: u64) -> layout::SharePath {
    layout::lane(&name("b"), &LaneFile { from: name(of), lease, segment })
}

fn line(of: &str, seq: usize, text: &str) -> String {
    json!({"v": 1, "id": format!("{of}-{seq}"), "seq": seq, "from": of, "to": "b", "content": text})
        .to_string()
        + "\n"
}

fn append(pair: &Pair, path: &layout::SharePath, bytes: &[u8]) {
    pair.share.open_append(path).unwrap().append(bytes).unwrap();
    pair.share.touch(&layout::bell(&name("b"))).unwrap();
}

/// Every object of a line keeps the line's bytes: a line of a million objects would be a terabyte.
#[test]
fn a_line_of_a_hundred_thousand_messages_is_set_aside_once() {
    let mut pair = Pair::new();
    pair.settle();
    let slot = layout::open_slot(&name("b"));
    let tiny = "{}".repeat(100_000) + "\n";
    let mail = r#"{"from":"x","content":1}"#.repeat(30_000) + "\n";
    let few = r#"{"from":"x","content":"one"}{"from":"x","content":"two"}"#.to_owned() + "\n";
    append(&pair, &slot, [tiny.as_str(), &mail, &few].concat().as_bytes());
    append(&pair, &lane_of("x", 1, 1), [tiny.as_str(), &mail].concat().as_bytes());
    pair.until("what is mail", |pair| pair.b.texts() == ["one", "two"]);
    pair.settle();
    let aside = pair.b.node().db.quarantine(100).unwrap();
    let reasons: Vec<_> = aside.iter().map(|one| one.reason.as_str()).collect();
    assert_eq!(reasons.len(), 4, "{reasons:?}");
    assert!(reasons.iter().all(|reason| reason.contains("messages in one line")), "{reasons:?}");
}

#[test]
fn what_cannot_be_read_is_kept_up_to_a_limit_and_counted_beyond() {
    let mut pair = Pair::with(|config| config.limits.quarantine.0 = MIB as u64);
    pair.settle();
    let bad = format!("{}\n", "x".repeat(60_000));
    append(&pair, &layout::open_slot(&name("b")), bad.repeat(100).as_bytes());
    pair.a.send("b", &["goes on".into()]);
    pair.until("the mail", |pair| pair.b.texts() == ["goes on"]);
    pair.until("all of it", |pair| pair.b.node().db.quarantine_dropped().unwrap() > 80);
    let kept: usize = pair.b.node().db.quarantine(1_000).unwrap().iter().map(|one| one.raw.len()).sum();
    assert!(kept <= MIB, "{kept}");
    assert!(pair.b.status().problems.join("\n").contains("found no room in the quarantine"));
}

/// However much a file holds, one look reads a few chunks of it, and then it is somebody else's turn.
#[test]
fn an_endless_lane_holds_up_nobody_else() {
    let mut pair = Pair::new();
    pair.settle();
    let of = "0-first-in-every-listing";
    let line = line(of, 1, &"x".repeat(100_000));
    append(&pair, &lane_of(of, 1, 1), line.repeat(60 * MIB / line.len()).as_bytes());
    pair.a.send("b", &["goes on".into()]);
    pair.a.step();
    let before = pair.b.counting.counts();
    pair.b.until("the mail", |site| site.texts().contains(&"goes on".into()));
    let took = pair.b.counting.counts() - before;
    assert!(took.verb(Verb::Read) <= 30, "sixty MiB are not read first: {took}");
    assert!(pair.b.rest.is_zero(), "and it goes on with it at once");
}

/// A terabyte of holes in the place of every file that is read, but for the share's identity.
#[test]
fn sparse_files_are_read_by_pieces_that_are_bounded() {
    let root = tempfile::tempdir().unwrap();
    let share: Arc<dyn Share> = Arc::new(DiskShare::new(root.path(), "test"));
    let mut pair = Pair::on(share, |config| {
        config.look.notify = false;
        config.limits.sender_bytes.0 = 8 * MIB as u64;
    });
    pair.settle();
    for place in [
        "messages/to-b.jsonl",
        "messages/to-b/from-x.1-000001.jsonl",
        "messages/to-x.jsonl.lock",
        "status/x.json",
        "leases/b/000050.txt",
    ] {
        std::fs::File::create(root.path().join(place)).unwrap().set_len(1 << 40).unwrap();
    }
    let sent = pair.a.send("b", &["goes on".into()]);
    pair.until("the mail", |pair| pair.a.state_of(&sent[0]).to_string() == "delivered");
    pair.run(Duration::from_secs(70));
    let before = pair.b.counting.counts();
    pair.run(Duration::from_secs(60));
    let took = pair.b.counting.counts() - before;
    assert!(took.verb(Verb::Read) <= 60, "over their quota, they are left alone: {took}");
    let said = pair.b.status().problems.join("\n");
    assert!(said.contains("limits.sender_bytes"), "{said}");
}

/// Whoever puts a later segment in front of the real ones would hide them all.
#[test]
fn a_forged_later_segment_hides_none_of_the_real_ones() {
    for restart in [false, true] {
        let mut pair = Pair::with(|config| config.limits.segment.0 = 64 << 10);
        pair.a.send("b", &["one".into()]);
        pair.until("the first", |pair| pair.b.texts() == ["one"]);
        for (lease, segment) in [(1, layout::LAST), (2, layout::LAST), (1, 40)] {
            append(&pair, &lane_of("a", lease, segment), b"{\"not\":\"mail\"}\n");
        }
        pair.settle();
        if restart {
            pair.b.start();
        }
        // Each fills a segment, and a new lease begins another lane.
        for n in 0..4 {
            pair.a.send("b", &[format!("{n}{}", "x".repeat(70_000))]);
            pair.run(Duration::from_secs(5));
        }
        pair.a.start();
        pair.a.send("b", &["under the next lease".into()]);
        pair.until("all of it", |pair| pair.b.texts().len() == 6);
        pair.settle();
        assert_eq!(pair.b.texts().len(), 6, "and nothing twice");
        assert_eq!(pair.a.status().spooled, 0);
    }
}

/// The real one goes on in its segment, and knows nothing of the next.
#[test]
fn a_forged_next_segment_stops_nothing_in_the_one_before() {
    for restart in [false, true] {
        let mut pair = Pair::new();
        pair.a.send("b", &["one".into()]);
        pair.until("the first", |pair| pair.b.texts() == ["one"]);
        for forged in [b"garbage\n".as_slice(), b"{\"torn\":", b"\0\0\0"] {
            append(&pair, &lane_of("a", 1, 2), forged);
            pair.run(Duration::from_secs(5));
            if restart {
                pair.b.start();
            }
            let before = pair.b.texts().len();
            pair.a.send("b", &[format!("after {before}")]);
            pair.until("what came after it", |pair| pair.b.texts().len() == before + 1);
        }
        pair.run(Duration::from_secs(7_200));
        assert_eq!(pair.b.texts(), ["one", "after 1", "after 2", "after 3"]);
        assert_eq!(pair.a.status().spooled, 0);
        let aside = pair.b.node().db.quarantine(99).unwrap();
        assert!(aside.len() <= 3, "each is set aside once: {aside:?}");
    }
}

/// Segments of ours that we never wrote are not stepped over for ever.
#[test]
fn segments_in_our_way_are_not_all_opened() {
    let mut pair = Pair::new();
    pair.settle();
    for segment in 1..=300 {
        append(&pair, &lane_of("a", 1, segment), b"torn");
    }
    let before = pair.a.counting.counts();
    pair.a.send("b", &["goes on".into()]);
    pair.until("the mail", |pair| pair.b.texts().contains(&"goes on".into()));
    let took = pair.a.counting.counts() - before;
    assert!(took.verb(Verb::OpenAppend) < 150, "{took}");
}

#[test]
fn numbers_without_measure_break_nothing() {
    let mut pair = Pair::new();
    pair.settle();
    for (n, seq) in [u64::MAX, 1 << 63, (1 << 63) - 1, (1 << 63) - 2, 1 << 62, 0].into_iter().enumerate() {
        let line =
            json!({"v": 1, "id": format!("big-{n}"), "seq": seq, "from": "x", "to": "b", "content": n});
        append(&pair, &lane_of("x", layout::LAST, 1), (line.to_string() + "\n").as_bytes());
    }
    let beat = json!({"lanpost": "9", "v": u64::MAX, "instance": "x", "state": "online", "beat": u64::MAX, "interval": u64::MAX,
        "timestamp": "+262142-12-31T23:59:59Z", "lease": u64::MAX, "key": "", "host": "", "max_message": u64::MAX});
    pair.share.create_new(&layout::status(&name("x")), beat.to_string().as_bytes()).unwrap();
    pair.until("what can be believed", |pair| pair.b.inbox().len() == 3);
    pair.run(Duration::from_secs(20));
    let sent = pair.b.send("x", &["an answer".into()]);
    pair.run(Duration::from_secs(120));
    assert_eq!(pair.b.state_of(&sent[0]).to_string(), "sent");
    pair.a.send("b", &["goes on".into()]);
    pair.until("the mail", |pair| pair.b.texts().contains(&"goes on".into()));
}

/// Brackets without end, and all of a file's size in one value's structure.
#[test]
fn nesting_is_bounded_in_lines_heartbeats_and_leases() {
    let mut pair = Pair::new();
    pair.settle();
    let deep = format!(r#"{{"from":"x","content":{}"#, "[".repeat(500_000));
    let wide = format!(r#"{{"from":"x","content":[{}0]}}"#, "[],".repeat(300_000));
    append(&pair, &layout::open_slot(&name("b")), format!("{deep}\n{wide}\n").as_bytes());
    for of in ["x", "y"] {
        let beat = format!(r#"{{"lanpost":{}"#, "[".repeat(10_000));
        pair.share.create_new(&layout::status(&name(of)), beat.as_bytes()).unwrap();
    }
    pair.a.send("b", &["goes on".into()]);
    pair.until("the mail", |pair| pair.b.inbox().len() == 2);
    let aside = pair.b.node().db.quarantine(10).unwrap();
    assert!(aside.len() == 1 && aside[0].reason.contains("nested deeper"), "{}", aside.len());
}
