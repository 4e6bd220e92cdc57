//! Sealed mail: nobody but its recipient reads it on the share, it never goes out otherwise, and it says who wrote it.
//!
//! The forger knows everything that is on the share, and no secret; or is a peer with a key of its own.

use std::fs;
use std::path::Path;
use std::time::Duration;

use lanpost::engine::ops::{self, Draft, Restore};
use lanpost::error::Kind;
use lanpost::model::heartbeat::Heartbeat;
use lanpost::model::layout::{self, LaneFile};
use lanpost::model::seal::{self, SealKey};
use lanpost::model::sign::Signer;
use lanpost::model::state::State;
use lanpost::model::trust::{TRUST_REPORT, Trust, Verdict};
use lanpost::store;
use lanpost::store::db::{Message, Way};
use lanpost::sys::seal::Identities;
use serde_json::{Map, Value, json};

use crate::common::process::{Lan, text_of};
use crate::common::{Pair, Site, name};

const SECRET: &str = "the launch code is 0000";

/// Two that have seen each other's keys.
fn acquainted() -> Pair {
    let mut pair = Pair::new();
    pair.a.send("b", &["hello".into()]);
    pair.settle();
    pair
}

fn seal(draft: &mut Draft) {
    draft.seal = true;
}

/// The mail of `site` but the first greeting and reports.
fn mail(site: &Site) -> Vec<Message> {
    let mut mail = site.inbox();
    mail.retain(|message| message.kind != TRUST_REPORT && message.content != json!("hello"));
    mail
}

fn object(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap()
}

/// The sealed lines in a lane.
fn sealed_lines(pair: &Pair, from: &str, to: &str) -> Vec<Map<String, Value>> {
    let lines = pair.lane_lines(from, to);
    lines.iter().map(|line| object(line)).filter(seal::is_sealed).collect()
}

/// Appends a line, signed by `signer`, to the lane of `from`.
fn append(pair: &Pair, to: &str, (from, lease): (&str, u64), mut line: Map<String, Value>, signer: &Signer) {
    line.remove("sig");
    signer.sign_object(&mut line);
    let path = layout::lane(&name(to), &LaneFile { from: name(from), lease, segment: 1 });
    let mut file = pair.share.open_append(&path).unwrap();
    file.append(format!("{}\n", Value::Object(line)).as_bytes()).unwrap();
}

fn seal_text(key: &SealKey, inner: &[u8]) -> String {
    let mut encrypted = vec![];
    lanpost::sys::seal::seal(key, &mut &*inner, &mut encrypted).unwrap();
    seal::to_text(&encrypted)
}

fn seal_key(site: &Site, of: &str) -> Option<SealKey> {
    site.node().db.seal_key(of).unwrap()
}

fn refused(site: &Site) -> Vec<String> {
    let refused = site.node().db.refusals().unwrap();
    refused.iter().map(|row| format!("{} {} {}", row.peer, row.cause, row.count)).collect()
}

fn heartbeat(pair: &Pair, of: &str) -> Heartbeat {
    let bytes = pair.share.read(&layout::status(&name(of)), 0, usize::MAX).unwrap().unwrap();
    Heartbeat::parse(&bytes).unwrap()
}

#[test]
fn a_sealed_message_arrives_whole_and_verified() {
    let mut pair = acquainted();
    let sent = pair.a.send_one("b", SECRET, |draft| {
        seal(draft);
        draft.kind = Some("task".into());
        draft.thread = Some("launch".into());
        draft.ttl = Some(Duration::from_secs(3_600));
        draft.priority = lanpost::model::envelope::Priority::High;
    });
    assert!(sent.sealed && sent.content == json!(SECRET), "{sent:?}");
    pair.settle();
    let got = mail(&pair.b).remove(0);
    assert_eq!(
        (got.content.clone(), got.kind.as_str(), got.thread.as_deref()),
        (json!(SECRET), "task", Some("launch"))
    );
    assert_eq!(
        (got.priority, got.expires.clone(), got.timestamp.clone()),
        (sent.priority, sent.expires.clone(), sent.timestamp.clone())
    );
    assert!(got.sealed && got.verdict == Some(Verdict::Verified) && got.rest.is_empty(), "{got:?}");
    assert_eq!(serde_json::to_value(&got).unwrap()["sealed"], true);
    assert_eq!(pair.a.state_of(&sent), State::Delivered);
    // What stands on the share: addresses, id, number, time, and nothing more.
    let mut fields: Vec<_> = sealed_lines(&pair, "a", "b")[0].keys().cloned().collect();
    fields.sort();
    assert_eq!(fields, ["from", "id", "lease", "sealed", "seq", "sig", "timestamp", "to", "v"]);
}

