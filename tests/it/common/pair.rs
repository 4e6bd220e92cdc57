//! Instances at work, without threads and without waiting: engines over one share, moved step by step on clocks that
//! stand still until they are told to move.
//!
//! A [`Site`] is one instance on one PC: a state folder of its own, its own view of the share (counted, then
//! faulty), an engine, a waker, and an agent that answers wakes. A [`Pair`] is two of them, `a` and `b`, and steps both.

use std::sync::Arc;
use std::time::Duration;

use lanpost::engine::node::Node;
use lanpost::engine::ops::{self, Draft};
use lanpost::engine::porter::{Pace, Porter};
use lanpost::engine::wake::{Outcome, WakeOrder, WakeResult, Waker};
use lanpost::engine::{Engine, Hints, Role};
use lanpost::model::config::{Config, Keep, Limits, LogConfig, Look, ShareConfig, WakeConfig};
use lanpost::model::layout::{self, LaneFile};
use lanpost::model::name::{Address, Name};
use lanpost::model::report::REPORT;
use lanpost::model::sign::Signer;
use lanpost::model::state::State;
use lanpost::model::trust::TRUST_REPORT;
use lanpost::store::db::{Filter, Message, Way};
use lanpost::store::key;
use lanpost::sys::clock::{Clock, ManualClock};
use lanpost::sys::memory::MemoryShare;
use lanpost::sys::share::Share;
use tempfile::TempDir;

use super::counting::{CountingShare, Verb};
use super::faulty::FaultyShare;

/// How long, on the instances' clocks, anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(3_600);
/// Two instances are quiet when nothing happened for this long on their clocks: longer than two idle looks.
const QUIET: Duration = Duration::from_secs(10);
/// How long the porter takes to move as much as it does in one step.
const SLICE: Duration = Duration::from_millis(10);
/// An engine that steps so often without a rest will never rest.
const RESTLESS: u32 = 10_000;

/// A valid name.
pub fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// A folder for state. In memory where there is such a place: these tests ask what is right, not what is durable.
pub fn state_folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// The config of `instance` with everything at its default.
pub fn config(instance: &str, state: &std::path::Path) -> Config {
    Config {
        file: "".into(),
        instance: name(instance),
        agents: vec![],
        roles: vec![],
        state: state.join(instance),
        share: ShareConfig::at("a share without a path"),
        look: Look::default(),
        wake: WakeConfig::default(),
        limits: Limits::default(),
        keep: Keep::default(),
        files: Default::default(),
        log: LogConfig::default(),
        trust: Default::default(),
        plain: Default::default(),
        peers: Default::default(),
        groups: Default::default(),
        commands: Default::default(),
        direct: Default::default(),
        ask: Default::default(),
    }
}

/// One instance at work.
pub struct Site {
    pub clock: Arc<ManualClock>,
    pub faults: FaultyShare,
    pub counting: CountingShare,
    /// Every wake that was ordered.
    pub wakes: Vec<WakeOrder>,
    /// What the agent answers; `None`: it takes its time, until [`Site::answer_wake`].
    pub answer: Option<Outcome>,
    /// What the steps reported, in words.
    pub problems: Vec<String>,
    /// How long the last step said to rest.
    pub rest: Duration,
    config: Config,
    engine: Option<Engine>,
    waker: Option<Waker>,
    porter: Option<Porter>,
    ended: Vec<WakeResult>,
    hints: Hints,
    restless: u32,
    _state: TempDir,
}

impl Site {
    /// Sets `instance` up on `share` and starts its daemon. `force` takes the name over.
    pub fn new(share: &Arc<dyn Share>, instance: &str, seed: u64, force: bool) -> Site {
        Site::with(share, instance, seed, force, |_| {})
    }

    /// The same with a config that is not the default.
    pub fn with(
        share: &Arc<dyn Share>,
        instance: &str,
        seed: u64,
        force: bool,
        tweak: impl FnOnce(&mut Config),
    ) -> Site {
        let state = state_folder();
        let mut config = config(instance, state.path());
        tweak(&mut config);
        let clock = Arc::new(ManualClock::new(seed));
        ops::init(&config, &**share, clock.clone(), force).unwrap();
        let counting = CountingShare::new(share.clone());
        let faults = FaultyShare::new(Arc::new(counting.clone()));
        let mut site = Site {
            clock,
            faults,
            counting,
            wakes: vec![],
            answer: Some(Outcome::Done),
            problems: vec![],
            rest: Duration::ZERO,
            config,
            engine: None,
            waker: None,
            porter: None,
            ended: vec![],
            hints: Hints::default(),
            restless: 0,
            _state: state,
        };
        site.start();
        site
    }

