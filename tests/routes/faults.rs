//! Mail both ways while the cable fails again and again, and how long the share took each time to take over.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::thread;
use std::time::Duration;

use lanpost::model::route::{Chosen, Route};
use serde_json::Value;

use crate::link::{self, FAULTS, Fault, LAB, OFFICE, Port};
use crate::process::{Lan, Pc, text_of, until_true};
use crate::sender::Sender;

/// How often the cable fails.
const ROUNDS: usize = 20;
/// What each side sends in one round, at least: while it breaks, while it is broken, while it is mended, and when that is
/// over. On a busy machine it may take longer to break it than to send the first of them.
const BURSTS: [usize; 4] = [40, 10, 30, 30];
/// From the beginning of the first attempt that failed until the share has the message.
const SWITCH: Duration = Duration::from_secs(2);

#[test]
fn nothing_is_lost_or_doubled_and_order_stays_through_twenty_faults() {
    let lan = Lan::new();
    link::lay();
    let pcs = [&OFFICE, &LAB].map(|port| joined(&lan, port));
    let _daemons: Vec<_> = pcs.iter().map(|pc| pc.daemon_under(&["ip", "netns", "exec", &pc.name])).collect();
    let [office, lab] = &pcs;
    let both = [(office, lab), (lab, office)];
    let mut senders = both.map(|(pc, peer)| Sender::on(pc, &peer.name));
    // What a round's first switch is told by went directly before it, also in the first round.
    both.iter().for_each(|(pc, peer)| await_direct(pc, peer));
    meanwhile(&mut senders, 1, || ());
    both.iter().for_each(|(pc, _)| await_delivered(pc));
    let mut rounds = vec![];
    for fault in FAULTS.iter().cycle().take(ROUNDS) {
        rounds.push((*fault, senders.each_ref().map(|sender| sender.sent)));
        both.iter().for_each(|(pc, peer)| await_direct(pc, peer));
        meanwhile(&mut senders, BURSTS[0], || link::fail(*fault));
        meanwhile(&mut senders, BURSTS[1], || ());
        both.iter().for_each(|(pc, _)| await_delivered(pc));
        meanwhile(&mut senders, BURSTS[2], || link::heal(*fault));
        both.iter().for_each(|(pc, peer)| await_direct(pc, peer));
        meanwhile(&mut senders, BURSTS[3], || ());
        both.iter().for_each(|(pc, _)| await_delivered(pc));
        // A first try may still come to grief on what the fault left. Only what went through can fail again.
        while both.iter().any(|(pc, peer)| route(pc, peer).is_none_or(|route| route.failures > 0)) {
            both.iter().for_each(|(pc, peer)| await_direct(pc, peer));
            meanwhile(&mut senders, 1, || ());
            both.iter().for_each(|(pc, _)| await_delivered(pc));
        }
    }
    for (side, ((pc, peer), sender)) in both.iter().zip(&senders).enumerate() {
        let all: Vec<usize> = (1..=sender.sent).collect();
        let inbox = peer.inbox();
        let number = |message: &Value| text_of(message, "content").parse().unwrap();
        assert_eq!(inbox.iter().map(number).collect::<Vec<usize>>(), all, "the inbox of {}", peer.name);
        let rounds: Vec<_> = rounds.iter().map(|(fault, sent)| (*fault, sent[side])).collect();
        took_over_in_time(pc, all.len(), &rounds);
    }
}

/// Both send `count`, and in the midst of it `deed` is done.
fn meanwhile(senders: &mut [Sender; 2], count: usize, deed: impl FnOnce()) {
    senders.iter_mut().for_each(|sender| sender.send(1));
    thread::scope(|scope| {
        for sender in senders {
            scope.spawn(move || sender.send(count - 1));
        }
        deed();
    });
}