#[test]
fn what_is_written_again_are_the_same_bytes() {
    let mut pair = acquainted();
    let sent = pair.a.send_one("b", SECRET, seal);
    pair.a.until("it is sent", |a| a.state_of(&sent) == State::Sent);
    assert_eq!(pair.a.node_mut().db.resend(None, 0).unwrap(), 1);
    pair.settle();
    let lines = sealed_lines(&pair, "a", "b");
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[1]["sealed"], lines[0]["sealed"], "one id, one content");
    assert_eq!((mail(&pair.b).len(), refused(&pair.b)), (1, vec![]));
    assert_eq!(pair.a.state_of(&sent), State::Delivered);
}

#[test]
fn one_id_is_not_stored_plain_first_and_sealed_later() {
    let mut pair = acquainted();
    let draft = |sealed| Draft {
        id: Some("x".parse().unwrap()),
        seal: sealed,
        ..Draft::new("b".parse().unwrap(), SECRET)
    };
    ops::send(pair.a.node_mut(), draft(false)).unwrap();
    let error = ops::send(pair.a.node_mut(), draft(true)).unwrap_err();
    assert!(error.to_string().contains("another message to b has that id"), "{error}");
    // Sealed is more than was asked for.
    let other = Draft { id: Some("y".parse().unwrap()), ..draft(true) };
    ops::send(pair.a.node_mut(), other.clone()).unwrap();
    assert!(ops::send(pair.a.node_mut(), Draft { seal: false, ..other }).unwrap().sealed);
}

#[test]
fn without_a_key_nothing_is_stored() {
    let mut pair = Pair::with(|config| {
        config.trust = Trust::Manual;
        for peer in ["b", "stranger"] {
            config.peers.entry(peer.into()).or_default().seal = true;
        }
    });
    pair.settle();
    let rows = pair.a.node().db.last_row().unwrap();
    let refusal = |pair: &mut Pair, draft: Draft| {
        let error = ops::send(pair.a.node_mut(), draft).unwrap_err();
        assert_eq!(error.kind(), Kind::NoKey);
        error.to_string()
    };
    // Seen, but pinned by nobody: whoever wrote that heartbeat may read along.
    let said = refusal(&mut pair, Draft::new("b".parse().unwrap(), SECRET));
    assert!(said.contains("none of its keys is pinned") && said.contains("lanpost trust show b"), "{said}");
    let said = refusal(&mut pair, Draft { create: true, ..Draft::new("stranger".parse().unwrap(), SECRET) });
    assert!(said.contains("nothing was seen of it"), "{said}");
    assert_eq!(pair.a.node().db.last_row().unwrap(), rows);
    let key = heartbeat(&pair, "b").key;
    ops::trust_pin(pair.a.node_mut(), &name("b"), &key, false).unwrap();
    assert!(pair.a.send_one("b", SECRET, |_| {}).sealed, "the config says so");
    // An older lanpost took its place: it signs, and can't open anything.
    let old = Heartbeat { seal: None, beat: 900, lease: 900, ..heartbeat(&pair, "b") };
    pair.b.engine().stop("gone").unwrap();
    pair.share.replace(&layout::status(&name("b")), &old.to_signed_bytes(&pair.b.signer())).unwrap();
    pair.a.run(Duration::from_secs(10));
    let said = refusal(&mut pair, Draft::new("b".parse().unwrap(), SECRET));
    assert!(said.contains("no heartbeat of its pinned key was seen that names a sealing key"), "{said}");
}

