//! What happens to a share behind its users' backs: a backup is restored, files are cut or deleted. It is recognised,
//! named in `status`, and mended without loss and without double delivery.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lanpost::engine::ops;
use lanpost::model::config::Size;
use lanpost::model::layout;
use lanpost::model::state::State;
use lanpost::store::db::{Message, Way};
use lanpost::sys::disk::DiskShare;
use tempfile::TempDir;

use crate::common::pair::state_folder;
use crate::common::{Fault, Pair, Site, Verb, name, texts};

/// Two instances on a folder, whose files a test may do anything to.
fn on_disk() -> (TempDir, Pair) {
    let folder = state_folder();
    let share = Arc::new(DiskShare::new(folder.path(), "test"));
    (folder, Pair::on(share, |_| {}))
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Puts yesterday's backup in place of the share.
fn restore(share: &Path, backup: &Path) {
    for entry in std::fs::read_dir(share).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap()
        } else {
            std::fs::remove_file(path).unwrap()
        }
    }
    copy(backup, share);
}

fn incidents(site: &Site) -> String {
    site.status().incidents.into_iter().map(|incident| incident.what + "\n").collect()
}

#[test]
fn a_share_restored_from_a_backup_loses_and_doubles_nothing() {
    for stopped in [false, true] {
        let (share, mut pair) = on_disk();
        let yesterday = state_folder();
        let early = pair.a.send("b", &texts("early", 2));
        pair.settle();
        copy(share.path(), yesterday.path());
        let done = pair.a.send("b", &texts("done", 2));
        pair.run(Duration::from_secs(30));
        ops::ack(pair.b.node_mut(), &[done[0].id.to_string()], None).unwrap();
        // Written and not read when the share goes back.
        pair.b.faults.away(Some(ErrorKind::NotConnected));
        let lost = pair.a.send("b", &texts("lost", 2));
        pair.a.step();
        assert_eq!(pair.a.state_of(&lost[0]), State::Sent);
        restore(share.path(), yesterday.path());
        if stopped {
            pair.a.start();
        }
        pair.b.faults.away(None);
        let late = pair.a.send("b", &texts("late", 2));
        pair.run(Duration::from_secs(300));
        let wanted = [texts("early", 2), texts("done", 2), texts("lost", 2), texts("late", 2)].concat();
        let mut found = pair.b.texts();
        found.sort();
        let mut sorted = wanted.clone();
        sorted.sort();
        assert_eq!(found, sorted, "each once; the daemon was started anew: {stopped}");
        for message in early.iter().chain(&done[1..]).chain(&lost).chain(&late) {
            assert_eq!(pair.a.state_of(message), State::Delivered, "{}", message.content);
        }
        assert_eq!(pair.a.state_of(&done[0]), State::Processed);
        let said = incidents(&pair.a);
        assert!(
            said.contains("went back in time") || said.contains("shrank") || said.contains("vanished"),
            "{said}"
        );
        assert_eq!(pair.a.status().problems, ["no daemon runs: start `lanpost run`"]);
    }
}

#[test]
fn a_lane_of_ours_that_was_cut_or_deleted_is_named_and_its_mail_written_again() {
    for cut in [true, false] {
        let (share, mut pair) = on_disk();
        pair.a.send("b", &texts("read", 1));
        pair.settle();
        pair.b.faults.away(Some(ErrorKind::NotConnected));
        let sent = pair.a.send("b", &texts("unread", 3));
        pair.a.step();
        let lane = layout::lane(&name("b"), &pair.lanes("a", "b")[0]);
        let path = share.path().join(lane.as_str());
        match cut {
            true => std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(40).unwrap(),
            false => std::fs::remove_file(&path).unwrap(),
        }
        pair.b.faults.away(None);
        pair.run(Duration::from_secs(300));
        assert_eq!(pair.b.texts(), [texts("read", 1), texts("unread", 3)].concat());
        assert!(sent.iter().all(|message| pair.a.state_of(message) == State::Delivered));
        let said = incidents(&pair.a);
        assert!(
            said.contains(lane.as_str()) && said.contains(if cut { "shrank" } else { "vanished" }),
            "{said}"
        );
        if cut {
            assert!(incidents(&pair.b).contains("shrank or was replaced"), "{}", incidents(&pair.b));
        }
    }
}

#[test]
fn more_that_vanished_than_a_receipt_names_is_written_again_all_the_same() {
    let (share, mut pair) = on_disk();
    pair.a.configure(|config| config.limits.segment = Size(64 << 10));
    pair.a.send("b", &texts("read", 1));
    pair.settle();
    pair.b.faults.away(Some(ErrorKind::NotConnected));
    let sent = pair.a.send("b", &texts("unread", 2_000));
    pair.a.until("all to be written", |a| a.state_of(&sent[1_999]) == State::Sent);
    // Its reader sees what is left before its writer looks what became of the rest.
    let lanes = pair.lanes("a", "b");
    let last = lanes.iter().map(|lane| (lane.lease, lane.segment)).max().unwrap();
    for lane in lanes.iter().filter(|lane| (lane.lease, lane.segment) != last) {
        std::fs::remove_file(share.path().join(layout::lane(&name("b"), lane).as_str())).unwrap();
    }
    pair.b.faults.away(None);
    pair.b.until("the last one", |b| b.texts().last().is_some_and(|text| text == "unread 1999"));
    assert!(pair.b.texts().len() < 900, "{} are left", pair.b.texts().len());
    pair.until("all of it", |pair| {
        let is_there =
            |message: &Message| pair.b.node().db.message(Way::In, "a", &message.id).unwrap().is_some();
        let lied =
            sent.iter().find(|message| pair.a.state_of(message) == State::Delivered && !is_there(message));
        assert!(lied.is_none(), "{} is delivered, and is not there", lied.unwrap().content);
        sent.iter().all(is_there)
    });
}

