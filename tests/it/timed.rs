//! Mail and time: what is to go later goes then and not before, what was put off comes back, what nobody read in time ends;
//! through restarts, absences and clocks that are set.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use lanpost::engine::ops::{self, Draft};
use lanpost::model::state::State;
use lanpost::store::db::{Filter, Message, Way};
use serde_json::json;

use crate::common::process::{Lan, list, text_of, until_true};
use crate::common::{Pair, Site, texts};

const HOUR: Duration = Duration::from_secs(3_600);

fn later(site: &Site, by: Duration) -> DateTime<Utc> {
    use lanpost::sys::clock::Clock;
    site.clock.wall() + TimeDelta::from_std(by).unwrap()
}

fn waking(site: &mut Site) {
    site.configure(|config| config.wake.command = vec!["agent".into()]);
}

fn unread(site: &Site) -> Vec<String> {
    let open = ops::inbox(site.node(), &Filter::default()).unwrap();
    open.iter().map(|message| message.content.as_str().unwrap_or_default().to_owned()).collect()
}

fn schedule(site: &mut Site, text: &str, by: Duration, more: impl FnOnce(&mut Draft)) -> Message {
    let at = later(site, by);
    site.send_one("b", text, |draft| {
        draft.not_before = Some(at);
        more(draft);
    })
}

#[test]
fn scheduled_mail_goes_in_its_time_and_holds_nothing_up() {
    let mut pair = Pair::new();
    let late = schedule(&mut pair.a, "late", 2 * HOUR, |_| {});
    let soon = schedule(&mut pair.a, "soon", HOUR, |_| {});
    pair.a.send("b", &texts("now", 2));
    pair.settle();
    assert_eq!(pair.b.texts(), ["now 0", "now 1"]);
    assert_eq!((pair.a.state_of(&late), pair.a.state_of(&soon)), (State::Scheduled, State::Scheduled));
    assert_eq!(pair.a.status().spooled, 0, "it does not wait for the share");
    let waiting = ops::scheduled(pair.a.node()).unwrap();
    assert_eq!(waiting.iter().map(|message| &message.id).collect::<Vec<_>>(), [&soon.id, &late.id]);

    pair.run(HOUR - Duration::from_secs(60));
    assert_eq!(pair.b.texts().len(), 2, "not before its time");
    pair.a.start();
    pair.run(Duration::from_secs(70));
    assert_eq!(pair.b.texts(), ["now 0", "now 1", "soon"]);
    pair.a.send("b", &texts("between", 1));
    pair.run(HOUR);
    assert_eq!(pair.b.texts(), ["now 0", "now 1", "soon", "between 0", "late"]);
    assert_eq!(pair.a.journey(Way::Out, &late), ["scheduled", "queued", "sent", "delivered"]);
}

#[test]
fn what_was_due_while_nobody_ran_goes_at_once_and_a_clock_set_back_makes_it_wait() {
    let mut pair = Pair::new();
    let sent = schedule(&mut pair.a, "due", HOUR, |_| {});
    pair.advance(3 * HOUR);
    pair.a.pass();
    pair.settle();
    assert_eq!(pair.b.texts(), ["due"]);
    assert_eq!(pair.a.state_of(&sent), State::Delivered);

    pair.a.clock.set_ahead(24 * HOUR);
    let sent = schedule(&mut pair.a, "set back", HOUR, |_| {});
    pair.a.clock.set_ahead(Duration::ZERO);
    pair.run(2 * HOUR);
    assert_eq!(pair.a.state_of(&sent), State::Scheduled);
}

#[test]
fn its_time_to_live_begins_when_it_goes() {
    let mut pair = Pair::new();
    let sent = schedule(&mut pair.a, "x", HOUR, |draft| draft.ttl = Some(HOUR));
    pair.a.faults.away(Some(std::io::ErrorKind::NotConnected));
    pair.run(HOUR + HOUR / 2);
    assert_eq!(pair.a.state_of(&sent), State::Queued);
    pair.run(HOUR);
    assert_eq!(pair.a.state_of(&sent), State::Expired);
    assert_eq!(pair.a.reports()[0].content["cause"], "expired");
}

#[test]
fn a_restored_store_sends_nothing_that_went_since() {
    let mut pair = Pair::new();
    let sent = schedule(&mut pair.a, "once", HOUR, |_| {});
    pair.settle();
    let older = pair.a.copy(9);
    pair.run(2 * HOUR);
    assert_eq!(pair.b.texts(), ["once"]);
    pair.a.restore(&older);
    drop(older);
    pair.run(HOUR);
    assert_eq!(pair.b.texts(), ["once"]);
    assert!(pair.a.state_of(&sent) >= State::Sent);
}

