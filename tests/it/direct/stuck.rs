//! A courier that does not come round: its mail goes by the share.

use std::sync::Arc;
use std::time::Duration;

use lanpost::engine::node::Node;
use lanpost::engine::ops::{self, Draft};
use lanpost::engine::pulse::Pulse;
use lanpost::engine::{Engine, Hints, Role};
use lanpost::model::config;
use lanpost::model::route::{Chosen, Route};
use lanpost::model::state::State;
use lanpost::sys::clock::{Clock, ManualClock};
use lanpost::sys::memory::MemoryShare;

const SECOND: Duration = Duration::from_secs(1);

/// Steps for so long, in the time that the engine asks for.
fn run(engine: &mut Engine, clock: &ManualClock, time: Duration) {
    let end = clock.now() + time;
    while clock.now() < end {
        let step = engine.step(&Hints::default()).unwrap();
        clock.advance(step.rest.min(end.saturating_sub(clock.now())) + Duration::from_millis(3));
    }
}

#[test]
fn the_engine_sends_what_a_stuck_courier_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, share) = (Arc::new(ManualClock::new(1)), Arc::new(MemoryShare::new()));
    let node = |name: &str| {
        let text = format!("instance = \"{name}\"\nstate = \"{name}\"\n[share]\npath = \"/s\"\n");
        let config = config::parse(&text, &folder.path().join("c.toml")).unwrap();
        ops::init(&config, &*share, clock.clone(), true).unwrap();
        Node::open(config, clock.clone()).unwrap()
    };
    let (_lab, office) = (node("lab"), node("office"));
    let pulse = Pulse::new(clock.clone());
    let mut office = Engine::new(share.clone(), office, Role::Daemon).unwrap().beside(pulse.clone());
    run(&mut office, &clock, SECOND);
    let direct = Chosen {
        via: Route::Direct,
        url: None,
        since: 0,
        why: None,
        failures: 0,
        until: None,
        contact: None,
    };
    office.node_mut().db.set_route("lab", Some(&direct)).unwrap();
    let sent = ops::send(office.node_mut(), Draft::new("lab".parse().unwrap(), "x")).unwrap();
    let state = |office: &Engine| ops::state_of(office.node(), &sent).unwrap().state;
    for _ in 0..10 {
        pulse.rests(SECOND);
        run(&mut office, &clock, SECOND);
        assert_eq!(state(&office), State::Queued, "it is the courier's as long as that comes round");
    }
    run(&mut office, &clock, 6 * SECOND);
    assert_eq!(state(&office), State::Sent);
}
