//! Wakes by session: each sender has its own, so each order is for one, and one sender's trouble is nobody else's.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use lanpost::engine::wake::Outcome;
use lanpost::model::config::{Config, OpenClawConfig};
use lanpost::model::layout;
use lanpost::store::db::Message;

use super::{HOUR, MINUTE, causes, later};
use crate::common::pair::{Pair, Site, name};

/// A pair whose second wakes by session.
fn pair(tweak: impl Fn(&mut Config)) -> Pair {
    super::pair(|config| {
        config.wake.command.clear();
        config.wake.openclaw = Some(OpenClawConfig::default());
        tweak(config);
    })
}

fn send(pair: &mut Pair, agent: &str, text: &str) -> Message {
    pair.a.send_one("b", text, |draft| draft.agent = Some(agent.parse().unwrap()))
}

/// Lets time pass; the mail of `a/busy` is answered with `busy`, all other is accepted.
fn answer(pair: &mut Pair, time: Duration, busy: Outcome) {
    pair.b.answer = None;
    let (mut done, mut left) = (pair.b.wakes.len(), time);
    while !left.is_zero() {
        later(pair, MINUTE.min(left));
        while let Some(order) = pair.b.wakes.get(done) {
            let outcome = if order.sender == "a/busy" { busy } else { Outcome::Accepted };
            pair.b.answer_wake(outcome);
            done += 1;
            (0..4).for_each(|_| pair.step());
        }
        left = left.saturating_sub(MINUTE);
    }
}

fn wakes_of(site: &Site) -> BTreeMap<String, usize> {
    let mut wakes = BTreeMap::new();
    for order in &site.wakes {
        *wakes.entry(order.sender.clone()).or_default() += 1;
        assert!(
            order
                .messages
                .iter()
                .all(|message| message.from.to_lowercase() == order.sender || order.sender == "unknown")
        );
    }
    wakes
}

#[test]
fn a_sender_that_fails_for_ever_holds_up_nobody_else() {
    let mut pair = pair(|config| config.wake.attempts = 4);
    send(&mut pair, "busy", "one");
    send(&mut pair, "calm", "two");
    answer(&mut pair, HOUR, Outcome::Temporary);
    let wakes = wakes_of(&pair.b);
    assert_eq!(wakes["a/busy"], 4, "{wakes:?}");
    assert!(wakes["a/calm"] >= 3, "offered again until somebody reads it: {wakes:?}");
    assert_eq!(causes(&pair.a), ["wake-failed"]);
    let calm = |message: &&Message| message.from == "a/calm";
    assert_ne!(pair.b.inbox().iter().find(calm).unwrap().wake.as_deref(), Some("failed"));
    // All attempts of a row have one name for the server; another row has another.
    let rows = |sender: &str| -> HashSet<i64> {
        pair.b.wakes.iter().filter(|order| order.sender == sender).map(|order| order.first).collect()
    };
    assert_eq!((rows("a/busy").len(), rows("a/calm").len()), (1, wakes["a/calm"]));
}

#[test]
fn what_is_refused_of_one_sender_is_refused_of_none_else() {
    let mut pair = pair(|_| {});
    for text in ["one", "two"] {
        send(&mut pair, "busy", text);
        send(&mut pair, "calm", text);
    }
    answer(&mut pair, 2 * MINUTE, Outcome::Permanent);
    assert_eq!(causes(&pair.a), ["wake-failed"; 2]);
    let state = |message: &Message| (message.from.clone(), message.wake.clone().unwrap());
    let states: HashSet<_> = pair.b.inbox().iter().map(state).collect();
    assert_eq!(
        states,
        HashSet::from([("a/busy".into(), "failed".into()), ("a/calm".into(), "accepted".into())])
    );
}

#[test]
fn new_mail_of_others_does_not_wait_for_a_sender_in_its_pause() {
    let mut pair = pair(|config| {
        config.wake.retry = HOUR;
        config.wake.retry_max = HOUR;
    });
    pair.b.answer = Some(Outcome::Temporary);
    send(&mut pair, "busy", "one");
    pair.run(MINUTE);
    pair.b.answer = Some(Outcome::Done);
    send(&mut pair, "calm", "two");
    pair.run(MINUTE);
    send(&mut pair, "busy", "three");
    pair.run(MINUTE);
    assert_eq!(wakes_of(&pair.b), BTreeMap::from([("a/busy".into(), 1), ("a/calm".into(), 1)]));
}

#[test]
fn made_up_senders_cost_the_budget_and_those_who_are_known_come_first() {
    let mut pair = pair(|config| config.wake.budget = 20);
    pair.b.answer = Some(Outcome::Accepted);
    let lines: String = (0..30)
        .map(|n| format!("{{\"from\":\"made-up-{n}\",\"content\":\"{n}\"}}\n{{\"from\":\"no name {n}\",\"content\":\"{n}\"}}\n"))
        .collect();
    pair.share.replace(&layout::open_slot(&name("b")), lines.as_bytes()).unwrap();
    pair.b.hint(|hints| hints.slot = true);
    later(&mut pair, 50 * MINUTE);
    assert_eq!(pair.b.wakes.len(), 10, "half is left for those who are known");
    assert!(
        wakes_of(&pair.b).get("unknown").is_some_and(|wakes| *wakes <= 4),
        "those without a name are one"
    );
    send(&mut pair, "calm", "a friend's");
    pair.run(MINUTE);
    assert_eq!(pair.b.wakes[10].sender, "a/calm");
    assert!(pair.b.status().wakes_held.is_some());
}
