//! More of everything than anybody needs: foreign files, made-up peers, made-up lanes. Real mail goes on, and what a
//! look costs is bounded by the limits, not by what lies there.

use std::sync::Arc;
use std::time::Duration;

use lanpost::model::layout;
use lanpost::model::sign::Signer;
use lanpost::sys::disk::DiskShare;
use lanpost::sys::share::{Entry, Share};
use serde_json::json;

use crate::common::counting::{CountingShare, Op, Verb};
use crate::common::pair::{Pair, name};

/// What is put there of each; a million takes a test too long, and the bound is the same.
/// For each new name Wine looks through the whole folder: a hundred thousand would take it hours.
const MANY: usize = if cfg!(windows) { 1_000 } else { 100_000 };

fn heartbeat(of: &str, beat: u64) -> Vec<u8> {
    let beat = json!({"lanpost": "9", "v": 1, "instance": of, "state": "online", "beat": beat, "timestamp": "2026-01-01T00:00:00Z",
        "interval": 15, "lease": 1, "key": "", "host": "x".repeat(500), "max_message": 1 << 20});
    beat.to_string().into_bytes()
}

fn lane(of: &str, lines: usize) -> Vec<u8> {
    let line = |n| {
        json!({"v": 1, "id": format!("{of}-{n}"), "seq": n, "from": of, "to": "b", "content": "spam"})
            .to_string()
            + "\n"
    };
    (1..=lines).map(line).collect::<String>().into_bytes()
}

#[test]
fn foreign_files_cost_a_look_nothing() {
    let root = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let share: Arc<dyn Share> = Arc::new(DiskShare::new(root.path(), "test"));
    let mut pair = Pair::on(share, |config| config.look.notify = false);
    pair.settle();
    let cost = |pair: &mut Pair, text: &str| {
        let before = pair.b.counting.counts();
        pair.a.send("b", &[text.into()]);
        pair.until("the mail", |pair| pair.b.texts().last().is_some_and(|last| last == text));
        pair.run(Duration::from_secs(20));
        pair.b.counting.counts() - before
    };
    let quiet = cost(&mut pair, "before");
    for (folder, many) in
        [("messages", 1_000), ("messages/to-b", MANY), ("status", 1_000), ("leases/b", 1_000)]
    {
        for n in 0..many {
            std::fs::File::create(root.path().join(folder).join(format!("junk-{n}.jsonl"))).unwrap();
        }
    }
    let crowded = cost(&mut pair, "through it all");
    assert!(crowded.total() <= quiet.total() * 2, "before: {quiet}; among {MANY} files: {crowded}");
    assert!(pair.b.problems.is_empty(), "{:?}", pair.b.problems);
    let census = pair.b.status().share.census;
    assert!(census.is_none_or(|census| census.files <= 5_000), "a walk ends somewhere");
}

/// Each name that is not wanted is asked about neither here nor on the server.
#[test]
fn a_listing_asks_about_what_is_wanted_alone() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(root.path().join("status")).unwrap();
    for n in 0..100 {
        std::fs::write(root.path().join(format!("status/{n}.json")), "x").unwrap();
    }
    let counting = CountingShare::new(Arc::new(DiskShare::new(root.path(), "test")));
    let found = counting.list_those(&layout::status_folder(), &mut |name| name == "7.json").unwrap().unwrap();
    assert_eq!(found.iter().map(|Entry { name, .. }| name.as_str()).collect::<Vec<_>>(), ["7.json"]);
    assert_eq!((counting.counts().op(Op::List), counting.counts().op(Op::Stat)), (1, 1));
}

#[test]
fn a_walk_ends_among_empty_folders_too() {
    let root = tempfile::tempdir().unwrap();
    // 50 times 100, and one more; few in each, for Wine looks through a whole folder for each new name.
    for n in 0..50 * 99 {
        std::fs::create_dir_all(root.path().join(format!("{}/empty-{n}", n % 50))).unwrap();
    }
    std::fs::create_dir(root.path().join("empty")).unwrap();
    let share = DiskShare::new(root.path(), "test");
    assert!(share.walk(10).unwrap().cut);
    std::fs::remove_dir(root.path().join("empty")).unwrap();
    assert!(!share.walk(10).unwrap().cut);
}