fn joined(lan: &Lan, port: &Port) -> Pc {
    let pc = lan.join(port.name);
    let mut config = OpenOptions::new().append(true).open(&pc.config).unwrap();
    writeln!(config, "[direct]\nlisten = \"{}:7431\"", port.address).unwrap();
    pc
}

fn await_direct(pc: &Pc, peer: &Pc) {
    until_true(&format!("the mail of {} to go directly", pc.name), || {
        route(pc, peer).is_some_and(|route| route.via == Route::Direct)
    });
}

fn route(pc: &Pc, peer: &Pc) -> Option<Chosen> {
    pc.node().db.route(&peer.name).unwrap()
}

fn await_delivered(pc: &Pc) {
    until_true(&format!("all mail of {} to be delivered", pc.name), || {
        let status = pc.json(&["status"]);
        status["outgoing"]
            .as_object()
            .unwrap()
            .iter()
            .all(|(state, count)| state == "delivered" || count == 0)
    });
}

/// A message that left: when it was accepted and when it was handed over, in milliseconds, and by which way.
struct Departure {
    queued: i64,
    sent: i64,
    direct: bool,
}

/// Whether the share took over in time whenever the direct way failed, and did so in each round, of which each has a fault
/// and what was sent before.
///
/// One attempt is under way at a time, and each begins with the oldest message. So the one that failed began when its
/// first message was accepted, or, if that was later, when the one before had left.
fn took_over_in_time(pc: &Pc, count: usize, rounds: &[(Fault, usize)]) {
    let left = departures(pc);
    assert_eq!(left.len(), count, "messages of {} that left", pc.name);
    let pairs = left.iter().zip(&left[1..]).enumerate();
    let switches: Vec<(usize, i64)> = pairs
        .filter(|(_, (before, first))| before.direct && !first.direct)
        .map(|(at, (before, first))| (at + 1, first.sent - first.queued.max(before.sent)))
        .collect();
    let direct = left.iter().filter(|departure| departure.direct).count();
    let times: Vec<i64> = switches.iter().map(|(_, ms)| *ms).collect();
    println!("{}: {direct} of {count} went directly; the share took over after {times:?} ms", pc.name);
    for (round, (fault, begin)) in rounds.iter().enumerate() {
        let end = rounds.get(round + 1).map_or(count, |(_, begin)| *begin);
        let ways: String = left[*begin..end].iter().map(|one| if one.direct { 'd' } else { 's' }).collect();
        let has_switched = switches.iter().any(|(at, _)| (*begin..end).contains(at));
        assert!(has_switched, "{}: round {round} ({fault:?}) was no switch: {ways}", pc.name);
    }
    assert!(switches.len() >= ROUNDS, "{switches:?}, but the cable failed {ROUNDS} times");
    let slowest = Duration::from_millis(times.iter().max().unwrap().unsigned_abs());
    assert!(slowest < SWITCH, "{}: it took {slowest:?}", pc.name);
    assert!(direct >= ROUNDS * BURSTS[3], "{}: of {count} messages {direct} went directly", pc.name);
}

/// What left a PC, in the order in which it was accepted, by its log.
fn departures(pc: &Pc) -> Vec<Departure> {
    let export = pc.ok(&["log", "export"]);
    let entries = export.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let (mut queued, mut sent) = (vec![], BTreeMap::new());
    for entry in entries.filter(|entry| entry["way"] == "out") {
        let (id, ms) = (text_of(&entry, "id"), entry["ms"].as_i64().unwrap());
        match entry["what"].as_str() {
            Some("queued") => queued.push((id, ms)),
            Some("sent") => {
                let direct = entry["detail"].as_str().is_some_and(|detail| detail.starts_with("directly "));
                sent.entry(id).or_insert((ms, direct));
            }
            _ => {}
        }
    }
    let left = queued.iter().filter_map(|(id, queued)| {
        sent.get(id).map(|(sent, direct)| Departure { queued: *queued, sent: *sent, direct: *direct })
    });
    left.collect()
}
