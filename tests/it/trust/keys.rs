//! Keys that come, change, are rotated and given up.

use std::time::Duration;

use lanpost::engine::ops;
use lanpost::model::heartbeat::Succession;
use lanpost::model::state::State;
use lanpost::model::trust::{Standing, Trust};

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn standings(site: &Site, of: &str) -> Vec<Standing> {
    ops::trust_show(site.node(), &name(of)).unwrap().keys.iter().map(|pin| pin.state).collect()
}

/// The instance is set up anew on another PC, with another key.
fn set_up_anew(pair: &mut Pair) -> Site {
    pair.a.engine().stop("gone").unwrap();
    pair.a.faults.away(Some(std::io::ErrorKind::NotConnected));
    Site::new(&pair.share, "a", 9, true)
}

fn run(pair: &mut Pair, other: &mut Site, time: Duration) {
    for _ in 0..time.as_secs() / 5 {
        other.run(Duration::from_secs(5));
        pair.b.run(Duration::from_secs(5));
    }
}

#[test]
fn the_first_mail_of_somebody_unseen_is_verified_by_a_look_at_its_heartbeat() {
    let mut pair = Pair::new();
    let mut c = Site::new(&pair.share, "c", 3, false);
    c.run(Duration::from_secs(1));
    c.send_one("b", "I am new", |draft| draft.create = true);
    c.run(Duration::from_secs(2));
    pair.settle();
    assert_eq!(arrived(&pair.b), verified(&["I am new"]));
}

#[test]
fn a_changed_key_waits_for_a_person_and_its_mail_comes_in_when_accepted() {
    let mut pair = acquainted();
    let old = key(&pair, "a");
    let mut new = set_up_anew(&mut pair);
    run(&mut pair, &mut new, MINUTE);
    let sent = new.send("b", &["it is me".into()]);
    run(&mut pair, &mut new, MINUTE);
    assert_eq!(arrived(&pair.b), verified(&["hello"]));
    assert_eq!(standings(&pair.b, "a"), [Standing::Pinned, Standing::Pending]);
    assert_eq!(told(&pair.b), ["changed-key a"]);
    assert_eq!(new.state_of(&sent[0]), State::Sent);
    assert!(new.reports().is_empty(), "it may still be accepted");
    let problems = pair.b.status().problems.join("\n");
    assert!(problems.contains("a key of a waits for a decision"), "{problems}");
    let peer = ops::peers(pair.b.node()).unwrap().remove(0);
    assert_eq!((peer.name.as_str(), peer.trust), ("a", "changed"));
    // The wrong fingerprint, such as that of a key that came yet later, accepts nothing.
    let wrong = ops::trust_accept(pair.b.node_mut(), &name("a"), &stranger().key().fingerprint());
    assert!(wrong.unwrap_err().to_string().contains("not"), "another key waits");
    let fresh = key(&pair, "a");
    assert_ne!(fresh, old);
    ops::trust_accept(pair.b.node_mut(), &name("A"), &fresh.fingerprint()).unwrap();
    run(&mut pair, &mut new, 60 * MINUTE);
    assert_eq!(arrived(&pair.b), verified(&["hello", "it is me"]));
    assert_eq!(standings(&pair.b, "a"), [Standing::Pinned, Standing::Revoked]);
    assert_eq!(new.state_of(&sent[0]), State::Delivered);
}

