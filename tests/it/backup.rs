//! Backup and restore: a restored older state neither loses nor repeats mail, whatever happened since.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lanpost::engine::ops::{self, Restore};
use lanpost::model::state::State;
use lanpost::store::db::Way;
use lanpost::sys::clock::Clock;

use crate::common::pair::state_folder;
use crate::common::process::{Lan, Pc};
use crate::common::{Pair, Site, name, texts};

/// Backs a site up.
fn backup(site: &mut Site, to: &Path) {
    let none = to.with_extension("no-config");
    ops::backup(site.node_mut(), &none, to).unwrap();
}

/// Its daemon dies, the state folder is restored, the daemon starts.
fn restore(site: &mut Site, from: &Path) {
    let (config, clock) = (site.node().config.clone(), site.clock.clone());
    let clock: Arc<dyn Clock> = clock;
    ops::restore(&config, &clock, &Restore { file: from, force: true }).unwrap();
    site.start();
}

/// The same as if the files had been copied over: no word is left of it.
fn restore_by_hand(site: &mut Site, from: &Path, beat: &str, lease: &str) {
    restore(site, from);
    for (key, value) in [("recall", ""), ("beat", beat), ("lease", lease)] {
        site.node_mut().db.set_meta(key, value).unwrap();
    }
    site.start();
}

fn woken(config: &mut lanpost::model::config::Config) {
    config.wake.command = vec!["agent".into()];
}

#[test]
fn a_restored_older_state_neither_loses_nor_repeats_mail() {
    for by_hand in [false, true] {
        let mut pair = Pair::with(woken);
        let folder = state_folder();
        let file = folder.path().join("a.backup");
        pair.a.send("b", &texts("early", 2));
        pair.b.send("a", &texts("to a, early", 1));
        pair.settle();
        let queued = pair.a.send_one("b", "queued then", |draft| draft.ttl = Some(Duration::from_secs(60)));
        backup(&mut pair.a, &file);
        let (beat, lease) = ["beat", "lease"].map(|key| pair.a.node().db.meta(key).unwrap().unwrap()).into();
        let since = pair.a.send("b", &texts("since", 2));
        let came = pair.b.send("a", &texts("to a, since", 3));
        pair.settle();
        for (id, failed) in [(&came[0].id, None), (&came[1].id, Some("can't"))] {
            ops::ack(pair.a.node_mut(), &[id.to_string()], failed).unwrap();
        }
        let early = pair.a.inbox()[0].clone();
        ops::ack(pair.a.node_mut(), &[early.id.to_string()], None).unwrap();
        pair.settle();
        let processed = pair.b.inbox()[2].clone();
        ops::ack(pair.b.node_mut(), &[processed.id.to_string()], None).unwrap();
        pair.run(Duration::from_secs(100));
        let wakes = pair.a.wakes.len();
        match by_hand {
            false => restore(&mut pair.a, &file),
            true => restore_by_hand(&mut pair.a, &file, &beat, &lease),
        }
        pair.run(Duration::from_secs(400));

        let mut found = pair.b.texts();
        found.sort();
        let mut wanted = [texts("early", 2), vec!["queued then".into()], texts("since", 2)].concat();
        wanted.sort();
        assert_eq!(found, wanted, "each once; by hand: {by_hand}");
        assert_eq!(pair.a.texts(), [texts("to a, early", 1), texts("to a, since", 3)].concat());
        assert_eq!(pair.a.state_of(&queued), State::Processed, "its time ran out, and it had come");
        assert!(since.iter().all(|message| pair.a.state_of(message) == State::Delivered));
        assert!(pair.a.reports().is_empty() && pair.b.reports().len() == 1, "{:?}", pair.a.reports());
        let states: Vec<_> = pair.a.inbox().iter().map(|message| message.state).collect();
        assert_eq!(states, [State::Processed, State::Processed, State::Failed, State::Delivered]);
        let again: Vec<_> = pair.a.wakes[wakes..].iter().flat_map(|wake| &wake.messages).collect();
        assert!(
            again.iter().all(|message| message.id == came[2].id),
            "what it dealt with is not handed over again"
        );
        // A second copy of a line would have shown as known at b: nothing of ours was written twice.
        let lines = pair.lane_lines("a", "b");
        let times = |id: &str| lines.iter().filter(|line| line.contains(&format!("\"id\":\"{id}\""))).count();
        assert!(since.iter().chain([&queued]).all(|message| times(message.id.as_str()) == 1), "{lines:#?}");
        let said: String =
            pair.a.status().incidents.iter().map(|incident| incident.what.clone() + "\n").collect();
        assert!(said.contains("3 messages that were sent and 3 that were dealt with"), "{said}");
        assert!(ops::verify_log(pair.a.node(), None).unwrap().is_sound());
        assert!(
            pair.a.status().problems.iter().all(|problem| problem.starts_with("no daemon")),
            "{:?}",
            pair.a.status().problems
        );
    }
}