#[test]
fn mail_is_not_sealed_to_a_key_that_the_peer_did_not_sign() {
    let mut pair = acquainted();
    let (real, theirs) = (seal_key(&pair.a, "b").unwrap(), Identities::default().renewed());
    let evil = theirs.key().unwrap();
    let mallory = Signer::new(&[66; 32]);
    let claimed = Heartbeat { seal: Some(evil.to_string()), beat: 900, lease: 900, ..heartbeat(&pair, "b") };
    let own = Heartbeat { key: mallory.key().to_string(), ..claimed.clone() };
    // Unsigned, signed by another key than it names, signed by the key that it names and that is not b's; and b's own
    // heartbeat, changed.
    let changed =
        String::from_utf8(heartbeat(&pair, "b").to_bytes()).unwrap().replace(real.as_str(), evil.as_str());
    for bytes in [
        claimed.to_bytes(),
        claimed.to_signed_bytes(&mallory),
        own.to_signed_bytes(&mallory),
        changed.into_bytes(),
    ] {
        pair.share.replace(&layout::status(&name("b")), &bytes).unwrap();
        pair.a.run(Duration::from_secs(20));
        assert_eq!(seal_key(&pair.a, "b"), Some(real.clone()));
    }
    let sent = pair.a.send_one("b", SECRET, seal);
    pair.run(Duration::from_secs(20));
    let line = sealed_lines(&pair, "a", "b").remove(0);
    let bytes = seal::from_object(&line).unwrap();
    assert!(theirs.open(&mut bytes.as_slice(), 1 << 20, &mut vec![]).is_err(), "the forger reads it");
    assert_eq!((mail(&pair.b).len(), pair.a.state_of(&sent)), (1, State::Delivered));
}

#[test]
fn a_name_that_nobody_pinned_has_no_key_even_when_a_forger_wrote_it_beside_the_real_one() {
    // The heartbeat names the true signing key, and is not signed by it; then a person pins that key.
    let mut pair = Pair::with(|config| config.trust = Trust::Manual);
    let evil = Identities::default().renewed().key().unwrap();
    let key = heartbeat(&pair, "b").key;
    let mut c = Site::with(&pair.share, "c", 3, false, |config| config.trust = Trust::Manual);
    let claimed = Heartbeat { seal: Some(evil.to_string()), ..heartbeat(&pair, "b") };
    pair.share.replace(&layout::status(&name("b")), &claimed.to_bytes()).unwrap();
    c.run(Duration::from_secs(5));
    ops::trust_pin(c.node_mut(), &name("b"), &key, false).unwrap();
    assert_eq!(seal_key(&c, "b"), None);
    pair.run(Duration::from_secs(20));
    c.run(Duration::from_secs(20));
    assert_eq!(seal_key(&c, "b"), seal_key(&pair.b, "b"));
}

#[test]
fn what_cannot_be_opened_is_set_aside_told_once_and_reported_to_its_sender() {
    let mut pair = acquainted();
    // b's sealing key is lost, and a does not know that yet.
    let state = pair.b.node().config.state.clone();
    let sent = [pair.a.send_one("b", SECRET, seal), pair.a.send_one("b", SECRET, seal)];
    pair.a.until("it is sent", |a| a.state_of(&sent[1]) == State::Sent);
    fs::remove_file(state.join(store::seal::SEAL)).unwrap();
    pair.b.start();
    pair.settle();
    assert!(mail(&pair.b).is_empty());
    assert_eq!(refused(&pair.b), ["a sealed 2"]);
    let aside = pair.b.node().db.quarantine(9).unwrap();
    assert!(aside.len() == 2 && aside[0].reason.contains("a key that is not here"), "{aside:?}");
    assert!(!String::from_utf8_lossy(&aside[0].raw).contains("launch"));
    let all =
        ops::inbox(pair.b.node(), &lanpost::store::db::Filter { all: true, ..Default::default() }).unwrap();
    assert_eq!(all.iter().filter(|message| message.kind == TRUST_REPORT).count(), 1);
    for sent in &sent {
        assert_eq!(pair.a.state_of(sent), State::Failed);
    }
    let reports = pair.a.reports();
    assert!(
        reports.len() == 2 && reports[0].content["reason"].as_str().unwrap().contains("sealed"),
        "{reports:?}"
    );
    // By now a knows the new key, and good mail goes on.
    pair.run(Duration::from_secs(400));
    let again = pair.a.send_one("b", SECRET, seal);
    pair.settle();
    assert_eq!((mail(&pair.b).len(), pair.a.state_of(&again)), (1, State::Delivered));
}