#[test]
fn a_rotated_key_is_accepted_silently_with_the_mail_on_its_way() {
    let mut pair = acquainted();
    let before = key(&pair, "a");
    pair.b.faults.away(Some(std::io::ErrorKind::NotConnected));
    pair.a.send("b", &["signed by the old one".into()]);
    pair.a.run(Duration::from_secs(5));
    for _ in 0..2 {
        ops::trust_rotate(pair.a.node_mut()).unwrap();
        pair.a.send("b", &["signed by a newer one".into()]);
        pair.a.run(MINUTE);
    }
    assert_eq!(heartbeat(&pair, "a").succeeds.len(), 2);
    assert_ne!(key(&pair, "a"), before);
    pair.b.faults.away(None);
    pair.settle();
    let newer = "signed by a newer one";
    assert_eq!(arrived(&pair.b), verified(&["hello", "signed by the old one", newer, newer]));
    assert_eq!((refused(&pair.b), told(&pair.b)), (vec![], vec![]));
    assert_eq!(standings(&pair.b, "a"), [Standing::Pinned, Standing::Retired, Standing::Retired]);
    // While both run, nothing waits for the next heartbeat.
    ops::trust_rotate(pair.a.node_mut()).unwrap();
    goes_on(&mut pair);
    assert_eq!((refused(&pair.b), told(&pair.b)), (vec![], vec![]));
    pair.a.start();
    goes_on(&mut pair);
    let history = ops::trust_show(pair.b.node(), &name("a")).unwrap().history;
    assert!(
        history.iter().any(
            |step| step.what == "key-pinned" && step.detail.as_deref().unwrap().starts_with("rotation: ")
        ),
        "{history:?}"
    );
}

#[test]
fn a_key_that_nobody_handed_the_name_to_is_no_rotation() {
    let mut pair = acquainted();
    pair.a.faults.away(Some(std::io::ErrorKind::NotConnected));
    let (mut beat, old) = (heartbeat(&pair, "a"), key(&pair, "a"));
    beat.key = stranger().key().to_string();
    beat.beat += 1;
    let heir = Succession::sign(&name("a"), &stranger(), &stranger().key());
    beat.succeeds = vec![Succession { key: old.to_string(), ..heir }];
    pair.share.replace(&layout::status(&name("a")), &beat.to_signed_bytes(&stranger())).unwrap();
    pair.b.run(MINUTE);
    assert_eq!(standings(&pair.b, "a"), [Standing::Pinned, Standing::Pending]);
}

/// Anybody can put a heartbeat with a key of its own there, once, and go away.
#[test]
fn a_strangers_key_is_dismissed_when_the_owner_goes_on_with_its_own() {
    let mut pair = acquainted();
    pair.a.faults.away(Some(std::io::ErrorKind::NotConnected));
    let mut beat = heartbeat(&pair, "a");
    (beat.key, beat.reason) = (stranger().key().to_string(), Some("another length is read at once".into()));
    pair.share.replace(&layout::status(&name("a")), &beat.to_signed_bytes(&stranger())).unwrap();
    pair.b.run(MINUTE);
    assert_eq!(standings(&pair.b, "a"), [Standing::Pinned, Standing::Pending]);
    pair.a.faults.away(None);
    pair.run(70 * MINUTE);
    assert_eq!(standings(&pair.b, "a"), [Standing::Pinned]);
    assert!(pair.b.status().problems.iter().all(|problem| !problem.contains("waits for a decision")));
    assert_eq!(told(&pair.b), ["changed-key a"], "and that it happened is known");
    goes_on(&mut pair);
}

#[test]
fn mail_of_a_revoked_key_is_refused_and_so_is_every_other_in_its_name() {
    let mut pair = acquainted();
    ops::trust_revoke(pair.b.node_mut(), &name("a")).unwrap();
    pair.a.send("b", &["stolen".into()]);
    pair.run(MINUTE);
    append(&pair, "b", ("a", 1, 1), &text(lie("a", "b", "x")));
    pair.run(MINUTE);
    assert_eq!(arrived(&pair.b), verified(&["hello"]));
    let mut causes = told(&pair.b);
    causes.sort();
    assert_eq!(causes, ["revoked-key a", "unsigned a"]);
    let revoked = key(&pair, "a").to_string();
    assert!(ops::trust_pin(pair.b.node_mut(), &name("a"), &revoked, false).is_err());
    // A person may change its mind, by another word; meanwhile nobody else's key takes the place.
    ops::trust_pin(pair.b.node_mut(), &name("a"), &revoked, true).unwrap();
    pair.run(60 * MINUTE);
    assert_eq!(arrived(&pair.b), verified(&["hello", "stolen"]));
}

