//! A link that carries little, or in one direction alone: mail that nothing else may carry arrives all the same, and so does a long letter.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{add, takes, way};
use crate::common::process::{Lan, Pc, until, until_true};

/// How often a link carries something.
const TICK: Duration = Duration::from_millis(10);

/// A port that leads to `to`, and carries so many bytes a second there; back it carries all, unless it is `mute`. It ends
/// with the tests.
fn slow_link(to: u16, pace: usize, mute: &Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, mute) = (listener.local_addr().unwrap().port(), mute.clone());
    std::thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let Ok(far) = TcpStream::connect(("127.0.0.1", to)) else { continue };
            let (back, to_near, mute) = (far.try_clone().unwrap(), near.try_clone().unwrap(), mute.clone());
            std::thread::spawn(move || answer(back, to_near, &mute));
            std::thread::spawn(move || trickle(near, far, pace));
        }
    });
    port
}

fn answer(mut from: TcpStream, mut to: TcpStream, mute: &AtomicBool) {
    let mut piece = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        if !mute.load(Ordering::Relaxed) && to.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

fn trickle(mut from: TcpStream, mut to: TcpStream, pace: usize) {
    let mut piece = vec![0; (pace as f64 * TICK.as_secs_f64()) as usize];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        if to.write_all(&piece[..length]).is_err() {
            break;
        }
        std::thread::sleep(TICK);
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// Two PCs, of which `office` reaches `lab` by a slow link.
fn over(lan: &Lan, pace: usize, peer: &str) -> (Pc, Pc, Arc<AtomicBool>) {
    let (office, lab) = (lan.join("office"), lan.join("lab"));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    add(&lab, &format!("[direct]\nlisten = \"127.0.0.1:{port}\"\ntls = false\n"));
    let mute = Arc::new(AtomicBool::new(false));
    let link = slow_link(port, pace, &mute);
    add(
        &office,
        &format!("[direct]\ntimeout = \"400ms\"\n[peers.lab]\nurl = \"http://127.0.0.1:{link}\"\n{peer}"),
    );
    (office, lab, mute)
}

#[test]
fn a_backlog_that_only_the_network_may_carry_goes_over_a_slow_link() {
    let lan = Lan::new();
    let (office, lab, _) = over(&lan, 100_000, "routes = [\"direct\"]\n");
    let one = office.daemon();
    let two = lab.daemon();
    takes(&office, "lab", "direct");
    two.stop();
    // Together more than goes over in the time of an attempt.
    let ids: Vec<String> =
        (0..8).map(|n| office.send("lab", &format!("{n} {}", "x".repeat(10_000)))).collect();
    let urgent = office.send("lab", "short and urgent");
    let _two = lab.daemon();
    office.sees(&urgent, "delivered");
    ids.iter().for_each(|id| drop(office.sees(id, "delivered")));
    // One letter that no halving makes shorter.
    let long = office.send("lab", &"y".repeat(60_000));
    office.sees(&long, "delivered");
    assert!(way(&office, &long).contains("sent directly to"), "{}", way(&office, &long));
    assert!(one.log().contains("did not answer within"), "the link was not slow: {}", one.log());
}

#[test]
fn what_may_have_arrived_does_not_expire_here() {
    let lan = Lan::new();
    let (office, lab, mute) = over(&lan, 1 << 30, "");
    let (_one, _two) = (office.daemon(), lab.daemon());
    takes(&office, "lab", "direct");
    // So that a connection is open: who is asked first whether it is lab says nothing any more, either.
    let first = office.send("lab", "still heard");
    office.sees(&first, "delivered");
    lan.unmount();
    mute.store(true, Ordering::Relaxed);
    let id = office.ok(&["send", "lab", "did it come?", "--ttl", "12s", "--json"]);
    let id = serde_json::from_str::<serde_json::Value>(&id).unwrap()["id"].as_str().unwrap().to_owned();
    lab.receives("did it come?");
    // Else it would expire there, and be reported as what it is.
    lab.ok(&["read", &id]);
    let trace = || office.json(&["trace", &id]);
    until("its time to be over", || {
        trace()["note"].as_str().filter(|note| note.contains("its time is over")).map(drop)
    });
    assert_eq!(trace()["state"], "queued");
    let posted = way(&office, &id);
    assert_eq!(posted.matches("posted handed over directly, without an answer").count(), 1, "{posted}");
    assert!(!office.inbox().iter().any(|message| message["in_reply_to"] == id.as_str()), "no report");
    mute.store(false, Ordering::Relaxed);
    office.sees(&id, "delivered");
    lan.mount();
}

#[test]
fn mail_that_only_the_network_may_carry_is_not_said_to_go_by_the_share() {
    let lan = Lan::new();
    let (office, lab) = (super::join(&lan, "office"), super::join(&lan, "lab"));
    add(&office, "[peers.lab]\nroutes = [\"direct\"]\n");
    let (one, two) = (office.daemon(), lab.daemon());
    takes(&office, "lab", "direct (");
    assert!(two.kill());
    let id = office.send("lab", "when you are back");
    takes(&office, "lab", "waits: direct refused");
    let said = [office.ok(&["peers"]), office.json(&["status"])["problems"].to_string(), one.log()];
    for said in &said {
        assert!(said.contains("waits: direct refused"), "{said}");
        assert!(!said.contains("goes by the share") && !said.contains("share: direct"), "{said}");
    }
    assert_eq!(office.json(&["peers"])[0]["route"]["waits"], true);
    let _two = lab.daemon();
    office.sees(&id, "delivered");
}

#[test]
fn a_share_that_is_away_is_no_word_about_mail_and_peers_that_need_none() {
    let lan = Lan::new();
    let (office, lab) = (super::join(&lan, "office"), super::join(&lan, "lab"));
    let (_one, _two) = (office.daemon(), lab.daemon());
    takes(&office, "lab", "direct (");
    takes(&lab, "office", "direct (");
    lan.unmount();
    until_true("the share to be missed", || office.json(&["status"])["share"]["available"] == false);
    let sent = office.json(&["send", "lab", "directly"]);
    assert_eq!(sent.get("spooled"), None, "{sent}");
    let waited = office.run(&["send", "lab", "x", "--wait", "delivered", "--timeout", "20s"]);
    assert!(waited.code == Some(0) && !waited.err.contains("waits in the spool"), "{waited:?}");
    until("the heartbeat to stand still", || {
        let node = office.node();
        let lab = node.db.peer("lab").unwrap().unwrap();
        (lab.silent(node.clock.wall_ms()) > Duration::from_secs(5)).then_some(())
    });
    until_true("lab to be online by what it answers", || office.json(&["peers"])[0]["presence"] == "online");
    lan.mount();
}