#[test]
fn ten_thousand_peers_that_nobody_is_are_neither_all_remembered_nor_in_anybodys_way() {
    const FAKES: usize = 10_000;
    const PEERS: usize = 100;
    const LANES: usize = 400;
    let mut pair = Pair::with(|config| {
        config.limits.peers = PEERS;
        config.limits.lanes = LANES;
        config.limits.sender_messages = 500;
    });
    pair.settle();
    let rows = pair.b.node().db.peers().unwrap().len();
    assert_eq!(rows, 2, "itself and a");
    for n in 0..FAKES {
        let of = format!("fake-{n}");
        pair.share.create_new(&layout::status(&name(&of)), &heartbeat(&of, 1)).unwrap();
        // A quarter of them write, too: to look at so many names takes a debug build its time.
        if n % 4 == 0 {
            let file = layout::LaneFile { from: name(&of), lease: 1, segment: 1 };
            pair.share.create_new(&layout::lane(&name("b"), &file), &lane(&of, 3)).unwrap();
        }
    }
    let before = pair.b.counting.counts();
    pair.a.send("b", &["one".into()]);
    pair.until("mail among ten thousand", |pair| pair.b.texts().contains(&"one".into()));
    let took = pair.b.counting.counts() - before;
    // A few looks, each of at most so many lanes, and of each stranger's at most one read of what was not read before.
    assert!(took.verb(Verb::Stat) <= 6 * (LANES + PEERS) as u64, "{took}");
    assert!(took.verb(Verb::Read) <= 3 * (LANES + PEERS) as u64, "{took}");
    pair.run(Duration::from_secs(40));
    assert_eq!(pair.b.node().db.peers().unwrap().len(), PEERS);
    let fakes = pair.b.texts().iter().filter(|text| *text == "spam").count();
    // The peers that were let in, with three messages each, and all the others together, up to their quota.
    assert!(fakes <= 3 * PEERS + 500 + 3, "{fakes}");
    let said = pair.b.status().problems.join("\n");
    for told in ["limits.peers", "limits.lanes", "limits.sender_messages", "(strangers)"] {
        assert!(said.contains(told), "{told}: {said}");
    }
    // Both directions still work, with receipts.
    let sent = pair.b.send("a", &["two".into()]);
    pair.until("the answer", |pair| pair.b.state_of(&sent[0]).to_string() == "delivered");
    // The fakes' files go; whoever comes then finds room.
    for n in 0..FAKES {
        pair.share.remove(&layout::status(&name(&format!("fake-{n}")))).unwrap();
    }
    pair.share.create_new(&layout::status(&name("real")), &heartbeat("real", 1)).unwrap();
    pair.until("a newcomer", |pair| {
        pair.b.node().db.peers().unwrap().iter().any(|peer| peer.name == name("real"))
    });
}

/// Each of them signs, and has mail at every look: that is work, and a friend does not wait for it.
#[test]
fn a_friend_does_not_wait_for_a_thousand_strangers() {
    const STRANGERS: usize = 1_000;
    let mut pair = Pair::with(|config| config.limits.peers = 20);
    pair.a.send("b", &["hello".into()]);
    pair.settle();
    let key = Signer::new(&[66; 32]);
    let say = |pair: &Pair, n: usize, seq: u64| {
        let from = format!("0-{n}");
        let line = json!({"v": 1, "id": format!("{from}-{seq}"), "seq": seq, "lease": 1, "from": from, "to": "b", "content": "spam"});
        let serde_json::Value::Object(mut line) = line else { unreachable!() };
        key.sign_object(&mut line);
        let file = layout::LaneFile { from: name(&from), lease: 1, segment: 1 };
        let line = format!("{}\n", serde_json::Value::Object(line));
        pair.share.open_append(&layout::lane(&name("b"), &file)).unwrap().append(line.as_bytes()).unwrap();
    };
    for n in 0..STRANGERS {
        pair.share
            .create_new(&layout::status(&name(&format!("0-{n}"))), &heartbeat(&format!("0-{n}"), 1))
            .unwrap();
    }
    for round in 1..4 {
        (0..STRANGERS).for_each(|n| say(&pair, n, round));
        let text = format!("round {round}");
        pair.a.send("b", std::slice::from_ref(&text));
        let before = pair.b.counting.counts();
        pair.until("the friend's mail", |pair| pair.b.texts().contains(&text));
        // A few looks, each of a hundred strangers and a look at the heartbeats.
        let took = pair.b.counting.counts() - before;
        assert!(took.verb(Verb::Read) < 600, "{took}");
    }
    assert!(pair.b.node().db.peers().unwrap().len() <= 20);
    pair.until("all of the strangers' mail", |pair| {
        pair.b.texts().iter().filter(|text| *text == "spam").count() == 3 * STRANGERS
    });
}

/// Whoever is known keeps its place, however many come.
#[test]
fn no_lane_is_left_out_for_good() {
    let mut pair = Pair::with(|config| config.limits.lanes = 100);
    pair.settle();
    for n in 0..300 {
        let of = format!("fake-{n}");
        let file = layout::LaneFile { from: name(&of), lease: 1, segment: 1 };
        pair.share.create_new(&layout::lane(&name("b"), &file), &lane(&of, 1)).unwrap();
    }
    pair.share.touch(&layout::bell(&name("b"))).unwrap();
    pair.until("every one of them", |pair| pair.b.texts().len() == 300);
    assert!(pair.b.status().problems.join("\n").contains("limits.lanes"));
}
