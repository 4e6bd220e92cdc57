//! A restored state folder asks the share what it did since: it believes itself, and nobody else.

use std::path::PathBuf;
use std::sync::Arc;

use lanpost::engine::ops::{self, Restore};
use lanpost::model::state::State;
use lanpost::model::trust::Standing;
use lanpost::sys::clock::Clock;
use tempfile::TempDir;

use super::*;
use crate::common::pair::state_folder;
use crate::common::texts;

/// Backs `a` up; the folder holds the file.
fn backed_up(pair: &mut Pair) -> (TempDir, PathBuf) {
    let folder = state_folder();
    let file = folder.path().join("a.backup");
    ops::backup(pair.a.node_mut(), &folder.path().join("no config"), &file).unwrap();
    (folder, file)
}

/// `a` dies, is restored, and starts.
fn restore(pair: &mut Pair, file: &PathBuf) {
    let (config, clock) = (pair.a.node().config.clone(), pair.a.clock.clone());
    let clock: Arc<dyn Clock> = clock;
    ops::restore(&config, &clock, &Restore { file, force: true }).unwrap();
    pair.a.start();
}

fn said(pair: &Pair) -> String {
    pair.a.status().incidents.into_iter().map(|incident| incident.what + "\n").collect()
}

#[test]
fn what_others_put_into_our_lanes_is_not_recalled() {
    for honest in [false, true] {
        let mut pair = acquainted();
        let asked = pair.b.send("a", &texts("please", 1)).remove(0);
        pair.settle();
        let queued = pair.a.send("b", &texts("queued", 1)).remove(0);
        let (_folder, file) = backed_up(&mut pair);
        let receipt = |id: &str| {
            let mut line = lie("a", "b", id);
            line.insert("type".into(), "receipt".into());
            let content =
                json!({"items": [{"id": asked.id, "state": "processed", "at": "2026-01-01T00:00:00.000Z"}]});
            line.insert("content".into(), content);
            line
        };
        let mut sent = lie("a", "b", queued.id.as_str());
        sent.insert("content".into(), queued.content.clone());
        let own = pair.a.signer();
        let mut lines = vec![];
        if honest {
            lines.extend([(sent, Some(own.clone())), (receipt("r"), Some(own))]);
        } else {
            for (n, by) in [None, Some(stranger())].into_iter().enumerate() {
                lines.extend([(sent.clone(), by.clone()), (receipt(&format!("r{n}")), by)]);
            }
            // True words for another lane or recipient, copied here.
            for (field, other) in [("lease", json!(7)), ("to", json!("c"))] {
                for mut line in [sent.clone(), receipt(field)] {
                    line.insert(field.into(), other.clone());
                    lines.push((line, Some(own.clone())));
                }
            }
        }
        for (mut line, by) in lines {
            if let Some(by) = by {
                by.sign_object(&mut line);
            }
            append(&pair, "b", ("a", 1, 1), &text(line));
        }
        restore(&mut pair, &file);
        pair.a.step();
        let state = pair.a.inbox()[0].state;
        match honest {
            true => assert_eq!(state, State::Processed, "{}", said(&pair)),
            false => {
                assert_eq!(state, State::Delivered, "{}", said(&pair));
                assert!(said(&pair).contains("of 0 messages that were sent and 0 that"), "{}", said(&pair));
                pair.settle();
                assert_eq!(pair.b.texts().iter().filter(|text| *text == "queued 0").count(), 1);
                assert_eq!(pair.a.state_of(&queued), State::Delivered);
            }
        }
    }
}

#[test]
fn a_forged_heartbeat_sends_no_state_folder_back_in_time() {
    for by in [None, Some(stranger())] {
        let mut pair = acquainted();
        let true_beat = heartbeat(&pair, "a");
        let mut forged = true_beat.clone();
        forged.beat = 1 << 52;
        let bytes = match &by {
            Some(signer) => {
                forged.key = signer.key().to_string();
                forged.to_signed_bytes(signer)
            }
            None => forged.to_bytes(),
        };
        pair.share.replace(&layout::status(&name("a")), &bytes).unwrap();
        pair.a.start();
        pair.run(std::time::Duration::from_secs(60));
        assert!(!said(&pair).contains("older than"), "{}", said(&pair));
        assert!(heartbeat(&pair, "a").beat < true_beat.beat + 20);
        goes_on(&mut pair);
    }
}

#[test]
fn what_was_signed_by_a_key_of_later_is_recalled_and_that_key_stays_if_it_is_there() {
    for lost in [false, true] {
        let mut pair = acquainted();
        let (_folder, file) = backed_up(&mut pair);
        let old = pair.a.signer().key();
        ops::trust_rotate(pair.a.node_mut()).unwrap();
        let new = pair.a.signer().key();
        let since = pair.a.send("b", &texts("since", 2));
        pair.settle();
        if lost {
            for file in ["key", "key.pub", "key.past"] {
                std::fs::remove_file(pair.a.node().config.state.join(file)).unwrap();
            }
        }
        restore(&mut pair, &file);
        assert_eq!(pair.a.signer().key(), if lost { old } else { new });
        pair.a.step();
        assert!(said(&pair).contains("of 2 messages that were sent"), "lost: {lost}; {}", said(&pair));
        pair.settle();
        let line = pair.lane_lines("a", "b");
        let times = |id: &str| line.iter().filter(|line| line.contains(&format!("\"id\":\"{id}\""))).count();
        assert!(since.iter().all(|message| times(message.id.as_str()) == 1), "{line:#?}");
        goes_on(&mut pair);
        // Peers believe the key of later alone; a person can make one that they are asked about.
        let alarmed = |pair: &Pair| pair.a.status().problems.join("\n").contains("peers do not believe us");
        assert_eq!(alarmed(&pair), lost);
        ops::trust_rotate(pair.a.node_mut()).unwrap();
        pair.settle();
        assert!(!alarmed(&pair));
    }
}

#[test]
fn a_key_that_was_revoked_stays_so_when_an_older_state_is_restored() {
    let mut pair = acquainted();
    let (_folder, file) = backed_up(&mut pair);
    ops::trust_revoke(pair.a.node_mut(), &name("b")).unwrap();
    restore(&mut pair, &file);
    pair.run(std::time::Duration::from_secs(60));
    let keys = ops::trust_show(pair.a.node(), &name("b")).unwrap().keys;
    assert_eq!(keys.iter().map(|pin| pin.state).collect::<Vec<_>>(), [Standing::Revoked]);
}