#[test]
fn what_had_arrived_is_not_failed_when_it_comes_again_and_the_key_is_lost() {
    let mut pair = acquainted();
    let sent = pair.a.send_one("b", SECRET, seal);
    pair.a.until("it is sent", |a| a.state_of(&sent) == State::Sent);
    pair.b.until("it arrived", |b| !mail(b).is_empty());
    let state = pair.b.node().config.state.clone();
    fs::remove_file(state.join(store::seal::SEAL)).unwrap();
    pair.b.start();
    pair.a.node_mut().db.resend(None, 0).unwrap();
    pair.settle();
    assert_eq!(pair.a.state_of(&sent), State::Delivered);
    assert!(pair.a.reports().is_empty());
}

#[test]
fn a_sealed_text_counts_only_for_the_message_it_was_sealed_for() {
    let mut pair = acquainted();
    let mut c = Site::new(&pair.share, "c", 3, false);
    c.run(Duration::from_secs(1));
    c.send_one("b", "I am c", |draft| draft.create = true);
    c.run(Duration::from_secs(2));
    pair.a.send_one("b", SECRET, seal);
    pair.settle();
    let stolen = sealed_lines(&pair, "a", "b").remove(0);
    // c can't read it; but might have b answer it.
    let lease = c.node().db.lane_out("b").unwrap().unwrap().lease;
    let mut line = stolen.clone();
    line.insert("from".into(), "c".into());
    line.insert("seq".into(), 2.into());
    line.insert("lease".into(), lease.into());
    append(&pair, "b", ("c", lease), line.clone(), &c.signer());
    // The same for a message with fields of c's own around it.
    line.insert("seq".into(), 3.into());
    line.insert("thread".into(), "tell me more".into());
    append(&pair, "b", ("c", lease), line, &c.signer());
    pair.run(Duration::from_secs(70));
    assert_eq!(refused(&pair.b), ["c sealed 2"]);
    let mut got: Vec<_> = mail(&pair.b).into_iter().map(|message| message.from).collect();
    got.sort();
    assert_eq!(got, ["a", "c"]);
    // And what was changed is not opened at all: the signature is outside.
    let mut line = stolen.clone();
    line.insert("sealed".into(), seal_text(&seal_key(&pair.a, "b").unwrap(), b"{}").into());
    let path = layout::lane(
        &name("b"),
        &LaneFile { from: name("a"), lease: stolen["lease"].as_u64().unwrap(), segment: 1 },
    );
    pair.share.open_append(&path).unwrap().append(format!("{}\n", Value::Object(line)).as_bytes()).unwrap();
    pair.run(Duration::from_secs(70));
    assert!(refused(&pair.b).contains(&"a forged 1".to_owned()), "{:?}", refused(&pair.b));
}

#[test]
fn sealed_nonsense_is_refused_and_its_words_are_not_repeated() {
    let mut pair = acquainted();
    let (key, signer) = (seal_key(&pair.a, "b").unwrap(), pair.a.signer());
    let lease = pair.a.node().db.lane_out("b").unwrap().unwrap().lease;
    let plain = |id: &str| json!({"id": id, "from": "a", "to": "b", "timestamp": "2026-01-01T00:00:00.000Z"});
    let with = |id: &str, more: Value| {
        let mut inner = plain(id);
        inner.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        inner.to_string().into_bytes()
    };
    let nonsense = [
        with("n0", json!({"type": "message"})),
        with("n1", json!({"content": "x", "in_reply_to": "the launch code/"})),
        with("n2", json!({"content": "x", "type": "trust-report"})),
        with("n3", json!({"content": "x", "seq": 1})),
        with("n4", json!({"content": {"items": []}, "type": "receipt"})),
        b"the launch code".to_vec(),
        vec![0xff; 40],
    ];
    for (n, inner) in nonsense.iter().enumerate() {
        let mut line = plain(&format!("n{n}"));
        line["seq"] = json!(900 + n);
        line["lease"] = json!(lease);
        line["v"] = json!(1);
        line["sealed"] = json!(seal_text(&key, inner));
        append(&pair, "b", ("a", lease), line.as_object().unwrap().clone(), &signer);
    }
    pair.run(Duration::from_secs(70));
    assert!(mail(&pair.b).is_empty());
    let aside = pair.b.node().db.quarantine(99).unwrap();
    assert_eq!(aside.len(), nonsense.len(), "{aside:?}");
    let said = pair.lane_lines("b", "a").join("\n") + &format!("{aside:?}");
    assert!(said.contains("sealed, and") && !said.contains("launch"), "{said}");
}