    /// Its key pair.
    pub fn signer(&self) -> Signer {
        key::load_or_make(&self.config.state, || unreachable!()).unwrap()
    }

    /// For a config whose state folder is yet to be made: it gets our key, so that peers take it for us.
    pub fn hand_key_to(&self, config: &Config) {
        lanpost::sys::files::private_folder(&config.state).unwrap();
        std::fs::copy(self.config.state.join("key"), config.state.join("key")).unwrap();
    }

    /// The same instance on a copy of the state folder, as a backup or a cloned machine holds it. Its daemon took no
    /// step yet.
    pub fn copy(&self, seed: u64) -> Site {
        let state = state_folder();
        let mut config = self.config.clone();
        config.state = state.path().join("copy");
        std::fs::create_dir(&config.state).unwrap();
        // The files that are attached to mail are in no backup.
        let is_file = |entry: &std::fs::DirEntry| entry.file_type().unwrap().is_file();
        for entry in std::fs::read_dir(&self.config.state).unwrap() {
            let entry = entry.unwrap();
            if !is_file(&entry) {
                continue;
            }
            std::fs::copy(entry.path(), config.state.join(entry.file_name())).unwrap();
        }
        let counting = CountingShare::new(self.counting.mounted());
        let clock = ManualClock::new(seed);
        clock.advance(self.clock.now());
        let mut site = Site {
            clock: Arc::new(clock),
            faults: FaultyShare::new(Arc::new(counting.clone())),
            counting,
            wakes: vec![],
            answer: self.answer,
            problems: vec![],
            rest: Duration::ZERO,
            config,
            engine: None,
            waker: None,
            porter: None,
            ended: vec![],
            hints: Hints::default(),
            restless: 0,
            _state: state,
        };
        site.start();
        site
    }

