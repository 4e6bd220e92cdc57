//! What a state folder belongs to: a share it may be moved from, and one instance; and whose an id is.

use lanpost::engine::node::Node;
use lanpost::engine::ops::{self, Draft};
use lanpost::engine::{Engine, Hints, Role};
use lanpost::model::config;
use lanpost::model::state::State;
use lanpost::sys::clock::{Clock, ManualClock};
use lanpost::sys::memory::MemoryShare;
use lanpost::sys::share::Share;
use std::sync::Arc;
use std::time::Duration;

fn node(folder: &std::path::Path, share: &dyn Share, clock: Arc<dyn Clock>, name: &str, state: &str) -> Node {
    let text = format!("instance = \"{name}\"\nstate = \"{state}\"\n[share]\npath = \"/s\"\n");
    let config = config::parse(&text, &folder.join("c.toml")).unwrap();
    ops::init(&config, share, clock.clone(), true).unwrap();
    Node::open(config, clock).unwrap()
}

/// Steps for so long, in the time that the engine asks for.
fn run(engine: &mut Engine, clock: &ManualClock, time: Duration) {
    let end = clock.now() + time;
    while clock.now() < end {
        let step = engine.step(&Hints::default()).unwrap();
        clock.advance(step.rest + Duration::from_millis(3));
    }
}

#[test]
fn a_receipt_of_the_new_share_says_nothing_of_mail_on_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(1));
    let old = Arc::new(MemoryShare::new());
    let lab = node(folder.path(), &*old, clock.clone(), "lab", "lab");
    let office = node(folder.path(), &*old, clock.clone(), "office", "office");
    drop(lab);
    let mut office = Engine::new(old, office, Role::Daemon).unwrap();
    run(&mut office, &clock, Duration::from_secs(1));
    let lost = ops::send(office.node_mut(), Draft::new("lab".parse().unwrap(), "lost")).unwrap();
    run(&mut office, &clock, Duration::from_secs(1));
    assert_eq!(ops::state_of(office.node(), &lost).unwrap().state, State::Sent);
    // Both move to another share; lab never looked at the old one.
    let new = Arc::new(MemoryShare::new());
    drop(office);
    let lab = node(folder.path(), &*new, clock.clone(), "lab", "lab");
    let office = node(folder.path(), &*new, clock.clone(), "office", "office");
    let mut lab = Engine::new(new.clone(), lab, Role::Daemon).unwrap();
    let mut office = Engine::new(new, office, Role::Daemon).unwrap();
    run(&mut office, &clock, Duration::from_secs(20));
    ops::send(office.node_mut(), Draft::new("lab".parse().unwrap(), "new")).unwrap();
    for _ in 0..10 {
        run(&mut office, &clock, Duration::from_secs(2));
        run(&mut lab, &clock, Duration::from_secs(2));
    }
    let known = lab.node().db.message(lanpost::store::db::Way::In, "office", &lost.id).unwrap().is_some();
    let state = ops::state_of(office.node(), &lost).unwrap().state;
    assert!(known, "it is sent again on the new share");
    assert_eq!(state, State::Delivered);
}

#[test]
fn a_state_folder_serves_one_instance() {
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(1));
    let share = MemoryShare::new();
    drop(node(folder.path(), &share, clock.clone(), "lab", "one"));
    let text = "instance = \"other\"\nstate = \"one\"\n[share]\npath = \"/s\"\n";
    let config = config::parse(text, &folder.path().join("c.toml")).unwrap();
    let error = ops::init(&config, &share, clock.clone(), true).unwrap_err();
    assert!(error.to_string().contains("it belongs to instance lab"), "{error}");
    assert!(Node::open(config, clock).is_err());
}

#[test]
fn one_id_of_two_senders_is_told_apart_by_the_sender() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(1));
    let share = Arc::new(MemoryShare::new());
    let open = |name: &str| {
        let node = node(folder.path(), &*share, clock.clone(), name, name);
        Engine::new(share.clone(), node, Role::Daemon).unwrap()
    };
    let (mut lab, mut office, mut home) = (open("lab"), open("office"), open("home"));
    for engine in [&mut office, &mut home] {
        run(engine, &clock, Duration::from_secs(1));
        let draft = Draft { id: Some("nightly".parse().unwrap()), ..Draft::new("lab".parse().unwrap(), "x") };
        ops::send(engine.node_mut(), draft).unwrap();
        run(engine, &clock, Duration::from_secs(1));
    }
    run(&mut lab, &clock, Duration::from_secs(5));
    let error = ops::read(lab.node_mut(), "nightly").unwrap_err();
    assert!(error.to_string().contains(":nightly"), "{error}");
    assert_eq!(ops::read(lab.node_mut(), "home:nightly").unwrap().from, "home");
    assert_eq!(ops::read(lab.node_mut(), "Office:night").unwrap().from, "office");
}
