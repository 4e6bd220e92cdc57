//! A share that hangs holds its caller and nobody else: mail is taken, read and announced from the local store, and
//! `status`, the log and each command say what hangs.

use std::sync::Arc;
use std::time::Duration;

use lanpost::engine::node::Node;
use lanpost::engine::ops;
use lanpost::engine::stall::{self, Change, Watchdog};
use lanpost::engine::{Engine, Hints, Role};
use lanpost::model::layout;
use lanpost::sys::clock::{Clock, ManualClock};
use lanpost::sys::flock::LocalLock;
use lanpost::sys::memory::MemoryShare;
use lanpost::sys::share::Share;
use lanpost::sys::watched::WatchedShare;

use crate::common::agent::{Agent, Deed};
use crate::common::hanging::{DeadMount, HangingShare};
use crate::common::pair::{config, state_folder};
use crate::common::process::{Lan, list, text_of, until, until_true};

#[test]
fn the_watchdog_tells_which_call_hangs_since_when_and_that_it_came_back() {
    let state = state_folder();
    let config = config("lab", state.path());
    let (clock, memory) = (Arc::new(ManualClock::new(1)), MemoryShare::new());
    ops::init(&config, &memory, clock.clone(), false).unwrap();
    let node = || Node::open(config.clone(), clock.clone()).unwrap();
    let hanging = HangingShare::new(Arc::new(memory));
    let share = WatchedShare::new(Arc::new(hanging.clone()), clock.clone());
    let calls = share.calls();
    let mut engine = Engine::new(Arc::new(share), node(), Role::Daemon).unwrap();
    let mut watchman = node();
    let mut watchdog = Watchdog::new(&mut watchman).unwrap();
    let _lock = LocalLock::try_acquire(&config.state, "daemon", String::new()).unwrap().unwrap();

    engine.step(&Hints::default()).unwrap();
    assert_eq!(watchdog.look(&mut watchman, calls.hanging(stall::AFTER)).unwrap(), None);
    hanging.hang(true);
    let began = clock.wall();
    let step = std::thread::spawn(move || {
        engine.step(&Hints { everything: true, ..Hints::default() }).unwrap();
        engine
    });
    let call = until("a call in flight", || calls.running());
    clock.advance(stall::AFTER - Duration::from_millis(1));
    assert_eq!(watchdog.look(&mut watchman, calls.hanging(stall::AFTER)).unwrap(), None, "slow, not hung");
    clock.advance(Duration::from_millis(1));
    let Some(Change::Hangs(found)) = watchdog.look(&mut watchman, calls.hanging(stall::AFTER)).unwrap()
    else {
        panic!("nothing was found");
    };
    assert_eq!((found.deed.as_str(), found.path.as_str()), (call.deed, call.path.as_str()));
    assert_eq!(found.since, lanpost::model::envelope::format_time(began));
    assert_eq!(watchdog.look(&mut watchman, calls.hanging(stall::AFTER)).unwrap(), None, "told once");

    let status = ops::status(&node()).unwrap();
    assert_eq!(status.share.stalled, Some(found.clone()));
    assert!(!status.share.available);
    assert!(status.problems[0].contains("stalled since"), "{:?}", status.problems);

    clock.advance(Duration::from_secs(60));
    hanging.hang(false);
    let engine = step.join().unwrap();
    let answers = Some(Change::Answers(stall::AFTER + Duration::from_secs(60)));
    assert_eq!(watchdog.look(&mut watchman, calls.hanging(stall::AFTER)).unwrap(), answers);
    let status = ops::status(&node()).unwrap();
    assert_eq!((status.share.stalled, status.share.available), (None, true));
    drop(engine);

    // A daemon that was killed while it hung leaves a note that nobody believes, and the next one clears.
    watchdog.look(&mut watchman, Some(call)).unwrap();
    drop(_lock);
    assert_eq!(ops::status(&node()).unwrap().share.stalled, None);
    Watchdog::new(&mut watchman).unwrap();
    assert_eq!(stall::load(&watchman.db).unwrap(), None);
}