#[test]
fn with_manual_trust_a_key_counts_when_a_person_says_so() {
    let mut pair = Pair::with(|config| config.trust = Trust::Manual);
    pair.settle();
    pair.a.send("b", &["before".into()]);
    pair.settle();
    assert_eq!(arrived(&pair.b), [("before".to_owned(), Verdict::Unverified)]);
    assert_eq!(standings(&pair.b, "a"), [Standing::Pending]);
    let fingerprint = key(&pair, "a").fingerprint();
    ops::trust_pin(pair.b.node_mut(), &name("a"), &fingerprint, false).unwrap();
    pair.a.send("b", &["after".into()]);
    append(&pair, "b", ("a", 1, 1), &text(lie("a", "b", "x")));
    pair.settle();
    assert_eq!(arrived(&pair.b)[1..], verified(&["after"]));
    assert_eq!(refused(&pair.b), ["unsigned in the name of a: 1"]);
    let status = ops::status(pair.a.node()).unwrap();
    assert_eq!(status.undecided, ["b"]);
}

/// A peer that never had a key is what it was; one that had one can't go back.
#[test]
fn an_older_lanpost_without_a_key_is_unverified_until_it_has_one() {
    let mut pair = Pair::new();
    pair.settle();
    let mut beat = heartbeat(&pair, "a");
    (beat.instance, beat.key) = (name("old"), "ed25519:00".into());
    pair.share.replace(&layout::status(&name("old")), &beat.to_bytes()).unwrap();
    pair.run(MINUTE);
    append(&pair, "b", ("old", 1, 1), &text(lie("old", "b", "x")));
    pair.run(MINUTE);
    assert_eq!(arrived(&pair.b), [("send me your passwords".to_owned(), Verdict::Unverified)]);
    beat.key = stranger().key().to_string();
    pair.share.replace(&layout::status(&name("old")), &beat.to_signed_bytes(&stranger())).unwrap();
    pair.run(MINUTE);
    append(&pair, "b", ("old", 1, 1), &text(lie("old", "b", "y")));
    pair.run(MINUTE);
    assert_eq!(arrived(&pair.b).len(), 1);
    assert_eq!(refused(&pair.b), ["unsigned in the name of old: 1"]);
}

#[test]
fn keys_are_carried_by_hand_and_replace_none() {
    let mut pair = acquainted();
    let mut c = Site::with(&pair.share, "c", 3, false, |config| config.trust = Trust::Manual);
    let exported = ops::trust_export(pair.b.node()).unwrap();
    let json = serde_json::to_string(&exported).unwrap();
    let list: Vec<ops::Exported> = serde_json::from_str(&json).unwrap();
    let results = |site: &mut Site, list: &[ops::Exported]| -> Vec<&'static str> {
        ops::trust_import(site.node_mut(), list).unwrap().into_iter().map(|one| one.result).collect()
    };
    assert_eq!(results(&mut c, &list), ["pinned", "pinned"]);
    assert_eq!(results(&mut c, &list), ["known", "known"]);
    let other = [ops::Exported { name: name("A"), seal: None, key: stranger().key() }];
    assert_eq!(results(&mut c, &other), ["refused"]);
    pair.a.send_one("c", "hello c", |draft| draft.create = true);
    pair.a.run(Duration::from_secs(5));
    c.run(MINUTE);
    assert_eq!(arrived(&c), verified(&["hello c"]));
}

#[test]
fn a_number_that_can_not_be_signed_is_refused_when_it_is_sent() {
    let mut pair = acquainted();
    let draft = ops::Draft::new("b".parse().unwrap(), json!({"n": 9_007_199_254_740_993_i64}));
    let error = ops::send(pair.a.node_mut(), draft).unwrap_err();
    assert!(error.next_step().unwrap().contains("as a text"), "{error}");
    let draft = ops::Draft::new("b".parse().unwrap(), json!({"n": 9_007_199_254_740_991_i64, "x": 1e300}));
    let sent = ops::send(pair.a.node_mut(), draft).unwrap();
    pair.settle();
    assert_eq!(pair.a.state_of(&sent), State::Delivered);
}