#[test]
fn no_agent_is_woken_before_it_is_known_what_was_done_since() {
    let mut pair = Pair::with(woken);
    let folder = state_folder();
    let file = folder.path().join("a.backup");
    pair.a.answer = None;
    pair.b.send("a", &texts("to a", 1));
    pair.until("mail", |pair| pair.a.inbox().len() == 1);
    backup(&mut pair.a, &file);
    let id = pair.a.inbox()[0].id.to_string();
    ops::ack(pair.a.node_mut(), &[id], None).unwrap();
    pair.run(Duration::from_secs(30));
    let wakes = pair.a.wakes.len();
    restore(&mut pair.a, &file);
    assert_eq!(pair.a.inbox()[0].state, State::Delivered);
    pair.a.step_waker();
    pair.a.run(Duration::from_secs(60));
    assert_eq!(pair.a.inbox()[0].state, State::Processed);
    assert_eq!(pair.a.wakes.len(), wakes);
}

#[test]
fn no_number_is_used_twice_so_nothing_shows_as_delivered_before_it_is() {
    for by_hand in [false, true] {
        for pass in [false, true] {
            let mut pair = Pair::new();
            let folder = state_folder();
            let file = folder.path().join("a.backup");
            pair.a.send("b", &texts("early", 1));
            pair.settle();
            backup(&mut pair.a, &file);
            let (beat, lease) =
                ["beat", "lease"].map(|key| pair.a.node().db.meta(key).unwrap().unwrap()).into();
            pair.a.send("b", &texts("since", 5));
            pair.run(Duration::from_secs(60));
            // A lane that is gone tells nothing of its numbers; the receipts for them are still there.
            for lane in pair.lanes("a", "b") {
                pair.share.remove(&lanpost::model::layout::lane(&name("b"), &lane)).unwrap();
            }
            if pass {
                pair.a.engine().stop("stopped").unwrap();
            }
            match by_hand {
                false => restore(&mut pair.a, &file),
                true => restore_by_hand(&mut pair.a, &file, &beat, &lease),
            }
            pair.b.faults.away(Some(ErrorKind::NotConnected));
            let late = pair.a.send("b", &texts("late", 1));
            match pass {
                true => (0..2).for_each(|_| pair.a.pass()),
                false => pair.a.run(Duration::from_secs(30)),
            }
            assert_eq!(pair.a.state_of(&late[0]), State::Sent, "b is away; by hand: {by_hand}, pass: {pass}");
            pair.b.faults.away(None);
            pair.run(Duration::from_secs(300));
            assert_eq!(pair.a.state_of(&late[0]), State::Delivered);
            assert_eq!(pair.b.texts().len(), 7);
        }
    }
}

#[test]
fn what_lies_in_an_open_slot_is_not_appended_again() {
    let mut pair = Pair::new();
    let folder = state_folder();
    let file = folder.path().join("a.backup");
    let sent = pair.a.send_one("oldie", "by the plain protocol", |draft| draft.create = true);
    backup(&mut pair.a, &file);
    pair.run(Duration::from_secs(30));
    assert_eq!(pair.a.state_of(&sent), State::Sent);
    restore(&mut pair.a, &file);
    pair.run(Duration::from_secs(120));
    assert_eq!(pair.a.state_of(&sent), State::Sent);
    let slot = lanpost::model::layout::open_slot(&name("oldie"));
    let bytes = pair.share.read(&slot, 0, 1 << 20).unwrap().unwrap();
    assert_eq!(String::from_utf8(bytes).unwrap().lines().count(), 1);
}

/// What was written there since the backup is ours by its signature, though this store never heard of it.
#[test]
fn mail_that_a_restored_store_forgot_is_found_in_open_slots() {
    let mut pair = Pair::new();
    let folder = state_folder();
    let file = folder.path().join("a.backup");
    backup(&mut pair.a, &file);
    let sent = pair.a.send_one("oldie", "since the backup", |draft| draft.create = true);
    pair.run(Duration::from_secs(30));
    assert_eq!(pair.a.state_of(&sent), State::Sent);
    let slot = lanpost::model::layout::open_slot(&name("oldie"));
    let forged = b"{\"from\":\"a\",\"to\":\"oldie\",\"id\":\"x\",\"content\":\"of a forger\"}\n";
    pair.share.open_append(&slot).unwrap().append(forged).unwrap();
    restore(&mut pair.a, &file);
    pair.run(Duration::from_secs(120));
    assert_eq!(pair.a.state_of(&sent), State::Sent);
    let bytes = pair.share.read(&slot, 0, 1 << 20).unwrap().unwrap();
    assert_eq!(String::from_utf8(bytes).unwrap().matches("since the backup").count(), 1);
    let forged = pair.a.node().db.message(Way::Out, "oldie", &"x".parse().unwrap()).unwrap();
    assert!(forged.is_none(), "what others put there is not ours");
}

