//! The log: whoever changes it is found out, here and in an export; what ages out takes nothing of that away.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lanpost::engine::node::Node;
use lanpost::engine::ops::{self, Verdict};
use lanpost::model::chain::Head;
use lanpost::store::db::{Db, LogFilter};
use lanpost::sys::clock::ManualClock;
use rusqlite::Connection;

use crate::common::pair::state_folder;
use crate::common::process::Lan;
use crate::common::{Pair, texts};

/// The log of a node whose store is a copy of `site`'s, after somebody did `sql` to it.
fn after(node: &Node, sql: &str) -> (tempfile::TempDir, Node) {
    let folder = state_folder();
    let path = folder.path().join("lanpost.db");
    let copy = Connection::open(node.config.state.join("lanpost.db")).unwrap();
    copy.execute("VACUUM INTO ?1", [path.to_str().unwrap()]).unwrap();
    let tampered = Connection::open(&path).unwrap();
    tampered.execute_batch("DROP TRIGGER log_never_changes; DROP TRIGGER log_is_never_cut").unwrap();
    tampered.execute_batch(sql).unwrap();
    let clock = Arc::new(ManualClock::new(9));
    (folder, Node { config: node.config.clone(), db: Db::open(&path).unwrap(), clock })
}

fn bad(node: &Node, expect: Option<Head>) -> i64 {
    match ops::verify_log(node, expect).unwrap() {
        Verdict::Broken { entry, .. } => entry,
        Verdict::Sound { .. } => panic!("nothing was noticed"),
    }
}

fn is_sound(node: &Node, expect: Option<Head>) -> bool {
    ops::verify_log(node, expect).unwrap().is_sound()
}

fn exchanged() -> Pair {
    let mut pair = Pair::new();
    pair.a.send("b", &texts("x", 3));
    pair.settle();
    pair
}

#[test]
fn a_changed_removed_inserted_or_moved_entry_is_named() {
    let pair = exchanged();
    let node = pair.a.node();
    let head = ops::log_head(node).unwrap();
    assert!(head.n > 8 && is_sound(node, Some(head)), "{head}");
    let last = head.n;
    for (sql, entry) in [
        ("UPDATE log SET detail = 'to nobody' WHERE n = 5", 5),
        ("UPDATE log SET at = at + 1 WHERE n = 5", 5),
        ("UPDATE log SET peer = 'eve' WHERE n = 5", 5),
        ("UPDATE log SET hash = zeroblob(32) WHERE n = 5", 5),
        ("DELETE FROM log WHERE n = 5", 5),
        ("DELETE FROM log WHERE n < 5", 1),
        ("DELETE FROM log WHERE n = 5; UPDATE log SET n = n - 1 WHERE n > 5", 5),
        (
            "UPDATE log SET n = -n WHERE n > 5; UPDATE log SET n = 1 - n WHERE n < 0;
          INSERT INTO log SELECT 6, at, way, peer, id, what, detail, digest, hash FROM log WHERE n = 3",
            6,
        ),
        (
            "UPDATE log SET n = -5 WHERE n = 5; UPDATE log SET n = 5 WHERE n = 6; UPDATE log SET n = 6 WHERE n = -5",
            5,
        ),
        // A text that is taken away without its digest.
        (
            "UPDATE log SET way = NULL, peer = NULL, id = NULL, what = NULL, detail = NULL, digest = hash WHERE n = 5",
            5,
        ),
        // What no entry looks like.
        ("UPDATE log SET hash = x'00' WHERE n = 5", 5),
        (
            "INSERT INTO log (n, at, way, peer, id, what, hash) VALUES (-1, 1, 'in', 'eve', '', 'x', zeroblob(32))",
            -1,
        ),
        ("INSERT INTO log (n, at, digest, hash) VALUES (0, 1, zeroblob(32), zeroblob(32))", 0),
        // The end, by somebody who does not know of the counter.
        (&format!("DELETE FROM log WHERE n = {last}"), last),
    ] {
        let (_folder, node) = after(node, sql);
        assert_eq!(bad(&node, None), entry, "{sql}");
    }
    // What was said yesterday, emptied as if it had aged out.
    let entry = node.db.log(&LogFilter::default()).unwrap().into_iter().find(|entry| entry.n == 5).unwrap();
    let digest = entry.body.digest();
    let (_folder, emptied) = after(
        node,
        &format!(
            "UPDATE log SET way = NULL, peer = NULL, id = NULL, what = NULL, detail = NULL, digest = x'{digest}' WHERE n = 5"
        ),
    );
    assert_eq!(bad(&emptied, Some(head)), 5);
    // The end, by somebody who does.
    let (_folder, cut) = after(
        node,
        &format!(
            "DELETE FROM log WHERE n >= {last}; UPDATE sqlite_sequence SET seq = {last} - 1 WHERE name = 'log'"
        ),
    );
    assert!(is_sound(&cut, None), "the log alone can't tell");
    assert_eq!(bad(&cut, Some(head)), last);
}

