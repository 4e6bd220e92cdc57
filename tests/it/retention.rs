//! What is done ages out, on the share and in the store; what is not stays, and nothing that was deleted comes back.

use std::time::Duration;

use lanpost::engine::ops;
use lanpost::error::Kind;
use lanpost::model::layout;
use lanpost::model::state::State;
use lanpost::store::db::{Filter, Way};

use crate::common::{Pair, Site, name, texts};

const DAY: Duration = Duration::from_secs(86_400);

/// A pair whose segments are sealed every hour, so that some can age.
fn pair() -> Pair {
    let mut pair = Pair::new();
    for site in [&mut pair.a, &mut pair.b] {
        site.configure(|config| config.limits.segment_age = Duration::from_secs(3_600));
    }
    pair.settle();
    pair
}

fn finish(site: &mut Site) {
    let all = ops::inbox(site.node(), &Filter::default()).unwrap();
    let ids: Vec<String> = all.iter().map(|message| message.id.to_string()).collect();
    ops::ack(site.node_mut(), &ids, None).unwrap();
}

/// Days pass in long strides; both stay online.
fn days(pair: &mut Pair, days: u32) {
    for _ in 0..days * 4 {
        pair.advance(DAY / 4);
        for _ in 0..40 {
            pair.step();
        }
    }
}

/// Days pass for a, while b is switched off.
fn alone(pair: &mut Pair, days: u32) {
    for _ in 0..days {
        pair.advance(DAY);
        for _ in 0..40 {
            pair.a.step();
        }
    }
}

fn rows(site: &Site) -> usize {
    ops::inbox(site.node(), &Filter { all: true, ..Filter::default() }).unwrap().len()
}

#[test]
fn acknowledged_segments_and_finished_mail_age_out_and_the_rest_stays() {
    let mut pair = pair();
    pair.a.send("b", &texts("done", 3));
    pair.settle();
    finish(&mut pair.b);
    pair.settle();
    pair.a.send("b", &texts("unread", 1));
    pair.settle();
    assert_eq!(rows(&pair.b), 4);
    let before = pair.lanes("a", "b");

    days(&mut pair, 5);
    assert_eq!(rows(&pair.b), 4);
    assert!(before.iter().all(|file| pair.lanes("a", "b").contains(file)), "five days are too short");
    // Something new, so that the old segment is not the one being written.
    pair.a.send("b", &texts("new", 1));
    pair.settle();
    days(&mut pair, 4);
    assert!(before.iter().all(|file| !pair.lanes("a", "b").contains(file)), "{before:?}");
    assert!(!pair.lanes("a", "b").is_empty(), "the one being written stays");

    days(&mut pair, 30);
    let left = ops::inbox(pair.b.node(), &Filter { all: true, ..Filter::default() }).unwrap();
    let left: Vec<_> = left.iter().map(|message| message.content.clone()).collect();
    assert_eq!(left, ["unread 0", "new 0"], "what nobody read stays");
    assert_eq!(pair.a.node().db.counts().unwrap().iter().map(|(_, _, n)| n).sum::<u64>(), 2);
    assert_eq!((&pair.a.problems, &pair.b.problems), (&vec![], &vec![]));
    // Mail flows on, past what was deleted.
    pair.a.send("b", &texts("later", 2));
    pair.settle();
    assert_eq!(rows(&pair.b), 4);
}

#[test]
fn what_aged_out_stays_known_when_its_lane_comes_back() {
    let mut pair = pair();
    pair.a.send("b", &texts("done", 3));
    pair.settle();
    let saved: Vec<_> = pair
        .lanes("a", "b")
        .into_iter()
        .map(|file| layout::lane(&name("b"), &file))
        .map(|path| (pair.share.read(&path, 0, usize::MAX).unwrap().unwrap(), path))
        .collect();
    finish(&mut pair.b);
    pair.settle();
    days(&mut pair, 40);
    assert_eq!(rows(&pair.b), 0);
    // A backup brings the segments back, cut, so that they are read again from their start.
    for (bytes, path) in &saved {
        let line = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        pair.share.remove(path).unwrap();
        pair.b.run(Duration::from_secs(120));
        pair.share.replace(path, &bytes[..line]).unwrap();
    }
    // And a new lane repeats the same ids, as a sender does that was not told.
    let file = layout::LaneFile { from: name("a"), lease: 99, segment: 1 };
    let again: String = String::from_utf8_lossy(&saved[0].0)
        .lines()
        .map(|line| {
            let mut line: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
            line.insert("lease".into(), file.lease.into());
            pair.a.signer().sign_object(&mut line);
            serde_json::to_string(&line).unwrap() + "\n"
        })
        .collect();
    pair.share.replace(&layout::lane(&name("b"), &file), again.as_bytes()).unwrap();
    // No bell announces it: a full look finds it.
    pair.run(Duration::from_secs(120));
    assert_eq!(rows(&pair.b), 0, "each of them was dropped as known");
}