#[test]
fn every_call_is_watched() {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(1));
    let memory = MemoryShare::new();
    memory.make_folder(&layout::messages()).unwrap();
    let hanging = HangingShare::new(Arc::new(memory));
    let share = Arc::new(WatchedShare::new(Arc::new(hanging.clone()), clock));
    let file = layout::open_slot(&crate::common::name("lab"));
    type Ask = fn(&WatchedShare, &layout::SharePath);
    let asks: [(&str, Ask); 9] = [
        ("look at", |share, file| drop(share.stat(file))),
        ("list", |share, file| drop(share.list(file))),
        ("read", |share, file| drop(share.read(file, 0, 1))),
        ("open", |share, file| drop(share.open_append(file))),
        ("create", |share, file| drop(share.create_new(file, b"x"))),
        ("replace", |share, file| drop(share.replace(file, b"x"))),
        ("touch", |share, file| drop(share.touch(file))),
        ("remove", |share, file| drop(share.remove(file))),
        ("make the folder", |share, file| drop(share.make_folder(file))),
    ];
    for (deed, ask) in asks {
        hanging.hang(true);
        let (watched, path) = (share.clone(), file.clone());
        let asking = std::thread::spawn(move || ask(&watched, &path));
        let call = until(deed, || share.calls().running());
        assert_eq!((call.deed, call.path.as_str()), (deed, file.as_str()));
        hanging.hang(false);
        asking.join().unwrap();
        assert_eq!(share.calls().running(), None, "{deed}");
    }
}

// The real binary on a real dead mount.

#[test]
fn without_a_daemon_a_command_gives_up_on_a_dead_mount_and_answers_from_the_store() {
    let lan = Lan::new();
    let (office, lab, newcomer) = (lan.join("office"), lan.join("lab"), lan.pc("newcomer"));
    office.send("lab", "before");
    assert_eq!(lab.inbox().len(), 1);
    let Some(dead) = DeadMount::over(&lan.share()) else { return };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let sent = office.json(&["send", "lab", "meanwhile"]);
            assert_eq!(sent["state"], "queued");
            let why = text_of(&sent, "spooled");
            assert!(why.contains("does not answer") && why.contains("lanpost.json"), "{why}");
        });
        scope.spawn(|| {
            let done = lab.run(&["--json", "inbox"]).exits(0).says(&["does not answer"]);
            assert_eq!(list(done.json())[0]["content"], "before");
        });
        scope.spawn(|| {
            newcomer.try_init(&[]).exits(75).says(&["does not answer"]);
            assert!(!newcomer.config.exists());
        });
    });
    // A command that looks again and again tries one pass, and keeps its own deadline.
    let done = lab.run(&["wait", "--from", "nobody", "--timeout", "6s"]).exits(4);
    assert_eq!(done.err.matches("does not answer").count(), 1, "{}", done.err);
    drop(dead);
    newcomer.init(&[]);
    office.ok(&["status"]);
    let contents: Vec<_> = lab.inbox().iter().map(|message| text_of(message, "content")).collect();
    assert_eq!(contents, ["before", "meanwhile"]);
}

#[test]
fn a_daemon_on_a_dead_mount_says_so_and_goes_on_waking() {
    let lan = Lan::new();
    let office = lan.join("office");
    let agent = Agent::new(&lan.pc("lab"), Deed::WantReady);
    let lab = lan.join_with("lab", &agent.settings("attempts = 1000"));
    let daemon = lab.daemon();
    let id = office.send("lab", "announced while the share hangs");
    let tried = || lab.json(&["status"])["wakes"].as_array().is_some_and(|wakes| !wakes.is_empty());
    until_true("a first wake, which fails", tried);

    let Some(dead) = DeadMount::over(&lan.share()) else { return };
    let stalled = until("status to say so", || {
        let share = lab.json(&["status"])["share"].clone();
        share["stalled"].is_object().then_some(share)
    });
    assert_eq!(stalled["available"], false);
    assert!(daemon.log().contains("stalled since"), "{}", daemon.log());
    assert!(lab.ok(&["status"]).contains("stalled since"));
    std::fs::write(agent.folder.join("ready"), "").unwrap();
    until_true("the agent to be woken", || lab.inbox()[0]["wake"] == "woken");
    lab.ok(&["ack", &id]);
    let sent = lab.json(&["send", "office", "queued"]);
    assert!(text_of(&sent, "spooled").contains("stalled since"), "{sent}");
    assert!(lab.json(&["status"])["share"]["stalled"].is_object(), "it hung all the time");

    drop(dead);
    until_true("the share to be back", || lab.json(&["status"])["share"]["available"] == true);
    until_true("the log to say so", || daemon.log().contains("the share answers again"));
    office.receives("queued");
    office.sees(&id, "processed");

    // A start and a stop do not wait for a dead mount either.
    let Some(_dead) = DeadMount::over(&lan.share()) else { return };
    daemon.stop();
    let daemon = lab.spawn_daemon();
    until_true("the daemon to start", || daemon.log().contains("runs instance lab"));
    assert_eq!(list(lab.json(&["inbox", "--all"])).len(), 1);
    daemon.stop();
}