#[test]
fn an_export_is_checked_elsewhere_and_is_the_log() {
    let pair = exchanged();
    let node = pair.a.node();
    let head = ops::log_head(node).unwrap();
    let export = |since| {
        let mut lines = vec![];
        ops::export_log(node, since, &mut |row| {
            lines.push(serde_json::to_vec(&row).unwrap());
            Ok(())
        })
        .unwrap();
        lines
    };
    let verify = |lines: &[Vec<u8>], expect| {
        let mut lines = lines.iter().cloned();
        ops::verify_export(expect, &mut || Ok(lines.next())).unwrap()
    };
    let all = export(None);
    assert_eq!(all.len() as i64, head.n + 2);
    assert!(verify(&all, Some(head)).is_sound());
    let later = export(Some(i64::MAX));
    assert_eq!(later.len(), 2, "nothing is that young");
    assert!(verify(&later, Some(head)).is_sound());
    let Verdict::Broken { entry, .. } = verify(&[&all[..4], &all[5..]].concat(), None) else { panic!() };
    assert_eq!(entry, 4);
}

#[test]
fn aging_out_keeps_the_proof_of_the_rest() {
    let mut pair = exchanged();
    let late = pair.a.send("b", &texts("late", 1));
    let sent = pair.b.inbox();
    for message in &sent {
        ops::ack(pair.b.node_mut(), &[message.id.to_string()], None).unwrap();
    }
    pair.settle();
    let head = ops::log_head(pair.a.node()).unwrap();
    let days = |days: u64| Duration::from_secs(days * 86_400);
    pair.advance(days(40));
    pair.run(Duration::from_secs(3 * 3_600));
    let node = pair.a.node();
    assert!(ops::trace(node, sent[0].id.as_str()).is_err(), "it aged out");
    assert_eq!(ops::trace(node, late[0].id.as_str()).unwrap().transitions[0].what, "queued");
    let Verdict::Sound { found, .. } = ops::verify_log(node, Some(head)).unwrap() else { panic!() };
    assert!(found.aged_out > 5 && found.aged_until.is_some(), "{found:?}");
    let events = ops::log(node, &LogFilter { events: true, ..LogFilter::default() }).unwrap();
    let what: Vec<_> = events.iter().filter_map(|line| line.what.as_deref()).collect();
    assert!(
        what.contains(&"set-up") && what.contains(&"lease-taken") && what.contains(&"aged-out"),
        "{what:?}"
    );
}

#[test]
fn what_happens_to_the_instance_is_logged_once() {
    let mut pair = exchanged();
    pair.a.faults.away(Some(std::io::ErrorKind::NotConnected));
    pair.a.run(Duration::from_secs(120));
    pair.a.faults.away(None);
    pair.run(Duration::from_secs(60));
    let slot = lanpost::model::layout::open_slot(&crate::common::name("a"));
    pair.share.replace(&slot, b"no mail\nnor this\n").unwrap();
    pair.run(Duration::from_secs(60));
    let node = pair.a.node();
    let events = ops::log(node, &LogFilter { events: true, ..LogFilter::default() }).unwrap();
    let count = |what: &str| events.iter().filter(|line| line.what.as_deref() == Some(what)).count();
    assert_eq!((count("share-away"), count("share-back"), count("set-aside")), (1, 1, 1), "{events:?}");
    let of_b = ops::log(node, &LogFilter { peer: Some("b".into()), limit: Some(2), ..LogFilter::default() })
        .unwrap();
    assert_eq!(of_b.len(), 2);
    assert!(of_b.iter().all(|line| line.way.as_deref() == Some("out")));
}

#[test]
fn the_commands_show_check_and_export() {
    let lan = Lan::new();
    let (office, _lab) = (lan.join("office"), lan.join("lab"));
    let id = office.send("lab", "x");
    let shown = office.ok(&["log", "--message", &id]);
    assert!(shown.contains("queued") && shown.contains("to lab"), "{shown}");
    let head = office.ok(&["log", "head"]).trim().to_owned();
    assert_eq!(office.json(&["status"])["log_head"], head.as_str());
    assert!(office.ok(&["log", "verify", "--expect", &head]).contains("as they were written"));
    let export = office.ok(&["log", "export"]);
    let file = office.temporary().join("log.jsonl");
    std::fs::write(&file, &export).unwrap();
    let check = |file: &Path, code| {
        office
            .bare(&["log", "verify", "--file", file.to_str().unwrap(), "--json"])
            .status()
            .map(|status| assert_eq!(status.code(), Some(code)))
            .unwrap()
    };
    check(&file, 0);
    std::fs::write(&file, export.replacen("queued", "failed", 1)).unwrap();
    check(&file, 6);
    let answer = office.run(&["log", "verify", "--file", file.to_str().unwrap(), "--json"]).exits(6).json();
    assert_eq!((answer["ok"].as_bool(), answer["entry"].is_number()), (Some(false), true), "{answer}");
    let cut = head.replacen(':', "9:", 1);
    assert!(office.run(&["log", "verify", "--expect", &cut]).exits(6).out.contains("missing"));
    office.run(&["log", "verify", "--expect", "x"]).exits(2).says(&["NUMBER:HASH"]);
    office.run(&["log", "verify", "--file", "/no/such"]).exits(3);
}