#[test]
fn unacknowledged_segments_stay_and_old_leases_go() {
    let mut pair = pair();
    pair.a.send("b", &texts("kept", 1));
    pair.a.run(Duration::from_secs(60));
    let unread = pair.lanes("a", "b");
    for _ in 0..12 {
        pair.a.start();
        pair.a.run(Duration::from_secs(5));
    }
    let leases = || {
        let names = pair.share.names(&layout::leases(&name("a"))).unwrap();
        names.iter().filter_map(|name| layout::parse_lease(name)).collect::<Vec<_>>()
    };
    assert!(leases().len() > 12);
    let newest = leases().into_iter().max();
    alone(&mut pair, 10);
    let leases = {
        let names = pair.share.names(&layout::leases(&name("a"))).unwrap();
        names.iter().filter_map(|name| layout::parse_lease(name)).collect::<Vec<_>>()
    };
    assert_eq!((leases.len(), leases.iter().copied().max()), (8, newest));
    assert!(unread.iter().all(|file| pair.lanes("a", "b").contains(file)), "b has not acknowledged it");
    pair.settle();
    assert_eq!(rows(&pair.b), 1);
}

#[test]
fn a_peer_that_is_gone_is_given_up_on_in_the_end() {
    let mut pair = pair();
    pair.a.configure(|config| {
        (config.keep.spool, config.keep.gone_after) = (5, 10 * DAY);
    });
    pair.settle();
    // b is switched off for good.
    pair.b.engine().stop("for good").unwrap();
    pair.a.run(Duration::from_secs(60));
    let sent = pair.a.send("b", &texts("waits", 4));
    pair.a.run(Duration::from_secs(60));
    let status = ops::status(pair.a.node()).unwrap();
    assert!(status.problems.iter().any(|problem| problem.contains("4 messages")), "{:?}", status.problems);
    pair.a.send("b", &texts("the last", 1));
    let draft = ops::Draft::new("b".parse().unwrap(), "too much");
    let refused = ops::send(pair.a.node_mut(), draft).unwrap_err();
    assert_eq!(refused.kind(), Kind::Full);
    assert!(refused.to_string().contains("5 messages"), "{refused}");

    for day in 1..=12 {
        pair.advance(DAY);
        for _ in 0..40 {
            pair.a.step();
        }
        let state = pair.a.state_of(&sent[0]);
        assert_eq!(state == State::Failed, day >= 10, "day {day}");
    }
    let reports = ops::inbox(pair.a.node(), &Filter::default()).unwrap();
    assert_eq!(reports.len(), 5);
    let failed = pair.a.node().db.message(Way::Out, "b", &sent[0].id).unwrap().unwrap();
    assert_eq!(failed.outcome.as_deref(), Some("b has been gone for 10 days"));
    assert_eq!(pair.a.node().db.waits_for("b").unwrap(), (0, 0));
    ops::send(pair.a.node_mut(), ops::Draft::new("b".parse().unwrap(), "there is room again")).unwrap();
}

#[test]
fn a_long_absence_of_our_own_is_not_held_against_others() {
    let mut pair = pair();
    let sent = pair.a.send("b", &texts("old", 1));
    // a is switched off for two months before it could send; b lives all the time.
    for _ in 0..60 {
        pair.advance(DAY);
        pair.b.step();
    }
    pair.a.start();
    pair.settle();
    for _ in 0..200 {
        pair.advance(Duration::from_secs(15));
        pair.step();
    }
    let state = pair.a.state_of(&sent[0]);
    assert_eq!(state, State::Delivered);
}

#[test]
fn who_wrote_to_nobody_is_told_once_and_a_plain_peer_that_answers_is_somebody() {
    let mut pair = Pair::with(|config| config.keep.gone_after = 3 * DAY);
    let lost = pair.a.send_one("nobody", "hello?", |draft| draft.create = true);
    pair.a.send_one("script", "hello!", |draft| draft.create = true);
    let line = b"{\"from\":\"script\",\"content\":\"hello\"}\n";
    pair.share.open_append(&layout::open_slot(&name("a"))).unwrap().append(line).unwrap();
    days(&mut pair, 2);
    assert_eq!(pair.a.reports().len(), 0);
    days(&mut pair, 6);
    let reports = pair.a.reports();
    let [report] = &reports[..] else { panic!("{reports:?}") };
    assert_eq!(
        (report.content["cause"].as_str(), &report.in_reply_to),
        (Some("unknown"), &Some(lost.id.clone()))
    );
    assert_eq!(pair.a.state_of(&lost), State::Sent, "it may still be read where it lies");
    assert_eq!(pair.a.journey(Way::Out, &lost), ["queued", "sent", "unknown"]);
}

