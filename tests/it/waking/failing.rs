//! Wakes that fail for now: who is given up, and what is tried again.

use std::time::Duration;

use lanpost::engine::ops::{wake_hold, wake_resume};
use lanpost::engine::wake::Outcome;
use lanpost::model::config::Config;
use lanpost::model::envelope::Priority;
use lanpost::store::db::Sorted;
use lanpost::sys::clock::Clock as _;

use super::{HOUR, MINUTE, causes, later, states, woken_for};
use crate::common::pair::{Pair, Site};

const PAUSE: Duration = Duration::from_secs(2);

fn pair(tweak: impl Fn(&mut Config)) -> Pair {
    super::pair(|config| {
        (config.wake.attempts, config.wake.retry, config.wake.retry_max) = (3, PAUSE, PAUSE);
        tweak(config);
    })
}

/// Answers the wakes of a while: an agent that fails whenever it gets a poisoned letter.
fn poisoned(pair: &mut Pair, seconds: u32) {
    pair.b.answer = None;
    for _ in 0..seconds {
        pair.run(Duration::from_secs(1));
        answer(&mut pair.b);
    }
}

fn answer(site: &mut Site) {
    if states(site).last().is_some_and(|state| state == "running") {
        let poison = woken_for(site, site.wakes.len() - 1).iter().any(|text| text.contains("poison"));
        site.answer_wake(if poison { Outcome::Temporary } else { Outcome::Done });
    }
}

fn marks(site: &Site) -> Vec<(String, String)> {
    let text = |content: &serde_json::Value| content.as_str().unwrap_or_default().to_owned();
    site.inbox().iter().map(|it| (text(&it.content), it.wake.clone().unwrap_or_default())).collect()
}

fn marked(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(text, wake)| ((*text).to_owned(), (*wake).to_owned())).collect()
}

#[test]
fn mail_that_comes_into_a_failing_row_has_attempts_of_its_own() {
    let mut pair = pair(|config| config.wake.retry_max = MINUTE);
    pair.a.send("b", &["poison".to_owned()]);
    poisoned(&mut pair, 4);
    pair.a.send("b", &["late".to_owned()]);
    poisoned(&mut pair, 120);
    assert_eq!(marks(&pair.b), marked(&[("poison", "failed"), ("late", "woken")]));
    assert_eq!(causes(&pair.a), ["wake-failed"]);
}

#[test]
fn one_letter_that_makes_the_agent_fail_fails_alone() {
    let mut pair = pair(|_| {});
    wake_hold(pair.b.node_mut(), None).unwrap();
    for text in ["good 1", "poison", "good 2", "good 3"] {
        pair.a.send("b", &[text.to_owned()]);
        pair.run(Duration::from_secs(2));
    }
    wake_resume(pair.b.node_mut()).unwrap();
    poisoned(&mut pair, 120);
    let good = |text| (text, "woken");
    assert_eq!(
        marks(&pair.b),
        marked(&[good("good 1"), ("poison", "failed"), good("good 2"), good("good 3")])
    );
    assert_eq!(causes(&pair.a), ["wake-failed"]);
    assert!(pair.b.wakes.len() <= 7, "{:?}", states(&pair.b));
}

#[test]
fn a_wake_holds_what_it_is_made_for() {
    let mut pair = pair(|_| {});
    let hour =
        |ahead: i64| (pair.b.clock.wall() + chrono::TimeDelta::hours(ahead)).format("%H:%M").to_string();
    let span = format!("{}-{}", hour(-1), hour(2));
    pair.b.configure(|config| {
        (config.wake.quiet, config.wake.zone) = (vec![span.parse().unwrap()], Some(chrono_tz::UTC));
        (config.wake.quiet_urgent, config.wake.attempts, config.wake.batch) = (true, 9, 1);
    });
    pair.b.answer = Some(Outcome::Temporary);
    pair.a.send_one("b", "urgent", |draft| draft.priority = Priority::Urgent);
    pair.run(3 * PAUSE);
    // It never failed: but nobody is to be woken for it now.
    pair.a.send("b", &["can wait".to_owned()]);
    pair.run(3 * PAUSE);
    assert!(pair.b.wakes.len() > 2, "{:?}", states(&pair.b));
    for wake in 0..pair.b.wakes.len() {
        assert_eq!(woken_for(&pair.b, wake), ["urgent"]);
    }
}

#[test]
fn what_failed_for_now_is_tried_again_slowly_and_told_once() {
    let mut pair = pair(|_| {});
    pair.b.answer = Some(Outcome::Temporary);
    pair.a.send("b", &["missed".to_owned()]);
    pair.run(MINUTE);
    assert_eq!(states(&pair.b), ["retry", "retry", "failed"]);
    later(&mut pair, 5 * HOUR);
    assert_eq!(states(&pair.b), ["retry", "retry", "failed", "failed", "failed"], "every two hours");
    assert_eq!(causes(&pair.a), ["wake-failed"]);
    pair.b.answer = Some(Outcome::Done);
    pair.b.start();
    pair.run(MINUTE);
    assert_eq!(states(&pair.b).last().unwrap(), "done", "at a start");
    assert_eq!(pair.b.status().unwoken, 0);
}

#[test]
fn what_waits_for_a_clock_that_was_ahead_waits_no_longer_than_ever() {
    let mut pair = pair(|_| {});
    wake_hold(pair.b.node_mut(), None).unwrap();
    pair.a.send("b", &["again".to_owned()]);
    pair.run(MINUTE);
    let (n, now) = (pair.b.inbox()[0].n, pair.b.clock.wall_ms());
    let ahead = Sorted::Later(now + 48 * 3_600_000);
    pair.b.node_mut().db.sort_out(&[(n, ahead)], now).unwrap();
    wake_resume(pair.b.node_mut()).unwrap();
    pair.run(MINUTE);
    assert_eq!(states(&pair.b), ["done"]);
}