    /// Puts an older copy of the state folder back in place, file by file. The daemon is started anew, without a step.
    pub fn restore(&mut self, older: &Site) {
        (self.engine, self.waker, self.porter) = (None, None, None);
        for entry in std::fs::read_dir(&self.config.state).unwrap() {
            std::fs::write(entry.unwrap().path(), b"").unwrap();
        }
        for entry in std::fs::read_dir(&older.config.state).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), self.config.state.join(entry.file_name())).unwrap();
        }
        self.start();
    }

    /// A command's pass in place of the daemon, which is started anew but takes no step.
    pub fn pass(&mut self) {
        self.engine = None;
        let node = Node::open(self.config.clone(), self.clock.clone()).unwrap();
        let mut engine = Engine::new(Arc::new(self.faults.clone()), node, Role::Pass).unwrap();
        let mut hints = Hints { everything: true, ..Hints::default() };
        loop {
            let step = engine.step(&hints).unwrap();
            self.problems.extend(step.problems.iter().map(ToString::to_string));
            hints = Hints::default();
            if !step.rest.is_zero() && !self.pass_files() {
                break;
            }
        }
        engine.end_pass().unwrap();
        drop(engine);
        self.start();
    }

    /// What a pass does for files; whether there is more to send then.
    fn pass_files(&mut self) -> bool {
        let porter = self.porter.as_mut().unwrap();
        let mut ready = false;
        loop {
            let step = porter.step(&self.faults).unwrap();
            ready |= step.ready;
            if !step.rest.is_zero() {
                return ready;
            }
        }
    }

    /// Starts the daemon; one that runs is killed first, and so is the wake that it had in flight.
    pub fn start(&mut self) {
        (self.engine, self.waker, self.porter) = (None, None, None);
        (self.hints, self.ended) = (Hints::default(), vec![]);
        let node = || Node::open(self.config.clone(), self.clock.clone()).unwrap();
        self.waker = Some(Waker::new(node()).unwrap());
        self.porter = Some(Porter::new(node()).unwrap().at(Pace { piece: 64 << 10, slice: 1 << 20 }));
        self.engine = Some(Engine::new(Arc::new(self.faults.clone()), node(), Role::Daemon).unwrap());
    }

    /// Changes the config; the daemon is started anew.
    pub fn configure(&mut self, tweak: impl FnOnce(&mut Config)) {
        tweak(&mut self.config);
        self.start();
    }

    pub fn engine(&mut self) -> &mut Engine {
        self.engine.as_mut().unwrap()
    }

    pub fn node(&self) -> &Node {
        self.engine.as_ref().unwrap().node()
    }

    pub fn node_mut(&mut self) -> &mut Node {
        self.engine().node_mut()
    }

    /// Something for the next step.
    pub fn hint(&mut self, hint: impl FnOnce(&mut Hints)) {
        hint(&mut self.hints);
    }

    /// One step of the engine, then one of the waker.
    pub fn step(&mut self) {
        let hints = std::mem::take(&mut self.hints);
        let step = self.engine().step(&hints).unwrap();
        self.problems.extend(step.problems.iter().map(ToString::to_string));
        self.rest = step.rest;
        self.restless = if step.rest.is_zero() { self.restless + 1 } else { 0 };
        assert!(
            self.restless < RESTLESS,
            "{} never rests; it said {:?}",
            self.config.instance,
            self.problems
        );
        self.step_porter();
        self.step_waker();
    }

    /// One step of the porter alone.
    pub fn step_porter(&mut self) {
        let step = self.porter.as_mut().unwrap().step(&self.faults).unwrap();
        self.problems.extend(step.problems.iter().map(ToString::to_string));
        // A slice takes its time.
        let rest = if step.ready { Duration::ZERO } else { step.rest.max(SLICE) };
        self.rest = self.rest.min(rest);
    }

    /// One step of the waker alone, as while the engine hangs.
    pub fn step_waker(&mut self) {
        let ended = std::mem::take(&mut self.ended);
        let step = self.waker.as_mut().unwrap().step(&ended).unwrap();
        self.rest = self.rest.min(step.rest);
        if let Some(order) = step.order {
            self.wakes.push(order);
            if let Some(outcome) = self.answer {
                self.answer_wake(outcome);
            }
        }
    }

    /// The last wake that was ordered ends.
    pub fn answer_wake(&mut self, outcome: Outcome) {
        self.answer_wake_after(outcome, None);
    }

    /// The same, and the other side wants to be left alone for some time.
    pub fn answer_wake_after(&mut self, outcome: Outcome, retry_after: Option<Duration>) {
        let order = self.wakes.last().unwrap();
        let detail = format!("{outcome:?}").to_lowercase();
        let (wake, reached, said) = (order.wake, true, String::new());
        self.ended.push(WakeResult { wake, outcome, reached, retry_after, detail, said });
        self.rest = Duration::ZERO;
    }

    /// Steps this one alone, until `done`.
    pub fn until(&mut self, what: &str, mut done: impl FnMut(&mut Site) -> bool) {
        let deadline = self.clock.now() + PATIENCE;
        loop {
            self.step();
            if done(self) {
                return;
            }
            assert!(self.clock.now() < deadline, "{}: no {what}: {:?}", self.config.instance, self.problems);
            self.clock.advance(self.rest);
        }
    }

    /// Steps this one alone for so long.
    pub fn run(&mut self, time: Duration) {
        let end = self.clock.now() + time;
        loop {
            self.step();
            let left = end.saturating_sub(self.clock.now());
            if left.is_zero() {
                return;
            }
            self.clock.advance(self.rest.min(left));
        }
    }

    /// Hands texts over for sending, with one commit.
    pub fn send(&mut self, to: &str, texts: &[String]) -> Vec<Message> {
        let to: Address = to.parse().unwrap();
        let drafts = texts.iter().map(|text| Draft::new(to.clone(), text.as_str())).collect();
        ops::send_all(self.node_mut(), drafts).unwrap()
    }

    /// Hands one draft over.
    pub fn send_one(&mut self, to: &str, text: &str, more: impl FnOnce(&mut Draft)) -> Message {
        let mut draft = Draft::new(to.parse().unwrap(), text);
        more(&mut draft);
        ops::send(self.node_mut(), draft).unwrap()
    }

    /// Everything that ever arrived, oldest first, reports apart.
    pub fn inbox(&self) -> Vec<Message> {
        self.all()
            .into_iter()
            .filter(|message| ![REPORT, TRUST_REPORT].contains(&message.kind.as_str()))
            .collect()
    }

    /// The reports on what came to nothing.
    pub fn reports(&self) -> Vec<Message> {
        self.all().into_iter().filter(|message| message.kind == REPORT).collect()
    }

    fn all(&self) -> Vec<Message> {
        ops::inbox(self.node(), &Filter { all: true, ..Filter::default() }).unwrap()
    }

    /// The texts of everything that ever arrived, oldest first.
    pub fn texts(&self) -> Vec<String> {
        let text = |message: Message| message.content.as_str().unwrap_or_default().to_owned();
        self.inbox().into_iter().map(text).collect()
    }

    /// What became of a message that was sent from here.
    pub fn state_of(&self, message: &Message) -> State {
        ops::state_of(self.node(), message).unwrap().state
    }

    /// What happened to a message here.
    pub fn journey(&self, way: Way, message: &Message) -> Vec<String> {
        let key = if way == message.way { message.peer.clone() } else { self.peer_of(message) };
        let steps = self.node().db.transitions(way, &key, &message.id).unwrap();
        steps.into_iter().map(|step| step.what).collect()
    }

    fn peer_of(&self, message: &Message) -> String {
        message.from.parse::<Address>().unwrap().instance.fold()
    }

    pub fn status(&self) -> ops::Status {
        ops::status(self.node()).unwrap()
    }

    /// What there is to see of progress, on this side.
    fn signature(&self) -> (u64, i64, String) {
        let db = &self.node().db;
        let wakes: Vec<_> = db.wakes(1).unwrap().into_iter().map(|wake| (wake.n, wake.state)).collect();
        let rest = format!("{:?} {:?} {wakes:?}", db.counts().unwrap(), db.quarantine_count().unwrap());
        (self.counting.counts().verb(Verb::Append), db.last_row().unwrap(), rest)
    }
}