#[test]
fn an_open_slot_neither_gets_nor_gives_sealed_mail() {
    let mut pair = acquainted();
    let sent = pair.a.send_one("b", SECRET, seal);
    // The peer is not known as a lanpost any more, as on another share.
    let mut gone = pair.a.node().db.peer("b").unwrap().unwrap();
    (gone.heartbeat, gone.stamp) = (None, String::new());
    pair.a.node_mut().db.store_peers(&[gone]).unwrap();
    pair.share.remove(&layout::status(&name("b"))).unwrap();
    let plain = pair.a.send_one("b", "not sealed", |_| {});
    pair.a.run(Duration::from_secs(30));
    let slot = layout::open_slot(&name("b"));
    let written = pair.share.read(&slot, 0, 1 << 20).unwrap().unwrap_or_default();
    let written = String::from_utf8(written).unwrap();
    assert!(written.contains("not sealed") && !written.contains("launch"), "{written}");
    assert_eq!((pair.a.state_of(&sent), pair.a.state_of(&plain)), (State::Queued, State::Sent));
    // It goes where it belongs when the peer is back.
    pair.run(Duration::from_secs(60));
    assert_eq!(pair.a.state_of(&sent), State::Delivered);
    // Whoever writes sealed mail into a slot is told nothing, and nothing is opened.
    let inner = json!({"id": "s", "from": "x", "to": "b", "timestamp": "t", "content": SECRET}).to_string();
    let text = seal_text(&seal_key(&pair.a, "b").unwrap(), inner.as_bytes());
    let line =
        json!({"id": "s", "from": "x", "to": "b", "timestamp": "t", "sealed": text}).to_string() + "\n";
    pair.share.open_append(&slot).unwrap().append(line.as_bytes()).unwrap();
    let before = mail(&pair.b).len();
    pair.run(Duration::from_secs(70));
    assert_eq!(mail(&pair.b).len(), before);
    let aside = pair.b.node().db.quarantine(9).unwrap();
    assert!(aside.last().unwrap().reason.contains("in an open slot"), "{aside:?}");
}

#[test]
fn mail_that_was_sealed_before_a_rotation_still_opens() {
    let mut pair = acquainted();
    let before = seal_key(&pair.a, "b").unwrap();
    let sent = pair.a.send_one("b", SECRET, seal);
    let view = ops::trust_rotate(pair.b.node_mut()).unwrap();
    assert_ne!(view.keys[0].seal, Some(before.clone()));
    pair.settle();
    assert_eq!((mail(&pair.b).len(), pair.a.state_of(&sent)), (1, State::Delivered));
    pair.run(Duration::from_secs(30));
    assert_eq!(seal_key(&pair.a, "b"), view.keys[0].seal, "the rotated key speaks for it");
    pair.a.send_one("b", SECRET, seal);
    pair.settle();
    assert_eq!(mail(&pair.b).len(), 2);
}

#[test]
fn an_accepted_key_brings_its_sealing_key_and_a_revoked_one_has_none() {
    let mut pair = acquainted();
    let before = seal_key(&pair.b, "a").unwrap();
    pair.a.engine().stop("gone").unwrap();
    pair.a.faults.away(Some(std::io::ErrorKind::NotConnected));
    let mut new = Site::new(&pair.share, "a", 9, true);
    new.run(Duration::from_secs(5));
    new.send_one("b", "it is me", |draft| draft.create = true);
    for _ in 0..12 {
        new.run(Duration::from_secs(5));
        pair.b.run(Duration::from_secs(5));
    }
    assert_eq!(seal_key(&pair.b, "a"), Some(before), "nobody accepted it");
    let key = new.signer().key().fingerprint();
    ops::trust_accept(pair.b.node_mut(), &name("a"), &key).unwrap();
    assert_eq!(seal_key(&pair.b, "a"), seal_key(&new, "a"));
    ops::trust_revoke(pair.b.node_mut(), &name("a")).unwrap();
    assert_eq!(seal_key(&pair.b, "a"), None);
}