#[test]
fn snoozed_mail_is_out_of_sight_and_then_wakes_again() {
    let mut pair = Pair::new();
    waking(&mut pair.b);
    let sent = pair.a.send_one("b", "later, please", |_| {});
    pair.settle();
    assert_eq!(pair.b.wakes.len(), 1);
    let until = later(&pair.b, HOUR);
    let snoozed = ops::snooze(pair.b.node_mut(), sent.id.as_str(), until).unwrap();
    assert_eq!((snoozed.state, snoozed.snoozed.is_some()), (State::Read, true));
    pair.settle();
    assert_eq!(pair.a.state_of(&sent), State::Read, "it was seen");
    assert_eq!(unread(&pair.b), [""; 0]);
    let only = Filter { snoozed: true, ..Filter::default() };
    assert_eq!(ops::inbox(pair.b.node(), &only).unwrap().len(), 1);
    assert_eq!(pair.b.status().snoozed, 1);
    pair.b.start();
    pair.run(HOUR / 2);
    assert_eq!((pair.b.wakes.len(), unread(&pair.b).len()), (1, 0));
    pair.run(HOUR);
    assert_eq!(unread(&pair.b), ["later, please"]);
    assert_eq!(pair.b.wakes.len(), 2, "though the same was woken for lately");
    assert_eq!(pair.b.wakes[1].messages[0].id, sent.id);
    assert_eq!(pair.b.inbox().len(), 1);
    assert_eq!(pair.a.state_of(&sent), State::Read);
    ops::ack(pair.b.node_mut(), &[sent.id.to_string()], None).unwrap();
    pair.settle();
    assert_eq!(pair.a.state_of(&sent), State::Processed);
    let until = later(&pair.b, HOUR);
    let again = ops::snooze(pair.b.node_mut(), sent.id.as_str(), until);
    assert!(again.unwrap_err().to_string().contains("processed already"));
}

#[test]
fn what_is_finished_while_it_is_snoozed_stays_finished() {
    let mut pair = Pair::new();
    let sent = pair.a.send_one("b", "x", |_| {});
    pair.settle();
    let until = later(&pair.b, HOUR);
    ops::snooze(pair.b.node_mut(), sent.id.as_str(), until).unwrap();
    ops::ack(pair.b.node_mut(), &[sent.id.to_string()], None).unwrap();
    pair.run(2 * HOUR);
    assert_eq!((unread(&pair.b).len(), pair.b.status().snoozed), (0, 0));
    assert_eq!(pair.a.state_of(&sent), State::Processed);
}

#[test]
fn unread_mail_expires_wakes_nobody_any_more_and_its_sender_hears_of_it() {
    let mut pair = Pair::new();
    waking(&mut pair.b);
    ops::wake_hold(pair.b.node_mut(), None).unwrap();
    let ttl = |draft: &mut Draft| draft.ttl = Some(HOUR);
    let sent = pair.a.send_one("b", "dinner?", ttl);
    let seen = pair.a.send_one("b", "read in time", ttl);
    pair.settle();
    ops::read(pair.b.node_mut(), seen.id.as_str()).unwrap();
    pair.run(2 * HOUR);
    ops::wake_resume(pair.b.node_mut()).unwrap();
    pair.settle();
    assert_eq!(pair.a.state_of(&sent), State::Expired);
    assert_eq!(pair.a.state_of(&seen), State::Read);
    let reports = pair.a.reports();
    assert_eq!((reports.len(), &reports[0].content["cause"]), (1, &json!("expired")));
    assert_eq!(pair.b.wakes.len(), 0);
    assert_eq!(unread(&pair.b), ["read in time"]);
    assert_eq!(pair.b.inbox()[0].state, State::Expired, "it is still there to see");
}

#[test]
fn a_senders_clock_decides_what_expires() {
    let mut pair = Pair::new();
    pair.b.clock.set_ahead(5 * HOUR);
    pair.run(Duration::from_secs(120));
    let sent = pair.a.send_one("b", "x", |draft| draft.ttl = Some(HOUR));
    pair.run(HOUR / 2);
    assert_eq!(pair.a.state_of(&sent), State::Delivered, "b's clock is hours ahead");
    pair.run(HOUR);
    assert_eq!(pair.a.state_of(&sent), State::Expired);
}

#[test]
fn the_commands_schedule_list_and_snooze() {
    let lan = Lan::new();
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    let sent = office.json(&["send", "lab", "good morning", "--in", "2h"]);
    assert_eq!(sent["state"], "scheduled");
    assert!(office.ok(&["send", "lab", "x", "--at", "tomorrow 23:59"]).starts_with("scheduled "));
    let waiting = list(office.json(&["scheduled"]));
    assert_eq!((waiting.len(), &waiting[0]["not_before"]), (2, &sent["not_before"]));
    assert!(office.ok(&["scheduled"]).contains("good morning"));
    assert_eq!(office.json(&["status"])["outgoing"]["scheduled"], 2);
    for (bad, why) in [("2020-01-01 09:00", "over"), ("noon", "is no time")] {
        office.run(&["send", "lab", "x", "--at", bad]).exits(2).says(&[why]);
    }
    office.run(&["send", "lab", "x", "--at", "9:00", "--in", "1h"]).exits(2);

    office.send("lab", "put me off");
    let id = text_of(&lab.receives("put me off"), "id");
    assert!(lab.ok(&["snooze", &id, "--for", "1h"]).starts_with("snoozed "));
    assert_eq!(list(lab.json(&["inbox"])).len(), 0);
    let only = list(lab.json(&["inbox", "--snoozed"]));
    assert_eq!((only.len(), only[0]["snoozed"].is_string()), (1, true));
    lab.run(&["snooze", &id]).exits(2);
    lab.ok(&["snooze", &id, "--for", "1s"]);
    until_true("it is back", || lab.json(&["inbox"])[0]["state"] == "delivered");
}