/// Two instances, `a` and `b`, on one share.
pub struct Pair {
    /// The share as it is, without counting and without faults.
    pub share: Arc<dyn Share>,
    pub a: Site,
    pub b: Site,
    /// The server's clock, if the pair made the share.
    server: Arc<ManualClock>,
}

impl Pair {
    /// Both at their defaults, on a share in memory; they know each other.
    pub fn new() -> Pair {
        Pair::with(|_| {})
    }

    /// Both with the same tweak to their config.
    pub fn with(tweak: impl Fn(&mut Config)) -> Pair {
        let server = Arc::new(ManualClock::new(0));
        let share: Arc<dyn Share> = Arc::new(MemoryShare::with_clock(server.clone()));
        Pair { server, ..Pair::on(share, tweak) }
    }

    /// Both on this share.
    pub fn on(share: Arc<dyn Share>, tweak: impl Fn(&mut Config)) -> Pair {
        let a = Site::with(&share, "a", 1, false, &tweak);
        let b = Site::with(&share, "b", 2, false, &tweak);
        let mut pair = Pair { share, a, b, server: Arc::new(ManualClock::new(0)) };
        pair.step();
        pair
    }

    /// Moves all clocks on.
    pub fn advance(&self, by: Duration) {
        self.a.clock.advance(by);
        self.b.clock.advance(by);
        self.server.advance(by);
    }

    /// One step each.
    pub fn step(&mut self) {
        self.a.step();
        self.b.step();
    }

    /// One step each, then the time until the next one passes.
    pub fn tick(&mut self) {
        self.step();
        self.advance(self.a.rest.min(self.b.rest));
    }

    /// Goes on until `done`, without which the test fails after an hour of their time.
    pub fn until(&mut self, what: &str, mut done: impl FnMut(&mut Pair) -> bool) {
        let deadline = self.a.clock.now() + PATIENCE;
        while !done(self) {
            let (a, b) = (&self.a.problems, &self.b.problems);
            assert!(self.a.clock.now() < deadline, "waited in vain for {what}; a said {a:?}, b said {b:?}");
            self.tick();
        }
    }

    /// Goes on for so long.
    pub fn run(&mut self, time: Duration) {
        let end = self.a.clock.now() + time;
        while self.a.clock.now() < end {
            self.tick();
        }
        self.step();
    }

    /// Goes on until neither has anything left to do.
    pub fn settle(&mut self) {
        let deadline = self.a.clock.now() + PATIENCE;
        let mut before = (self.a.signature(), self.b.signature());
        let mut since = self.a.clock.now();
        while self.a.clock.now() - since <= QUIET {
            self.tick();
            let now = (self.a.signature(), self.b.signature());
            if now != before {
                (before, since) = (now, self.a.clock.now());
            }
            assert!(self.a.clock.now() < deadline, "they never get quiet: {before:?}");
        }
    }

    /// The lines of the lanes from `from` to `to`, receipts included, over all leases and segments.
    pub fn lane_lines(&self, from: &str, to: &str) -> Vec<String> {
        let mut files: Vec<LaneFile> = self.lanes(from, to);
        files.sort();
        let read = |file: &LaneFile| self.share.read(&layout::lane(&name(to), file), 0, usize::MAX).unwrap();
        let bytes: Vec<u8> = files.iter().flat_map(|file| read(file).unwrap()).collect();
        String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()
    }

    /// The segments of the lanes from `from` to `to`.
    pub fn lanes(&self, from: &str, to: &str) -> Vec<LaneFile> {
        let entries = self.share.list(&layout::mailbox(&name(to))).unwrap().unwrap_or_default();
        let files = entries.iter().filter_map(|entry| layout::parse_lane(&entry.name));
        files.filter(|file| file.from == name(from)).collect()
    }
}

/// `count` texts that tell what they are: `a 0`, `a 1`, …
pub fn texts(who: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{who} {n}")).collect()
}
