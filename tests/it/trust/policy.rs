//! What the config allows, holds and denies.

use std::time::Duration;

use lanpost::engine::ops;
use lanpost::model::config::PeerConfig;
use lanpost::model::state::State;
use lanpost::model::trust::Policy;

use super::*;

fn with(site: &mut Site, peer: Option<Policy>, plain: Policy) {
    site.configure(|config| {
        config.wake.command = vec!["agent".into()];
        config.plain.policy = plain;
        config.peers.insert("a".into(), PeerConfig { policy: peer, ..PeerConfig::default() });
    });
}

fn open(site: &Site) -> Vec<String> {
    let mail = ops::inbox(site.node(), &Filter::default()).unwrap();
    mail.iter().map(|message| message.content.to_string()).collect()
}

#[test]
fn held_mail_wakes_nobody_until_it_is_released() {
    let mut pair = Pair::new();
    with(&mut pair.b, Some(Policy::Hold), Policy::Allow);
    let sent = pair.a.send("b", &["held".into()]);
    pair.run(Duration::from_secs(30));
    assert!(pair.b.wakes.is_empty() && open(&pair.b).is_empty());
    let held = ops::inbox(pair.b.node(), &Filter { held: true, ..Filter::default() }).unwrap().remove(0);
    assert!(held.held);
    let id = held.id.to_string();
    assert!(ops::read(pair.b.node_mut(), &id).unwrap_err().next_step().unwrap().contains("lanpost release"));
    assert!(ops::ack(pair.b.node_mut(), std::slice::from_ref(&id), None).is_err());
    assert_eq!(pair.a.state_of(&sent[0]), State::Delivered);
    assert!(pair.b.status().problems.join("\n").contains("messages that are held: 1"));
    let other = pair.a.send("b", &["refused".into()]);
    pair.run(Duration::from_secs(30));
    let newest = pair.b.node().db.last_row().unwrap();
    ops::release(pair.b.node_mut(), &id).unwrap();
    assert!(ops::release(pair.b.node_mut(), &id).is_err(), "once");
    pair.run(Duration::from_secs(30));
    assert_eq!((pair.b.wakes.len(), open(&pair.b)), (1, vec!["\"held\"".to_owned()]));
    let followed = ops::inbox(pair.b.node(), &Filter { after: newest, ..Filter::default() }).unwrap();
    assert_eq!(followed.len(), 1, "who follows the inbox sees it");
    ops::read(pair.b.node_mut(), &id).unwrap();
    // What is held may also be refused.
    ops::ack(pair.b.node_mut(), &[other[0].id.to_string()], Some("not you")).unwrap();
    pair.settle();
    assert_eq!(pair.a.state_of(&sent[0]), State::Read);
    assert_eq!(pair.a.state_of(&other[0]), State::Failed);
    assert_eq!(pair.b.status().held, 0);
    pair.a.send("b", &["more".into()]);
    pair.run(Duration::from_secs(30));
    assert_eq!(pair.b.status().held, 1, "numbers go on above the row that was released");
}

#[test]
fn denied_mail_is_told_to_a_verified_sender_alone() {
    let mut pair = Pair::new();
    pair.settle();
    with(&mut pair.b, Some(Policy::Deny), Policy::Deny);
    let sent = pair.a.send("b", &["denied".into()]);
    append_to_slot(&pair, "b", "{\"from\":\"script\",\"id\":\"1\",\"content\":\"denied, too\"}");
    pair.settle();
    assert!(pair.b.inbox().is_empty() && pair.b.wakes.is_empty());
    assert_eq!(pair.a.state_of(&sent[0]), State::Failed);
    let report = pair.a.reports().remove(0);
    assert_eq!(report.content["cause"], "refused");
    let mut counted = refused(&pair.b);
    counted.sort();
    assert_eq!(counted, ["denied in the name of a: 1", "denied in the name of script: 1"]);
    assert!(told(&pair.b).is_empty());
    // Receipts are not mail: what b sends is still acknowledged.
    let sent = pair.b.send("a", &["and you?".into()]);
    pair.settle();
    assert_eq!(pair.b.state_of(&sent[0]), State::Delivered);
}

#[test]
fn plain_mail_has_a_policy_of_its_own() {
    let mut pair = Pair::new();
    pair.settle();
    with(&mut pair.b, None, Policy::Hold);
    pair.a.send("b", &["signed".into()]);
    append_to_slot(&pair, "b", "{\"from\":\"script\",\"content\":\"plain\"}");
    pair.settle();
    assert_eq!(open(&pair.b), ["\"signed\""]);
    assert_eq!(pair.b.status().held, 1);
}