#[test]
fn keys_that_are_carried_by_hand_bring_the_sealing_key() {
    let pair = acquainted();
    let list = ops::trust_export(pair.a.node()).unwrap();
    let mut c = Site::with(&pair.share, "c", 3, false, |config| config.trust = Trust::Manual);
    ops::trust_import(c.node_mut(), &list).unwrap();
    assert_eq!(seal_key(&c, "b"), seal_key(&pair.b, "b"));
    assert!(c.send_one("b", SECRET, |draft| (draft.create, draft.seal) = (true, true)).sealed);
}

#[test]
fn answers_to_sealed_mail_are_sealed() {
    let mut pair = acquainted();
    pair.a.send_one("b", SECRET, seal);
    pair.settle();
    let id = mail(&pair.b).remove(0).id;
    let reply =
        ops::reply(pair.b.node_mut(), id.as_str(), json!("launched"), None, ops::Author::Program, false)
            .unwrap();
    assert!(reply.sealed);
    ops::ack(pair.b.node_mut(), &[id.to_string()], Some("no launch pad")).unwrap();
    pair.settle();
    assert_eq!(mail(&pair.a).remove(0).content, json!("launched"));
    let report = pair.a.reports().remove(0);
    assert!(report.content["reason"].as_str().unwrap().contains("no launch pad"), "{report:?}");
    let said = pair.lane_lines("b", "a").join("\n");
    assert!(!said.contains("launch"), "{said}");
    // Whom nothing can be sealed to gets no plain answer.
    pair.a.send_one("b", SECRET, seal);
    pair.settle();
    let id = mail(&pair.b).remove(1).id;
    ops::trust_revoke(pair.b.node_mut(), &name("a")).unwrap();
    let error =
        ops::reply(pair.b.node_mut(), id.as_str(), json!("launched"), None, ops::Author::Program, false)
            .unwrap_err();
    assert!(
        error.kind() == Kind::NoKey && error.to_string().contains("what it answers was sealed"),
        "{error}"
    );
}

#[test]
fn a_restored_state_knows_its_sealed_mail_and_can_open_what_was_sealed_since() {
    let mut pair = acquainted();
    let queued = pair.a.send_one("b", SECRET, seal);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.backup");
    ops::backup(pair.a.node_mut(), &folder.path().join("none"), &file).unwrap();
    let later = pair.a.send_one("b", "since then", seal);
    pair.settle();
    ops::trust_rotate(pair.a.node_mut()).unwrap();
    pair.run(Duration::from_secs(30));
    pair.b.send_one("a", "sealed to the new key", seal);
    let (config, clock) = (pair.a.node().config.clone(), pair.a.clock.clone());
    let clock: std::sync::Arc<dyn lanpost::sys::clock::Clock> = clock;
    ops::restore(&config, &clock, &Restore { file: &file, force: true }).unwrap();
    pair.a.start();
    pair.run(Duration::from_secs(90));
    let texts: Vec<_> = mail(&pair.b).into_iter().map(|message| message.content).collect();
    assert_eq!(texts, [json!(SECRET), json!("since then")], "once each");
    assert_eq!(mail(&pair.a).remove(0).content, json!("sealed to the new key"));
    assert_eq!((refused(&pair.a), refused(&pair.b)), (vec![], vec![]));
    for sent in [&queued, &later] {
        let sent = pair.a.node().db.message(Way::Out, "b", &sent.id).unwrap().unwrap();
        assert!(sent.sealed && sent.state == State::Delivered, "{sent:?}");
    }
}

#[test]
fn no_more_is_sealed_than_the_recipient_takes() {
    let mut pair = acquainted();
    let max = pair.a.node().config.limits.message.0 as usize;
    let draft = |size: usize| Draft { seal: true, ..Draft::new("b".parse().unwrap(), "x".repeat(size)) };
    let error = ops::send(pair.a.node_mut(), draft(max * 3 / 4)).unwrap_err();
    let said = error.to_string();
    assert!(said.contains("bytes long") && said.contains("sealed, which adds a third"), "{said}");
    // What it says goes over, does.
    let parts = said.split("parts of about ").nth(1).unwrap();
    let fits: usize = parts.split(' ').next().unwrap().parse().unwrap();
    assert!(fits > max * 7 / 10);
    ops::send(pair.a.node_mut(), draft(fits)).unwrap();
    pair.settle();
    assert_eq!(mail(&pair.b).len(), 1);
}

