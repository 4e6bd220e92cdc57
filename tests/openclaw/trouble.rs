//! Gateways that die at a bad moment: the agent is woken all the same, and not twice.

use std::fs;

use crate::office::{Offices, offices};
use crate::process::until_true;

/// Where lanpost keeps the token of the gateway's hooks, in its state folder.
const TOKEN: &str = "openclaw-token";

#[test]
fn a_gateway_that_was_killed_wakes_its_agent_once_when_it_is_back() {
    let mut offices = offices();
    let before = offices.turns(&offices.bob);
    offices.bob.gateway.kill();
    let id = offices.ann.pc.send("bob", "note: while you were away");
    let bob = &mut offices.bob;
    bob.traced(&id, "wake-retry");
    bob.gateway.start();
    bob.gateway.await_ready();
    offices.ann.pc.sees(&id, "processed");
    offices.bob.is_done();
    assert_eq!(offices.turns(&offices.bob) - before, 1);
}

#[test]
fn a_turn_that_died_with_its_gateway_comes_again() {
    let mut offices = offices();
    let before = offices.turns(&offices.bob);
    offices.model.hold("bob");
    let id = offices.ann.pc.send("bob", "note: a turn that you will forget");
    until_true("a turn that hangs", || offices.turns(&offices.bob) > before);
    offices.bob.traced(&id, "wake-accepted");
    offices.bob.gateway.kill();
    offices.model.go_on("bob");
    offices.bob.gateway.start();
    offices.bob.gateway.await_ready();
    offices.ann.pc.sees(&id, "processed");
    offices.bob.is_done();
    offices.bob.gateway.await_recovery();
    // It was the gateway that began it again, or we woke it again first.
    let turns = offices.turns(&offices.bob) - before;
    assert!((1..=2).contains(&turns), "{turns}");
}

#[test]
fn what_keeps_a_gateway_from_waking_is_told_apart() {
    let mut offices = offices();
    let Offices { ann, bob, .. } = &mut *offices;
    let token = bob.pc.state.join(TOKEN);
    let right = fs::read(&token).unwrap();
    let mut fails = |changes: &[(&str, &str)], words: &[&str]| {
        let config = bob.reset(changes);
        let id = ann.pc.send("bob", &format!("note: nobody is woken with {changes:?}"));
        let told = bob.traced(&id, "wake-failed");
        for word in words {
            assert!(told.contains(word), "no {word:?} in {told:?}");
        }
        // Its sender is told, too.
        assert!(ann.traced(&id, "wake-failed").starts_with(&told));
        bob.pc.ok(&["ack", &id]);
        bob.restore(&config);
    };
    let table = "[wake.openclaw]\n";
    let with = |line: &str| format!("{table}{line}\n");
    fails(
        &[("agent = \"main\"", "agent = \"nobody\""), (table, &with("mode = \"agent\""))],
        &["400", "no agent of that name"],
    );
    fails(&[(table, &with("path = \"nowhere\""))], &["404", "hooks are on"]);
    fails(&[(table, &with("hooks = \"/elsewhere\""))], &["404", "hooks are off"]);
    fs::write(&token, "not the token of the hooks").unwrap();
    fails(&[], &["401"]);
    fs::write(&token, right).unwrap();
}