#[test]
fn who_wrote_to_nobody_is_told_before_the_mail_ages_out() {
    let mut pair = Pair::new();
    let lost = pair.a.send_one("nobody", "hello?", |draft| draft.create = true);
    pair.settle();
    pair.advance(Duration::from_secs(120));
    pair.settle();
    // By now its open slot has been seen, which we made ourselves.
    pair.a.send_one("nobody", "anybody?", |draft| draft.create = true);
    pair.settle();
    days(&mut pair, 40);
    assert_eq!(pair.a.reports().len(), 2, "{:?}", pair.a.journey(Way::Out, &lost));
}

#[test]
fn an_open_slot_that_a_typing_error_made_is_nobody_to_everybody_else() {
    let mut pair = Pair::with(|config| config.keep.gone_after = 3 * DAY);
    pair.a.send_one("nowhere", "hello?", |draft| draft.create = true);
    pair.settle();
    pair.advance(Duration::from_secs(120));
    pair.settle();
    let lost = pair.b.send_one("nowhere", "hello?", |_| {});
    assert!(ops::is_unseen(pair.b.node(), &lost).unwrap());
    days(&mut pair, 6);
    let reports = pair.b.reports();
    assert_eq!(reports.iter().map(|it| it.in_reply_to.clone()).collect::<Vec<_>>(), [Some(lost.id)]);
}

#[test]
fn mail_past_its_time_stays_sent_until_its_recipient_says_what_became_of_it() {
    let mut pair = Pair::new();
    pair.settle();
    let second = Some(Duration::from_secs(1));
    let sent = pair.a.send_one("b", "soon", |draft| draft.ttl = second);
    let plain = pair.a.send_one("nobody", "soon", |draft| (draft.ttl, draft.create) = (second, true));
    pair.a.until("both are sent", |a| [&sent, &plain].iter().all(|it| a.state_of(it) == State::Sent));
    let note = |pair: &Pair, id: &str| ops::trace(pair.a.node(), id).unwrap().note.unwrap_or_default();
    assert_eq!(note(&pair, sent.id.as_str()), "");
    pair.advance(Duration::from_secs(600));
    pair.a.step();
    assert_eq!(pair.a.state_of(&sent), State::Sent, "whether it was delivered is not known");
    assert!(note(&pair, sent.id.as_str()).contains("b alone knows"));
    assert!(note(&pair, plain.id.as_str()).contains("plain protocol"));
    pair.until("b says so", |pair| pair.a.state_of(&sent) == State::Expired);
    assert_eq!(note(&pair, sent.id.as_str()), "");
}

#[test]
fn a_peer_that_was_dead_before_we_joined_is_gone_in_the_end() {
    let pair = Pair::new();
    // b dies without a word; then c joins.
    pair.advance(DAY);
    let mut c = Site::with(&pair.share, "c", 9, false, |config| config.keep.gone_after = 10 * DAY);
    let sent = c.send_one("b", "hello?", |draft| draft.create = true);
    c.run(Duration::from_secs(900));
    let problems = c.status().problems;
    assert!(problems.iter().any(|problem| problem.contains("for b")), "{problems:?}");
    for _ in 0..48 {
        pair.advance(DAY / 4);
        c.clock.advance(DAY / 4);
        for _ in 0..40 {
            c.step();
        }
    }
    assert_eq!(c.state_of(&sent), State::Failed, "{:?}", ops::peers(c.node()).unwrap());
    assert_eq!(c.reports().len(), 1);
}