/// Every file below a folder, in one.
fn everything(folder: &Path) -> Vec<u8> {
    let mut all = vec![];
    for entry in walkdir(folder) {
        all.extend(entry.display().to_string().into_bytes());
        all.extend(fs::read(&entry).unwrap_or_default());
    }
    all
}

fn walkdir(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| if entry.path().is_dir() { walkdir(&entry.path()) } else { vec![entry.path()] })
        .collect()
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|at| at == word.as_bytes())
}

#[test]
fn nothing_on_the_share_tells_of_sealed_mail_but_addresses_and_sizes() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    let me = std::env::current_exe().unwrap().display().to_string();
    let more = format!(
        "[commands.probe]\nrun = [{me:?}, \"--list\", \"{{word}}\"]\npeers = [\"office\"]\n\
                        args.word = {{ type = \"text\" }}\n"
    );
    fs::write(&lab.config, fs::read_to_string(&lab.config).unwrap() + &more).unwrap();
    fs::write(&office.config, fs::read_to_string(&office.config).unwrap() + "[peers.lab]\nseal = true\n")
        .unwrap();
    let _daemons = [office.daemon(), lab.daemon()];
    crate::common::process::until_true("they know each other", || {
        [(&office, "lab"), (&lab, "office")].iter().all(|(pc, peer)| {
            let done = pc.run(&["--json", "trust", "show", peer]);
            done.code == Some(0) && done.json()["keys"][0]["seal"].is_string()
        })
    });
    let sent = office.json(&[
        "send",
        "lab",
        "wordone",
        "--type",
        "wordtwo",
        "--thread",
        "wordthree",
        "--priority",
        "urgent",
    ]);
    assert_eq!(sent["sealed"], true);
    let id = text_of(&sent, "id");
    office.sees(&id, "delivered");
    let read = lab.json(&["read", &id]);
    assert_eq!(
        (&read["sealed"], &read["content"], &read["verdict"]),
        (&json!(true), &json!("wordone"), &json!("verified"))
    );
    assert!(lab.ok(&["read", &id]).contains("Sealed:"));
    assert_eq!(lab.json(&["inbox"])[0]["sealed"], true);
    lab.ok(&["reply", &id, "wordfour"]);
    lab.ok(&["ack", &id, "--failed", "wordfive"]);
    office.sees(&id, "failed");
    assert!(office.json(&["trace", &id]).to_string().contains("wordfive"));
    office.run(&["exec", "lab", "probe", "word=wordsix"]).exits(0);
    let share = everything(&lan.share());
    for word in [
        "wordone",
        "wordtwo",
        "wordthree",
        "wordfour",
        "wordfive",
        "wordsix",
        "probe",
        "exec",
        "urgent",
        "in_reply_to",
    ] {
        assert!(!holds(&share, word), "{word}");
    }
    assert!(holds(&share, "\"sealed\":") && holds(&share, &id));
    for pc in [&office, &lab] {
        let logs = walkdir(&pc.state).into_iter().filter(|path| path.display().to_string().contains(".log"));
        for log in logs {
            assert!(!holds(&fs::read(&log).unwrap(), "wordone"), "{}", log.display());
        }
    }
    // Whoever can't be sealed to is not written to.
    let done = office.run(&["--json", "send", "nobody", "wordone", "--create", "--seal"]).exits(3);
    assert!(done.err.contains("\"no-key\"") && done.err.contains("nothing was stored"), "{}", done.err);
    assert_eq!(office.ok(&["trust", "show", "lab"]).matches("age1").count(), 2, "and when it came");
}

#[cfg(unix)]
#[test]
fn the_sealing_keys_are_readable_by_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let lan = Lan::new();
    let pc = lan.join("office");
    let rights = |pc: &crate::common::process::Pc| {
        fs::metadata(pc.state.join("seal")).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(rights(&pc), 0o600);
    pc.ok(&["trust", "rotate"]);
    assert_eq!(rights(&pc), 0o600);
    assert_eq!(fs::read_to_string(pc.state.join("seal")).unwrap().matches("AGE-SECRET-KEY-1").count(), 2);
}