#[test]
fn a_share_that_fails_meanwhile_delays_and_changes_nothing() {
    let mut pair = Pair::new();
    let folder = state_folder();
    let file = folder.path().join("a.backup");
    let queued = pair.a.send("b", &texts("queued", 1));
    backup(&mut pair.a, &file);
    pair.settle();
    restore(&mut pair.a, &file);
    pair.a.faults.plan(
        crate::common::Verb::Read,
        1,
        8,
        crate::common::Fault::Refuse(ErrorKind::PermissionDenied),
    );
    let waits = "restored from a backup: mail waits, both ways, until the share was looked at";
    let said = |pair: &Pair| ops::status(pair.a.node()).unwrap().problems.iter().any(|said| said == waits);
    assert!(said(&pair));
    assert!(ops::waits_for(pair.a.node(), &queued[0]).unwrap().is_some_and(|words| words.starts_with(waits)));
    pair.run(Duration::from_secs(120));
    assert!(!said(&pair));
    assert_eq!(pair.b.texts(), texts("queued", 1));
    assert_eq!(pair.a.state_of(&queued[0]), State::Delivered);
    let lines = pair.lane_lines("a", "b");
    assert_eq!(lines.iter().filter(|line| line.contains("queued 0")).count(), 1, "{lines:#?}");
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn backed_up(pc: &Pc) -> PathBuf {
    let file = pc.temporary().join("saved.backup");
    pc.ok(&["backup", text(&file)]);
    file
}

#[test]
fn a_backup_is_made_beside_a_daemon_and_restored_without_one() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    let daemon = office.daemon();
    let first = office.send("lab", "first");
    let file = backed_up(&office);
    assert_private(&file);
    let made = office.json(&["backup", text(&file)]);
    assert_eq!((&made["instance"], &made["file"]), (&"office".into(), &text(&file).into()));
    let beside: Vec<_> =
        fs::read_dir(office.temporary()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(beside.iter().all(|name| !name.to_string_lossy().contains(".tmp")), "{beside:?}");
    office.run(&["restore", text(&file)]).exits(75).says(&["daemon", "stop"]);
    daemon.stop();

    let second = office.send("lab", "second");
    office.run(&["restore", text(&file)]).exits(2).says(&["newer", "--force"]);
    let restored = office.json(&["restore", text(&file), "--force"]);
    let aside = PathBuf::from(restored["aside"].as_str().unwrap());
    assert_private(&aside);
    assert_eq!(office.json(&["trace", &first])["id"], first.as_str());
    assert_eq!(office.json(&["trace", &second])["content"], "second", "recalled from the share");
    assert_eq!(lab.inbox().len(), 2);
    office.ok(&["log", "verify"]);
    // And back again: what was kept aside is a backup, too.
    office.ok(&["restore", text(&aside), "--force"]);
    assert_eq!(office.json(&["trace", &second])["content"], "second");

    let notes = office.temporary().join("notes.txt");
    fs::write(&notes, "mine").unwrap();
    office.run(&["backup", text(&notes)]).exits(2).says(&["no backup"]);
    assert_eq!(fs::read(&notes).unwrap(), b"mine");
    office.run(&["restore", text(&notes)]).exits(2).says(&["no backup"]);
    office.run(&["restore", "/no/such.backup"]).exits(3);
    office.run(&["backup", text(&office.share.join("x.backup"))]).exits(2).says(&["on the share", "key"]);
    lab.run(&["restore", text(&file), "--force"]).exits(2).says(&["office", "lab"]);
    lab.run(&["backup", text(&file)]).exits(2).says(&["office"]);
}

#[test]
fn a_damaged_sealing_key_takes_no_good_backups_place() {
    let lan = Lan::new();
    let office = lan.join("office");
    let file = backed_up(&office);
    let good = fs::read(&file).unwrap();
    fs::write(office.state.join("seal"), "x").unwrap();
    office.run(&["backup", text(&file)]).exits(1).says(&["seal", "backup"]);
    assert_eq!(fs::read(&file).unwrap(), good);
    office.ok(&["restore", text(&file)]);
    office.ok(&["backup", text(&file)]);
}

#[test]
fn a_lost_state_folder_comes_back_with_its_key_and_config() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    let id = lab.send("office", "x");
    assert_eq!(office.inbox().len(), 1);
    let file = backed_up(&office);
    let (key, config) = (fs::read(office.state.join("key")).unwrap(), fs::read(&office.config).unwrap());
    for damaged in [false, true] {
        match damaged {
            false => {
                fs::remove_dir_all(&office.state).unwrap();
                fs::remove_file(&office.config).unwrap();
            }
            true => fs::write(office.state.join("lanpost.db"), [7; 9000]).unwrap(),
        }
        office.ok(&["restore", text(&file)]);
        assert_eq!(fs::read(office.state.join("key")).unwrap(), key);
        assert_private(&office.state.join("key"));
        assert_eq!(fs::read(&office.config).unwrap(), config);
        assert_eq!(office.json(&["trace", &id])["content"], "x");
    }
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[4096..middle].fill(9);
    fs::write(&file, bytes).unwrap();
    office.run(&["restore", text(&file), "--force"]).exits(1);
    assert_eq!(office.json(&["trace", &id])["content"], "x", "nothing was changed");
    assert!(!office.state.join("restore.tmp").exists());
}

#[cfg(unix)]
fn assert_private(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
}

#[cfg(not(unix))]
fn assert_private(path: &Path) {
    // The list of rights is made by what also keeps secrets, whose tests ask for it.
    assert!(path.exists());
}