#[test]
fn leases_that_were_deleted_are_taken_anew_above_the_old_numbers() {
    let (share, mut pair) = on_disk();
    pair.a.start();
    pair.a.step();
    std::fs::remove_dir_all(share.path().join("leases/a")).unwrap();
    pair.run(Duration::from_secs(120));
    let sent = pair.a.send("b", &texts("a", 1));
    pair.settle();
    assert_eq!(pair.a.state_of(&sent[0]), State::Delivered);
    assert_eq!(pair.lanes("a", "b").last().unwrap().lease, 3, "1 and 2 were given");
    assert!(incidents(&pair.a).contains("the lease 2 of ours is gone"), "{}", incidents(&pair.a));
}

#[test]
fn folders_of_lanpost_that_were_deleted_are_made_again_and_mail_flows() {
    for folder in ["leases", "messages", "status"] {
        for daemon in [true, false] {
            let (share, mut pair) = on_disk();
            pair.a.send("b", &texts("a", 1));
            pair.settle();
            if !daemon {
                pair.a.engine().stop("a command follows").unwrap();
            }
            std::fs::remove_dir_all(share.path().join(folder)).unwrap();
            pair.a.problems.clear();
            let sent = pair.a.send("b", &["a 1".to_owned()]);
            match daemon {
                true => pair.run(Duration::from_secs(300)),
                false => {
                    pair.a.pass();
                    pair.a.clock.advance(Duration::from_secs(1));
                    pair.a.pass();
                    pair.b.until("delivery", |b| b.texts().len() == 2);
                }
            }
            let said = (folder, daemon, &pair.a.problems);
            assert_eq!(pair.b.texts(), texts("a", 2), "{said:?}");
            assert!(daemon || pair.a.state_of(&sent[0]) == State::Sent, "{said:?}");
            assert!(!daemon || pair.a.state_of(&sent[0]) == State::Delivered, "{said:?}");
            let incidents = incidents(&pair.a) + &incidents(&pair.b);
            assert!(
                incidents.contains(&format!("{folder}/ was gone")) || (folder, daemon) == ("status", false),
                "{said:?}: {incidents}"
            );
        }
    }
}

#[test]
fn a_mailbox_that_was_deleted_and_an_absence_are_named() {
    let (share, mut pair) = on_disk();
    std::fs::remove_dir_all(share.path().join("messages/to-a")).unwrap();
    pair.run(Duration::from_secs(120));
    assert!(incidents(&pair.a).contains("our mailbox was gone"), "{}", incidents(&pair.a));
    pair.b.faults.away(Some(ErrorKind::NotConnected));
    pair.run(Duration::from_secs(60));
    pair.b.faults.away(None);
    pair.run(Duration::from_secs(60));
    assert!(incidents(&pair.b).contains("the share was away from "), "{}", incidents(&pair.b));
}

#[test]
fn no_segment_is_begun_again_below_what_its_reader_saw() {
    let (share, mut pair) = on_disk();
    pair.settle();
    let yesterday = state_folder();
    copy(share.path(), yesterday.path());
    // Segments are begun and torn, and seen so by their reader, before anything is sent.
    pair.a.faults.plan(Verb::Append, 0, 50, Fault::Torn(5, ErrorKind::StorageFull));
    let sent = pair.a.send("b", &texts("a", 1));
    pair.until("torn segments", |pair| pair.lanes("a", "b").len() > 2 && pair.b.status().quarantined > 1);
    pair.a.faults.clear();
    restore(share.path(), yesterday.path());
    pair.until("delivery", |pair| pair.b.texts() == texts("a", 1));
    pair.settle();
    assert_eq!(pair.a.state_of(&sent[0]), State::Delivered);
}

#[test]
fn a_lane_of_receipts_alone_that_was_deleted_or_restored_is_mended() {
    for restored in [false, true] {
        let (share, mut pair) = on_disk();
        pair.a.send("b", &texts("first", 1));
        pair.settle();
        let lane = share.path().join(layout::lane(&name("a"), &pair.lanes("b", "a")[0]).as_str());
        let old = std::fs::read(&lane).unwrap();
        pair.a.send("b", &texts("second", 1));
        pair.settle();
        // b holds the file open: what it writes there now is nobody's.
        std::fs::remove_file(&lane).unwrap();
        if restored {
            std::fs::write(&lane, old).unwrap();
        }
        let sent = pair.a.send("b", &texts("third", 2));
        pair.run(Duration::from_secs(200));
        assert_eq!(pair.b.texts().len(), 4);
        assert!(
            sent.iter().all(|message| pair.a.state_of(message) == State::Delivered),
            "restored: {restored}"
        );
        assert!(
            incidents(&pair.b).contains(if restored { "shrank" } else { "vanished" }),
            "{}",
            incidents(&pair.b)
        );
    }
}