#[test]
fn a_broken_mailbox_keeps_the_sweep_from_nobody_else() {
    let mut pair = pair();
    let mut c = Site::new(&pair.share, "c", 3, false);
    c.run(Duration::from_secs(30));
    pair.run(Duration::from_secs(30));
    for to in ["b", "c"] {
        pair.a.send(to, &texts("done", 3));
    }
    pair.settle();
    c.run(Duration::from_secs(60));
    pair.settle();
    let (b, lanes) = (layout::mailbox(&name("b")), pair.lanes("a", "c"));
    assert!(!lanes.is_empty());
    pair.a.start();
    pair.a.faults.break_folder(Some(b));
    for _ in 0..9 * 4 {
        pair.advance(DAY / 4);
        c.clock.advance(DAY / 4);
        for _ in 0..40 {
            pair.a.step();
            c.step();
        }
    }
    assert!(lanes.iter().all(|file| !pair.lanes("a", "c").contains(file)), "{:?}", pair.a.problems);
    let problems = pair.a.status().problems;
    assert!(problems.iter().any(|problem| problem.contains("messages/to-b")), "{problems:?}");
    pair.a.faults.break_folder(None);
    pair.a.run(Duration::from_secs(2 * 3_600));
    let problems = pair.a.status().problems;
    assert!(!problems.iter().any(|problem| problem.contains("messages/to-b")), "{problems:?}");
}

#[test]
fn what_the_sweep_deleted_is_no_incident() {
    let mut pair = pair();
    pair.a.send("b", &texts("done", 3));
    pair.settle();
    finish(&mut pair.b);
    pair.settle();
    days(&mut pair, 9);
    pair.a.start();
    days(&mut pair, 2);
    let what: Vec<String> = pair.a.status().incidents.into_iter().map(|it| it.what).collect();
    assert_eq!(what, [""; 0]);
}

#[test]
fn an_open_slot_that_nobody_reads_does_not_grow_for_ever() {
    let mut pair = Pair::with(|config| config.keep.spool = 5);
    let send = |pair: &mut Pair| {
        let mut draft = ops::Draft::new("ghost".parse().unwrap(), "hello?");
        draft.create = true;
        let sent = ops::send(pair.a.node_mut(), draft);
        pair.run(Duration::from_secs(90));
        sent
    };
    for _ in 0..5 {
        send(&mut pair).unwrap();
    }
    let refused = send(&mut pair).unwrap_err();
    assert_eq!(refused.kind(), Kind::Full);
    assert!(refused.to_string().contains("5 messages"), "{refused}");
    let problems = pair.a.status().problems;
    assert!(problems.iter().any(|problem| problem.contains("ghost")), "{problems:?}");
    // It stays refused however long that lasts: the file holds them still.
    days(&mut pair, 70);
    assert_eq!(pair.a.reports().len(), 5);
    send(&mut pair).unwrap_err();
    // Somebody empties it.
    pair.share.remove(&layout::open_slot(&name("ghost"))).unwrap();
    pair.run(Duration::from_secs(90));
    for _ in 0..4 {
        send(&mut pair).unwrap();
    }
    assert!(pair.a.status().problems.iter().any(|problem| problem.contains("ghost")));
    // And answers.
    let line = b"{\"from\":\"ghost\",\"content\":\"hello\"}\n";
    pair.share.open_append(&layout::open_slot(&name("a"))).unwrap().append(line).unwrap();
    pair.run(Duration::from_secs(90));
    assert_eq!(pair.a.status().problems.iter().filter(|problem| problem.contains("ghost")).count(), 0);
    send(&mut pair).unwrap();
}

#[test]
fn the_segments_of_mail_for_a_peer_that_is_gone_follow_it() {
    let mut pair = pair();
    pair.a.configure(|config| config.keep.gone_after = 10 * DAY);
    pair.settle();
    pair.b.engine().stop("for good").unwrap();
    pair.a.run(Duration::from_secs(60));
    pair.a.send("b", &texts("waits", 4));
    pair.a.run(Duration::from_secs(60));
    assert!(!pair.lanes("a", "b").is_empty());
    alone(&mut pair, 12);
    assert_eq!(pair.lanes("a", "b"), []);
    assert_eq!(pair.a.status().incidents.len(), 0);
    // It comes back, and mail flows on.
    pair.b.start();
    pair.a.send("b", &texts("later", 2));
    pair.settle();
    assert_eq!(pair.b.texts(), texts("later", 2));
    assert_eq!((&pair.a.problems, &pair.b.problems), (&vec![], &vec![]));
}

#[test]
fn a_clock_that_is_set_ahead_fails_no_mail() {
    let mut pair = pair();
    pair.b.engine().stop("for a while").unwrap();
    pair.a.run(Duration::from_secs(60));
    let sent = pair.a.send("b", &texts("waits", 1));
    alone(&mut pair, 1);
    pair.a.clock.set_ahead(40 * DAY);
    alone(&mut pair, 1);
    assert_eq!(pair.a.state_of(&sent[0]), State::Sent);
    alone(&mut pair, 31);
    assert_eq!(pair.a.state_of(&sent[0]), State::Failed, "the days that passed count all the same");
}
